import type { CalendarRules } from './core/calendar/spec.ts'
import type { Clock } from './core/clock.ts'
import type { JobCall } from './core/call.ts'
import type { Change } from './core/change.ts'
import type { AnyJob, Contract } from './core/definition.ts'
import type { SignalTokenOptions } from './core/durable.ts'
import type { Duration } from './core/duration.ts'
import type { EngineEvents, EventName } from './core/events.ts'
import type { WallTime } from './core/instant.ts'
import type { LimitRule, Rate } from './core/limit.ts'
import type { Lead, TakeLock } from './core/lock.ts'
import type { Overrides } from './core/overrides.ts'
import type { Priority } from './core/priority.ts'
import type { Schedule } from './core/schedule.ts'
import type { Bounds } from './bounds.ts'
import type { ChangedBy, PauseSetting, SettingChange } from './changes.ts'
import type { BoundOptions } from './core/bound.ts'
import type { Keys } from './keys.ts'
import type { Breakers, Limits } from './limits.ts'
import type { Schedules } from './schedule-api.ts'
import type { UniqueOptions } from './core/unique.ts'
import type { BatchRef } from './live/batch.ts'
import type { ForkOptions } from './live/fork.ts'
import type { JobRef } from './live/ref.ts'
import type { DatabaseOption } from './store/open.ts'
import type { JobFilter, JobPage, ListOptions } from './store/queries/list.ts'
import type { QueueStatus } from './store/queries/queues.ts'
import type { LockStatus } from './store/queries/locks.ts'
import type { WorkerRecord } from './store/queries/workers.ts'
import type { Transaction } from './store/transaction/transaction.ts'
import type { Middleware } from './worker/executor.ts'

export interface EnqueueOptions extends Overrides, UniqueOptions {
  /** The open transaction of pg, postgres.js, PGlite, Drizzle, Kysely, Prisma, Knex or TypeORM: the job exists if it commits. */
  readonly tx?: unknown
  /** Run no sooner than this long from now. */
  readonly delay?: Duration
  /** Run no sooner than this instant, or time on the clocks of a zone. */
  readonly at?: Date | WallTime
  readonly priority?: Priority
  /** Jobs of one name with the same key run one at a time, in order. */
  readonly key?: string
  /** Run when all of these have ended: refs or ids. One that has ended already is not waited for. */
  readonly after?: readonly (JobRef | string)[]
  /**
   * When one of those did not complete: `'fail'` makes this job dead with the reason `dependency`, `'skip'` cancels it,
   * `'run'` runs it all the same. Decided when all have ended. Default `'fail'`.
   */
  readonly afterFailure?: 'fail' | 'skip' | 'run'
  readonly queue?: string
  /** Added to the definition's own. */
  readonly tags?: readonly string[]
  /** Plain text facts for the handler and for tools, e.g. tenant or request id. */
  readonly headers?: Readonly<Record<string, string>>
  /** W3C trace context: the `traceparent` of the operation that enqueues. */
  readonly traceparent?: string
}

/** Jobs that follow a batch. */
export interface BatchOptions {
  /** Added when all of its jobs have ended, however. */
  readonly onFinished?: JobCall
  /** Added when all of its jobs have completed. */
  readonly onSucceeded?: JobCall
  /** Added as soon as the first of its jobs has ended otherwise. */
  readonly onFailed?: JobCall
}

/** What a bulk operation does with every job that fits. */
export type BulkKind = 'cancel' | 'redrive' | 'change'

export interface BulkOptions {
  /** Of `'change'`: what every job gets. An input only with a filter of one name. */
  readonly change?: Change
  /** Of `'cancel'`. */
  readonly reason?: string
  /** Only count the jobs that fit. */
  readonly dryRun?: boolean
  /** The queue of the job that carries it out. Default `'default'`. */
  readonly queue?: string
}

export interface BulkResult {
  /** Jobs that were changed. */
  readonly done: number
  /** Jobs that fitted when they were met. The others had gone on meanwhile. */
  readonly met: number
}

/** The job that carries out a bulk operation: `progress` tells how far it is, `cancel()` aborts it. */
export interface BulkRef extends JobRef<BulkResult> {
  /** How many jobs fitted when it was called. */
  readonly count: number
}

export interface QueueOptions {
  /** How many run at once, and how often one begins. */
  readonly limit?: number | Rate | LimitRule
  /** How many it takes, and what becomes of those that have no room. */
  readonly bound?: BoundOptions | readonly BoundOptions[]
}

