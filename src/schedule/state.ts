import type { Difference, NewState, ScheduleDraft, ScheduleRow, ScheduleState } from '../store/queries/schedules.ts'
import { type Instants, timetableOf } from './timetables.ts'
import { momentOf } from './window.ts'

/** Where a schedule stands with this next instant. */
export function placed(
  { id, policy }: Pick<ScheduleDraft, 'id' | 'policy'>,
  nextAt: Date | undefined,
  table: Instants,
  now: Date,
): Pick<NewState, 'nextAt' | 'dueAt' | 'choices'> {
  if (!nextAt) return { nextAt, dueAt: undefined }
  const { due, choices } = momentOf(id, nextAt, policy, table, now)
  return { nextAt, dueAt: due, ...(choices && { choices }) }
}

/**
 * How a schedule stands that is new or was changed. With another rule it begins anew, at the first instant to come; what
 * it has missed before is lost then, and not when only its policies were changed.
 */
export function stateOfDraft(draft: ScheduleDraft, { what, row, now }: Difference, zoneData: string): NewState {
  const before = row ?? { ...nothingYet, countedFrom: now, zoneData }
  const nextAt = what === 'policy' && row?.nextAt ? row.nextAt : firstInstant(draft, before, now)
  return { ...placedUnlessPaused(draft, before, nextAt, now), zoneData, trouble: 0 }
}

/** With newer time zone data: the next instant after those that were dealt with. */
export function renewedState(row: ScheduleRow, now: Date, zoneData: string): NewState {
  const isFixed = row.policy.fixedDelay !== undefined || !row.nextAt || row.nextAt <= now
  const nextAt = isFixed ? row.nextAt : firstInstant(row, row, now)
  return { ...placedUnlessPaused(row, row, nextAt, now), zoneData }
}

const nothingYet = {
  nextAt: undefined,
  dueAt: undefined,
  lastAt: undefined,
  live: [],
  runs: 0,
  missed: 0,
  skipped: 0,
  trouble: 0,
  pausedAt: undefined,
  pausedUntil: undefined,
  pausedBy: undefined,
  pauseReason: undefined,
}

function firstInstant(draft: ScheduleDraft, { lastAt, runs }: ScheduleState, now: Date): Date | undefined {
  const { spec, policy, id } = draft
  if (policy.maxRuns !== undefined && runs >= policy.maxRuns) return undefined
  if (policy.fixedDelay !== undefined) return new Date(now.getTime() + policy.fixedDelay)
  return timetableOf(spec, id).next(lastAt && lastAt > now ? lastAt : now)
}

function placedUnlessPaused(
  draft: ScheduleDraft,
  before: ScheduleState,
  nextAt: Date | undefined,
  now: Date,
): NewState {
  if (before.pausedAt) return { ...before, nextAt, dueAt: before.pausedUntil }
  return { ...before, ...placed(draft, nextAt, timetableOf(draft.spec, draft.id), now) }
}
