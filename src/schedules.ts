import type { Emitter } from './core/events.ts'
import { LegworkError, optionError, show } from './core/errors.ts'
import { instant } from './core/instant.ts'
import type { Schedule, TimetableSpec } from './core/schedule.ts'
import { nearest } from './core/suggest.ts'
import { text } from './core/text.ts'
import { draftOf, inputMaker, zoneData } from './drafts.ts'
import { newsOf } from './enqueue.ts'
import { cancelChildren } from './live/cancel.ts'
import { createRef, type JobRef, type RefParts } from './live/ref.ts'
import { planAsked, paused, type PlanParts, resumed, stateOf, unchanged } from './schedule/plan.ts'
import { Scheduler } from './schedule/scheduler.ts'
import { stateOfDraft } from './schedule/state.ts'
import { timetableOf } from './schedule/timetables.ts'
import type { FiringRecord } from './store/queries/firings.ts'
import type { ScheduleRow } from './store/queries/schedules.ts'
import type { Carried, FiringPlan, Standing } from './store/scheduling.ts'

/** A schedule and how it stands. */
export interface ScheduleStatus {
  readonly id: string
  /** Where it comes from: the code of some process, or `put`. */
  readonly origin: 'code' | 'api'
  /** It came from code, and no process that names it has been seen for an hour. It goes on until it is removed. */
  readonly isOrphan: boolean
  readonly state: 'active' | 'paused' | 'ended'
  readonly pause:
    | {
        readonly at: Date
        readonly reason: string | undefined
        readonly by: string | undefined
        readonly until: Date | undefined
      }
    | undefined
  readonly spec: TimetableSpec
  /** The name and the queue of its jobs. */
  readonly job: string
  readonly queue: string
  /** The next nominal instant; undefined when there is none, or none is known while it is paused. */
  readonly next: Date | undefined
  /** The last nominal instant that was dealt with. */
  readonly previous: Date | undefined
  /** How many instants have fired, were missed, and were skipped, since it was made. */
  readonly runs: number
  readonly missed: number
  readonly skipped: number
  readonly createdAt: Date
  /** When a process with this schedule in its code was seen last, within about ten minutes. */
  readonly seenAt: Date
}

export interface PauseOptions {
  readonly reason?: string
  readonly by?: string
  /** Goes on by itself at this instant. Default: at `resume`. */
  readonly until?: Date
}

export interface BackfillOptions {
  /** The first and the last nominal instant, both included. */
  readonly from: Date
  readonly to: Date
  /** How many of the runs may be unfinished at once. Default 1: one after the other. */
  readonly concurrency?: number
  readonly order?: 'oldest' | 'newest'
  /** Also instants that have fired. Default: only those that were skipped, missed, or never came. */
  readonly again?: boolean
}

/** What fires by the clock. Operations that name a schedule throw LW_SCHEDULE_UNKNOWN when there is none of that id. */
export interface Schedules {
  /** All schedules of this database by id, whoever made them. */
  list(): Promise<ScheduleStatus[]>
  get(id: string): Promise<ScheduleStatus>
  /** The next nominal instants; none of one that has ended. Default 10, at most 1,000. */
  next(id: string, count?: number): Promise<Date[]>
  /** The next instants of a rule that need not belong to a schedule. @throws LW_OPTION_INVALID */
  preview(spec: TimetableSpec, count?: number): Date[]
  /**
   * Runs it now, whatever else runs. With `at` for that nominal instant, and once: when the instant has fired, the ref is that
   * of its job. An instant that was not due yet will not fire again.
   */
  run(id: string, options?: { readonly at?: Date }): Promise<JobRef>
  /** Runs the instants of a span that have not fired, at most 10,000. */
  backfill(id: string, options: BackfillOptions): Promise<JobRef[]>
  /** The next instant does not fire; returns it. Undefined when there is none. */
  skipNext(id: string): Promise<Date | undefined>
  /** Nothing fires, and nothing counts as missed, until it is resumed. */
  pause(id: string, options?: PauseOptions): Promise<void>
  /** Goes on with the first instant from now on. */
  resume(id: string): Promise<void>
  /** What became of its instants, newest first, before an instant. Default 100, at most 1,000. */
  history(id: string, options?: { readonly limit?: number; readonly before?: Date }): Promise<FiringRecord[]>
  /**
   * Makes a schedule, or changes one that was made like this. It is kept in the database; its input cannot be a function.
   * @throws LW_OPTION_INVALID, LW_INPUT_INVALID, LW_SCHEDULE_TAKEN when one in the code has its id
   */
  put(schedule: Schedule): Promise<void>
  /** Forgets a schedule and its history; its jobs stay. One that is in the code comes back when a process starts with it. */
  remove(id: string): Promise<void>
}