export interface LegworkOptions {
  /** The definitions this process knows; those with a handler can run here. */
  readonly jobs: readonly AnyJob[]
  /** `postgres://…`, or a folder for the embedded database. Default: `DATABASE_URL`, else the folder `.legwork/db`. */
  readonly database?: DatabaseOption
  /** What fires by the clock. Code is the source: those in the database become as they are here. */
  readonly schedules?: readonly Schedule[]
  /** Times that have a name, such as holidays: for `exclude` and `only` of schedules. */
  readonly calendars?: Readonly<Record<string, CalendarRules>>
  /** Wraps every handler, the first outermost. */
  readonly use?: readonly Middleware[]
  /** Limits and bounds of queues: how many run, and how many may wait; of all jobs in one, whatever their name. */
  readonly queues?: Readonly<Record<string, QueueOptions>>
  readonly retention?: {
    /** How long completed and cancelled jobs are kept. Default `'7d'`. */
    readonly age?: Duration
    /** How long dead letters are kept. Default `'90d'`. */
    readonly dead?: Duration
    /** How many completed and cancelled jobs are kept at most. Default: no limit. */
    readonly count?: number
  }
  /**
   * Signs the tokens of `signalToken`: at least 32 characters, the same in every process. Default: the variable LEGWORK_SECRET.
   */
  readonly secret?: string
  /**
   * Opens `fetch` to requests that send it as a bearer token: at least 16 characters, no spaces. Default: the variable LEGWORK_TOKEN,
   * else it stays closed.
   */
  readonly token?: string
  /** For tests: see legwork/testing. */
  readonly clock?: Clock
}

/** What holds for a queue in one process. */
export interface QueueWork {
  /** Most jobs of it at once. Default: as many as the process runs. */
  readonly concurrency?: number
  /** How many jobs of it are taken while others with weight 1 give one. Default 1. */
  readonly weight?: number
}

export interface WorkOptions {
  /** How many handlers run at once in this process. Default 10. */
  readonly concurrency?: number
  /** The queues to serve: names, or names with what holds for them in this process; a number is `concurrency`. Default: all. */
  readonly queues?: readonly string[] | Readonly<Record<string, number | QueueWork>>
  /** Places of `concurrency` that are kept free for jobs of a priority and more urgent ones. Default none. */
  readonly reserve?: Readonly<Record<string, number>>
  /** How long a job waits before it goes up one class (`'low'` to `'normal'`, 10), so that urgent ones do not hold it up for ever. Default never. */
  readonly aging?: Duration
  /** What this process can do: it takes jobs whose `needs` are among these, and jobs without needs. Default none. */
  readonly labels?: readonly string[]
  /** A worker silent for longer is dead and its jobs go to others. Default `'10s'`; a heartbeat is sent four times as often. */
  readonly lease?: Duration
  /** How often to look for work without being told. Default `'1s'`. */
  readonly poll?: Duration
  /** How long a handler may go on after its signal aborted. Default `'1s'`. */
  readonly grace?: Duration
  /** On SIGTERM and SIGINT close the engine, giving running jobs this long. `false` leaves signals alone. Default `'25s'`. */
  readonly stopOnSignal?: Duration | false
}

export interface CloseOptions {
  /** How long running jobs may take to finish before they are aborted and handed back. Default `'25s'`. */
  readonly timeout?: Duration
}

