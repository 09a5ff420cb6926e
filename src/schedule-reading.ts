import type { TimetableSpec } from './core/calendar/spec.ts'
import { length } from './core/calendar/words.ts'
import { optionError } from './core/errors.ts'
import { instant } from './core/instant.ts'
import type { Access } from './schedule-access.ts'
import type { Schedules, ScheduleStatus } from './schedule-api.ts'
import { timetableOf, withCalendars } from './schedule/timetables.ts'
import type { ScheduleRow } from './store/queries/schedules.ts'

const orphanAge = 3_600_000

/** What can be asked about schedules. */
export function reading({
  refs: { store, clock },
  row,
  calendars,
}: Access): Pick<Schedules, 'list' | 'get' | 'next' | 'preview' | 'history'> {
  return {
    list: async () => (await store.schedules()).map((each) => statusOf(each, clock.now())),
    get: async (id) => statusOf(await row(id), clock.now()),
    next: async (id, count = 10) => {
      const { spec, nextAt, pausedAt } = await row(id)
      const first = nextAt
      if (!first || pausedAt) return []
      return [first, ...instants(spec, id, first, checkedCount(count) - 1)]
    },
    preview: (spec, count = 10) =>
      instants(withCalendars(spec, calendars), 'preview', new Date(clock.now()), checkedCount(count)),
    history: async (id, { limit = 100, before } = {}) => {
      await row(id)
      return store.firings(id, instant(before, 'before'), checkedCount(limit))
    },
  }
}

function statusOf(row: ScheduleRow, now: number): ScheduleStatus {
  const {
    id,
    origin,
    spec,
    job,
    runs,
    missed,
    skipped,
    createdAt,
    seenAt,
    pausedAt,
    pauseReason,
    pausedBy,
    pausedUntil,
  } = row
  return {
    id,
    origin,
    spec,
    runs,
    missed,
    skipped,
    createdAt,
    seenAt,
    isOrphan: origin === 'code' && now - seenAt.getTime() > orphanAge,
    state: pausedAt ? 'paused' : row.dueAt ? 'active' : 'ended',
    pause: pausedAt && { at: pausedAt, reason: pauseReason, by: pausedBy, until: pausedUntil },
    description: descriptionOf(row),
    job: job.name,
    queue: job.queue,
    next: pausedAt ? undefined : row.nextAt,
    due: pausedAt ? undefined : row.dueAt,
    window: row.policy.window,
    previous: row.lastAt,
  }
}

/** One that this process cannot read must not hide the others. */
function descriptionOf({ spec, id, policy: { window } }: ScheduleRow): string {
  try {
    const rule = timetableOf(spec, id).describe()
    return window === undefined ? rule : `${rule} It fires within ${length(window)}.`
  } catch (error) {
    return String(error)
  }
}

function instants(spec: TimetableSpec, id: string, after: Date, count: number): Date[] {
  const table = timetableOf(spec, id)
  const found: Date[] = []
  for (let at = table.next(after); at && found.length < count; at = table.next(at)) found.push(at)
  return found
}

function checkedCount(count: number): number {
  if (!Number.isInteger(count) || count < 1 || count > 1_000)
    throw optionError('count', 'a whole number from 1 to 1000', count)
  return count
}