interface SchedulesParts {
  readonly refs: RefParts
  readonly events: Emitter
  readonly schedules: readonly Schedule[]
}

const mostBackfilled = 10_000
const orphanAge = 3_600_000

/** The operations on schedules, and what a worker fires them with. */
export function createSchedules({ refs, events, schedules }: SchedulesParts): {
  operations: Schedules
  scheduler: Scheduler
} {
  const { store, hub, clock } = refs
  const known = new Map(schedules.map((schedule) => [schedule.id, schedule]))
  const dynamic = schedules.filter(({ input }) => typeof input === 'function').map(({ id }) => id)
  const plans: PlanParts = { makerOf: (id) => inputMaker(known.get(id)) }
  const scheduler = new Scheduler({
    ...plans,
    ...{ store, clock, events, zoneData },
    named: () => [...known.keys()],
    dynamic: () => dynamic,
    onCarried: (carried) => tell(refs, carried),
  })
  const unknown = async (id: string) =>
    missing(
      id,
      (await store.schedules()).map((row) => row.id),
    )
  const change = async (id: string, plan: (standing: Standing, now: Date) => Promise<FiringPlan>): Promise<Carried> => {
    const carried = await store.fireOne(id, plan)
    if (!carried) throw await unknown(id)
    await tell(refs, carried)
    for (const { schedule, nominal, job, kind } of carried.fired) events.emit('fired', { schedule, nominal, job, kind })
    hub.tell({ schedules: true })
    return carried
  }
  const row = async (id: string): Promise<ScheduleRow> => {
    const [found] = await store.schedules(id)
    if (!found) throw await unknown(id)
    return found
  }
  return {
    scheduler,
    operations: {
      ...reading(refs, row),
      ...firing(refs, plans, row, change),
      ...managing(refs, known, change, unknown),
    },
  }
}

type Change = (id: string, plan: (standing: Standing, now: Date) => Promise<FiringPlan>) => Promise<Carried>

function reading(
  { store, clock }: RefParts,
  row: (id: string) => Promise<ScheduleRow>,
): Pick<Schedules, 'list' | 'get' | 'next' | 'preview' | 'history'> {
  return {
    list: async () => (await store.schedules()).map((each) => statusOf(each, clock.now())),
    get: async (id) => statusOf(await row(id), clock.now()),
    next: async (id, count = 10) => {
      const { spec, nextAt, pausedAt } = await row(id)
      const first = nextAt
      if (!first || pausedAt) return []
      return [first, ...instants(spec, id, first, checkedCount(count) - 1)]
    },
    preview: (spec, count = 10) => instants(spec, 'preview', new Date(clock.now()), checkedCount(count)),
    history: async (id, { limit = 100, before } = {}) => {
      await row(id)
      return store.firings(id, instant(before, 'before'), checkedCount(limit))
    },
  }
}

function firing(
  refs: RefParts,
  plans: PlanParts,
  row: (id: string) => Promise<ScheduleRow>,
  change: Change,
): Pick<Schedules, 'run' | 'backfill' | 'skipNext'> {
  const { store } = refs
  const refTo = (id: string, isNew: boolean): JobRef => createRef(refs, undefined, id, isNew)
  return {
    run: async (id, { at } = {}) => {
      const nominal = instant(at, 'at')
      checkCode(await row(id), plans)
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
      const found = await row(id)
      checkCode(found, plans)
      const nominals = span(found, options)
      const { concurrency = 1, again = false } = options
      if (!Number.isInteger(concurrency) || concurrency < 1)
        throw optionError('concurrency', 'a whole number from 1', concurrency)
      const fired = again ? [] : await store.firedAt(id, nominals)
      const done = new Set(fired.map(({ nominal }) => nominal.getTime()))
      const left = nominals.filter((nominal) => !done.has(nominal.getTime()))
      const after = (place: number) => (place < concurrency ? [] : [place - concurrency])
      const carried = await change(id, async (standing) => ({
        ...(await planAsked(standing, left, 'backfill', plans, after)),
        again,
      }))
      return carried.fired.map(({ job }) => refTo(job, true))
    },
    skipNext: async (id) => {
      let skipped: Date | undefined
      await change(id, async ({ row: now }) => {
        skipped = now.nextAt
        return skipped ? skipping(now, skipped) : unchanged(now)
      })
      return skipped
    },
  }
}