/** The engine of one process. */
export interface Legwork {
  /**
   * Adds a job. When the promise resolves, the job is committed (or will be with `options.tx`).
   * @throws LW_INPUT_INVALID, LW_OPTION_INVALID, LW_VALUE_UNSTORABLE, LW_JOB_UNKNOWN, LW_DUPLICATE, LW_IDEMPOTENCY_MISMATCH, LW_QUEUE_FULL:
   *  nothing was stored
   */
  enqueue<In, Result>(job: Contract<In, Result>, ...rest: EnqueueArguments<NoInfer<In>>): Promise<JobRef<Result>>
  enqueue(name: string, input?: unknown, options?: EnqueueOptions): Promise<JobRef>
  /** Adds many jobs of one definition, all or none. Options are for all, or a function of each input. */
  enqueueMany<In, Result>(
    job: Contract<In, Result>,
    inputs: readonly NoInfer<In>[],
    options?: EnqueueOptions | ((input: NoInfer<In>, index: number) => Omit<EnqueueOptions, 'tx'>),
  ): Promise<JobRef<Result>[]>
  /**
   * Adds many jobs, of one definition or of several, all or none, and jobs that follow when they have ended. A job that
   * follows learns the id in its header `legwork-batch`; `lw.batch(id).results()` has what became of them.
   * @example await lw.addBatch(photos.map((photo) => thumbnails.with({ photo })), { onSucceeded: album.with({ id }) })
   */
  addBatch(jobs: readonly JobCall[], options?: BatchOptions): Promise<BatchRef>
  /** A batch by its id. Asks nothing of the database yet. */
  batch(id: string): BatchRef
  /**
   * Runs `work` in a transaction of the engine's own database and commits when it resolves: for an application that keeps
   * its tables there too. Pass `tx` to `enqueue` to add jobs that exist if it commits.
   */
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>
  /** A job by its id; with its definition the result is typed. Asks nothing of the database yet. */
  ref(id: string): JobRef
  ref<In, Result>(id: string, job: Contract<In, Result>): JobRef<Result>
  /** Jobs by filter, newest first, a page at a time. */
  list(options?: ListOptions): Promise<JobPage>
  /** Cancels every unfinished job that fits; returns how many. */
  cancel(filter: JobFilter, reason?: string): Promise<number>
  /** Makes every dead (or, if asked for, cancelled) job that fits ready again; returns how many. */
  redrive(filter?: JobFilter): Promise<number>
  /** Changes every job that fits and that no worker has; returns how many. */
  change(filter: JobFilter, change: Change): Promise<number>
  /**
   * The same as a job of its own, for many jobs: a worker carries it out, in pages of 500, and goes on with it after a crash.
   * With `dryRun` only counts.
   * @throws LW_OPTION_INVALID, LW_INPUT_INVALID
   */
  bulk(
    kind: BulkKind,
    filter: JobFilter,
    options: BulkOptions & { readonly dryRun: true },
  ): Promise<{ readonly count: number }>
  bulk(kind: BulkKind, filter: JobFilter, options?: BulkOptions & { readonly dryRun?: false }): Promise<BulkRef>
  /**
   * Forks every dead job (or those in the states asked for) that fits, as `ref.fork` does; returns how many. Jobs without
   * that step, and those whose unique key is held by another unfinished job, are left out.
   * @example await lw.fork({ name: 'order.place', createdAfter: yesterday }, { from: 'last-failure' })
   */
  fork(filter: JobFilter, options: Pick<ForkOptions, 'from'>): Promise<number>
  /**
   * Text for a URL that lets whoever has it send one topic to this job, with `signalWithToken`: for people and third parties.
   * It asks for nothing: a job that is gone is found out when it is used.
   * @throws LW_OPTION_INVALID, also without a `secret`
   * @example const url = `https://shop.example/approve?token=${await lw.signalToken(ref, 'approved', { expiresIn: '2d' })}`
   */
  signalToken(ref: JobRef | string, topic: string, options?: SignalTokenOptions): Promise<string>
  /**
   * Sends the signal that a token allows, its data checked as by `ref.signal`. Nothing is sent, and the token is not used
   * up, when this throws.
   * @throws LW_TOKEN_INVALID, LW_TOKEN_EXPIRED, LW_TOKEN_USED, LW_INPUT_INVALID, LW_JOB_STATE when the job has ended,
   *  LW_JOB_NOT_FOUND
   */
  signalWithToken(token: string, data?: unknown): Promise<void>
  /** All queues with how many jobs they have in each state. */
  queues(): Promise<QueueStatus[]>
  /** No worker takes a job from the queue any more; running ones, and those a worker has claimed already, finish. */
  pause(queue: string, reason?: string, options?: ChangedBy): Promise<void>
  resume(queue: string, options?: ChangedBy): Promise<void>
  /** When the queue was paused and resumed, why and by whom, newest first. */
  pauseHistory(queue: string): Promise<SettingChange<PauseSetting>[]>
  /** The limits of jobs and queues, at run time. */
  readonly limits: Limits
  /** What fires by the clock. */
  readonly schedules: Schedules
  /** The bounds of queues, at run time. */
  readonly bounds: Bounds
  /** The breakers, at run time. */
  readonly breakers: Breakers
  /** The keys that are blocked by a job that failed. */
  readonly keys: Keys
  /** Runs something while no other process has the lock of that name. In handlers use the `lock` of the context. */
  readonly lock: TakeLock
  /** Runs something in one process of many. */
  readonly leader: Lead
  /** The locks that somebody has or waits for, by name. */
  locks(): Promise<LockStatus[]>
  /**
   * Answers HTTP requests, for the router of your application: `POST …/schedules/:id/trigger` runs a schedule. Closed
   * unless there is a `token`. Never rejects.
   */
  fetch(request: Request): Promise<Response>
  /** The processes that run jobs or did in the last day, newest first. */
  workers(): Promise<WorkerRecord[]>
  /** Listens to what this process does. Returns how to stop. */
  on<N extends EventName>(event: N, listener: (event: EngineEvents[N]) => void): () => void
  /** Runs jobs in this process, until `close`. */
  work(options?: WorkOptions): Promise<void>
  /** Resolves when this process runs nothing and no job it could run is ready. */
  idle(): Promise<void>
  /** Stops working gracefully and closes the database. */
  close(options?: CloseOptions): Promise<void>
}

/** The input may be left out when its type allows undefined. */
export type EnqueueArguments<In> = undefined extends In
  ? [input?: In, options?: EnqueueOptions]
  : [input: In, options?: EnqueueOptions]
