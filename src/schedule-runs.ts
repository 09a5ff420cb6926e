import { LegworkError, optionError, show } from './core/errors.ts'
import { instant } from './core/instant.ts'
import { text } from './core/text.ts'
import { createRef, type JobRef } from './live/ref.ts'
import type { Access } from './schedule-access.ts'
import type { BackfillOptions, Schedules } from './schedule-api.ts'
import { planAsked, type PlanParts, stateOf, unchanged } from './schedule/plan.ts'
import { placed } from './schedule/state.ts'
import { timetableOf } from './schedule/timetables.ts'
import type { ScheduleRow } from './store/queries/schedules.ts'
import type { FiringPlan } from './store/scheduling.ts'

const mostBackfilled = 10_000

/** What makes a schedule run, or not, at other times than its own. */
export function running(access: Access): Pick<Schedules, 'run' | 'backfill' | 'skipNext'> {
  const { refs, plans, row, change } = access
  const { store } = refs
  const refTo = (id: string, isNew: boolean): JobRef => createRef(refs, undefined, id, isNew)
  return {
    run: async (id, { at, idempotencyKey } = {}) => {
      const given = instant(at, 'at')
      checkCode(await row(id), plans)
      const nominal = idempotencyKey === undefined ? given : await pinned(store, id, idempotencyKey, given)
      const { fired } = await change(id, (standing, now) => planAsked(standing, [nominal ?? now], 'manual', plans))
      const [job] = fired
      if (job) return refTo(job.job, true)
      const [before] = await store.firedAt(id, [nominal ?? new Date(0)])
      // two calls without `at` in one millisecond are one
      if (!before)
        throw new LegworkError('LW_JOB_STATE', `Schedule ${show(id)} was run by another call in this moment.`)
      return refTo(before.job, false)
    },
    backfill: async (id, options) => {
      const jobs = await backfilled(access, id, options)
      return jobs.map((job) => refTo(job, true))
    },
    skipNext: async (id) => {
      let skipped: Date | undefined
      await change(id, async ({ row: found }, now) => {
        skipped = found.nextAt
        return skipped ? skipping(found, skipped, now) : unchanged(found)
      })
      return skipped
    },
  }
}

/** Adds the jobs of the instants that are left, and returns their ids. */
async function backfilled(
  { refs: { store }, plans, row, change }: Access,
  id: string,
  options: BackfillOptions,
): Promise<string[]> {
  const { concurrency = 1, again = false } = options
  if (!Number.isInteger(concurrency) || concurrency < 1)
    throw optionError('concurrency', 'a whole number from 1', concurrency)
  const found = await row(id)
  checkCode(found, plans)
  const nominals = span(found, options)
  const fired = again ? [] : await store.firedAt(id, nominals)
  const done = new Set(fired.map(({ nominal }) => nominal.getTime()))
  const left = nominals.filter((nominal) => !done.has(nominal.getTime()))
  const after = (place: number): number[] => (place < concurrency ? [] : [place - concurrency])
  const carried = await change(id, async (standing) => ({
    ...(await planAsked(standing, left, 'backfill', plans, after)),
    again,
  }))
  return carried.fired.map(({ job }) => job)
}

/** The instant of a call that may come more than once. */
async function pinned(store: Access['refs']['store'], id: string, given: string, at: Date | undefined): Promise<Date> {
  const key = text(given, 'idempotencyKey') ?? given
  const nominal = await store.pin(id, key, at)
  if (nominal) return nominal
  throw new LegworkError('LW_IDEMPOTENCY_MISMATCH', `The idempotency key ${show(key)} was used for another instant.`, {
    hint: 'Use a key of its own for each instant, or leave the key out: an instant fires once anyway.',
    details: { schedule: id, key },
  })
}

function skipping(row: ScheduleRow, skipped: Date, now: Date): FiringPlan {
  const table = timetableOf(row.spec, row.id)
  const delay = row.policy.fixedDelay
  const next = delay === undefined ? table.next(skipped) : new Date(skipped.getTime() + delay)
  const counted = { ...stateOf(row), lastAt: skipped, skipped: row.skipped + 1 }
  const reason = 'skipped by request'
  return {
    ...unchanged(row),
    state: row.pausedAt
      ? { ...counted, nextAt: next, dueAt: row.pausedUntil }
      : { ...counted, ...placed(row, next, table, now) },
    notes: [{ schedule: row.id, nominal: skipped, outcome: 'skipped', kind: 'manual', reason }],
  }
}

function span(row: ScheduleRow, { from, to, order = 'oldest' }: BackfillOptions): Date[] {
  const [first, last] = [instant(from, 'from'), instant(to, 'to')]
  if (!first || !last || last < first) throw optionError('to', 'an instant that is not before from', to)
  if (order !== 'oldest' && order !== 'newest') throw optionError('order', "'oldest' or 'newest'", order)
  const table = timetableOf(row.spec, row.id)
  const found: Date[] = []
  for (let at = table.next(new Date(first.getTime() - 1)); at && at <= last; at = table.next(at)) {
    if (found.push(at) > mostBackfilled)
      throw optionError('to', `no more than ${mostBackfilled} instants after from`, to)
  }
  return order === 'oldest' ? found : found.toReversed()
}

function checkCode(row: ScheduleRow, { makerOf }: PlanParts): void {
  if (!row.dynamic || makerOf(row.id)) return
  throw new LegworkError(
    'LW_SCHEDULE_UNKNOWN',
    `The input of schedule ${show(row.id)} is a function, and its code is not in this process.`,
    {
      hint: 'Give the schedule to legwork({ schedules }) here too.',
    },
  )
}