function managing(
  { store, hub, clock }: RefParts,
  known: ReadonlyMap<string, Schedule>,
  change: Change,
  unknown: (id: string) => Promise<LegworkError>,
): Pick<Schedules, 'pause' | 'resume' | 'put' | 'remove'> {
  return {
    pause: async (id, { reason, by, until } = {}) => {
      const end = instant(until, 'until')
      const because = text(reason, 'reason') ?? 'paused by request'
      const who = text(by, 'by') ?? 'unknown'
      await change(id, async ({ row }, now) => ({ ...unchanged(row), state: paused(row, now, because, who, end) }))
    },
    resume: async (id) => {
      await change(id, async ({ row }, now) => ({
        ...unchanged(row),
        state: stateOf(row.pausedAt ? resumed(row, now) : row),
      }))
    },
    put: async (given) => {
      if (typeof given.input === 'function')
        throw optionError('input', 'no function: nobody could call it after a restart', given.input)
      const [there] = await store.schedules(given.id)
      if (known.has(given.id) || there?.origin === 'code')
        throw new LegworkError('LW_SCHEDULE_TAKEN', `Schedule ${show(given.id)} is in the code.`, {
          hint: 'Change it there, or choose another id.',
        })
      const draft = await draftOf(given, 'api')
      await store.saveSchedules([draft], zoneData, (one, difference) => stateOfDraft(one, difference, zoneData))
      hub.tell({ schedules: true })
    },
    remove: async (id) => {
      if (!(await store.removeSchedule(id))) throw await unknown(id)
      hub.tell({ schedules: true })
      void clock
    },
  }
}

/** Writes the schedules of this process; those that are the same already are left alone. */
export async function saveOwn(store: RefParts['store'], schedules: readonly Schedule[]): Promise<boolean> {
  const drafts = await Promise.all(schedules.map(async (schedule) => draftOf(schedule, 'code')))
  const changed = await store.saveSchedules(drafts, zoneData, (draft, difference) =>
    stateOfDraft(draft, difference, zoneData),
  )
  if (schedules.length > 0) await store.seeSchedules(schedules.map(({ id }) => id))
  return changed.length > 0
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
    ...{ id, origin, spec, runs, missed, skipped, createdAt, seenAt },
    isOrphan: origin === 'code' && now - seenAt.getTime() > orphanAge,
    state: pausedAt ? 'paused' : row.dueAt ? 'active' : 'ended',
    pause: pausedAt && { at: pausedAt, reason: pauseReason, by: pausedBy, until: pausedUntil },
    job: job.name,
    queue: job.queue,
    next: pausedAt ? undefined : row.nextAt,
    previous: row.lastAt,
  }
}

async function tell({ store, hub }: RefParts, { fired, stopped, ended, parents, woken }: Carried): Promise<void> {
  if (fired.length > 0)
    hub.tell(
      newsOf(
        fired.map(({ row }) => row),
        0,
      ),
    )
  if (stopped.length + woken.length > 0) hub.tell({ cancel: stopped, changed: stopped, ended, woken })
  for (const parent of parents) await cancelChildren({ store, hub }, parent, 'its parent was ended by a schedule')
}

function skipping(row: ScheduleRow, skipped: Date): FiringPlan {
  const table = timetableOf(row.spec, row.id)
  const note = {
    schedule: row.id,
    nominal: skipped,
    outcome: 'skipped',
    kind: 'manual',
    reason: 'skipped by request',
  } as const
  const delay = row.policy.fixedDelay
  const next = delay === undefined ? table.next(skipped) : new Date(skipped.getTime() + delay)
  const moved = resumed({ ...row, policy: { ...row.policy } }, next ?? skipped)
  const state = { ...stateOf(row), nextAt: next, dueAt: next && moved.dueAt, lastAt: skipped, skipped: row.skipped + 1 }
  return { ...unchanged(row), state: { ...state, dueAt: row.pausedAt ? row.pausedUntil : state.dueAt }, notes: [note] }
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

function missing(id: string, ids: readonly string[]): LegworkError {
  const guess = nearest(id, ids)
  return new LegworkError('LW_SCHEDULE_UNKNOWN', `There is no schedule ${show(id)}.`, {
    hint: guess === undefined ? 'lw.schedules.list() has them all.' : `Did you mean ${show(guess)}?`,
    details: { id, ...(guess !== undefined && { nearest: guess }) },
  })
}
