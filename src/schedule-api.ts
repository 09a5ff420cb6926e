import type { ChangedBy, PauseSetting, SettingChange } from './changes.ts'
import type { TimetableSpec } from './core/calendar/spec.ts'
import type { Schedule } from './core/schedule.ts'
import type { JobRef } from './live/ref.ts'
import type { FiringRecord } from './store/queries/firings.ts'

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
  /** The rule as an English sentence, and a second one that tells of its window. */
  readonly description: string
  /** The name and the queue of its jobs. */
  readonly job: string
  readonly queue: string
  /** The next nominal instant; undefined when there is none, or none is known while it is paused. */
  readonly next: Date | undefined
  /** When that instant is to fire: later than `next` by the jitter, or at the moment chosen in its window. */
  readonly due: Date | undefined
  /** Milliseconds from an instant in which it may fire at any moment; undefined: it has no window. */
  readonly window: number | undefined
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

export interface PauseOptions extends ChangedBy {
  readonly reason?: string
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
  /** The next nominal instants, whatever its window; none of one that has ended. Default 10, at most 1,000. */
  next(id: string, count?: number): Promise<Date[]>
  /** The next instants of a rule that need not belong to a schedule. @throws LW_OPTION_INVALID */
  preview(spec: TimetableSpec, count?: number): Date[]
  /**
   * Runs it now, whatever else runs. With `at` for that nominal instant, and once: when the instant has fired, the ref is that
   * of its job. An instant that was not due yet will not fire again. With an `idempotencyKey` and no `at`, the first call
   * with the key decides the instant, and calls with the same key within seven days are about the same one.
   * @throws LW_IDEMPOTENCY_MISMATCH when the key was used with another `at`
   */
  run(id: string, options?: { readonly at?: Date; readonly idempotencyKey?: string }): Promise<JobRef>
  /** Runs the instants of a span that have not fired, at most 10,000. */
  backfill(id: string, options: BackfillOptions): Promise<JobRef[]>
  /** The next instant does not fire; returns it. Undefined when there is none. */
  skipNext(id: string): Promise<Date | undefined>
  /** Nothing fires, and nothing counts as missed, until it is resumed. */
  pause(id: string, options?: PauseOptions): Promise<void>
  /** Goes on with the first instant from now on. */
  resume(id: string, options?: ChangedBy): Promise<void>
  /** When it was paused and resumed, why and by whom, newest first. `'legwork'` is the engine itself. */
  pauseHistory(id: string): Promise<SettingChange<PauseSetting>[]>
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
