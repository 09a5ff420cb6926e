import type { JobCall, RunAll, RunChild } from './call.ts'
import type { Schema, Wire } from './codec.ts'
import type { Duration } from './duration.ts'
import type { SerializedError } from './errors.ts'
import type { JobName } from './events.ts'
import type { Outcome } from './outcome.ts'
import type { RetryOptions, RetryPolicy } from './retry.ts'

/** The name of a step, stable and unique within its job; in a loop with the key of the item: `['charge', item.id]`. */
export type StepName = string | readonly [name: string, key: string | number]

/** What the work of a step is called with. */
export interface StepFacts {
  /** The same for every try of this step of this job: pass it to services that accept an idempotency key. */
  readonly idempotencyKey: string
  /** From 1. A try that was cut off by a crash or a shutdown is not counted. */
  readonly attempt: number
  /** Aborts on the step's timeout, and whenever the job's own signal aborts. */
  readonly signal: AbortSignal
}

/** What an undo is called with, beside the step's output. */
export interface UndoFacts extends StepFacts {
  /** The idempotency key that the step itself was called with. */
  readonly key: string
  /** Why the job is undone; undefined when it was cancelled. */
  readonly error: SerializedError | undefined
}

export interface StepOptions<R = unknown> {
  /** Default: as the job's own. A number sets the attempts only; `false` means one. */
  readonly retry?: RetryOptions | number | false
  /** How long one try may take. Default: no limit of its own. */
  readonly timeout?: Duration
  /** Never try a second time, also not after a crash: then the step fails, since nobody knows how far it came. */
  readonly atMostOnce?: boolean
  /**
   * Takes the step back when the job fails for good or is cancelled; tried again like a step. It is registered before the
   * step runs: `output` is undefined when the step did not end, so that a charge that timed out is refunded too. Or a job
   * to run for that, `release.with({ orderId })`: it is stored with its input, so that no later code of this handler is needed.
   */
  readonly undo?: ((output: Wire<R> | undefined, facts: UndoFacts) => unknown) | JobCall
}

/** The transaction of `step.tx`: rows as objects by column. */
export interface StepTransaction {
  query(text: string, params?: readonly unknown[]): Promise<Record<string, unknown>[]>
}

export interface BeginOptions<R, Tx> extends StepOptions<R> {
  /** Begins a transaction of your own library on the same database, e.g. `(work) => db.transaction(work)` of Drizzle. */
  readonly begin: (work: (tx: Tx) => Promise<void>) => Promise<unknown>
}

export interface HoldOptions<R> extends StepOptions<R> {
  /** How long it is held, from when `work` has ended. */
  readonly for: Duration
  /** Gives back what is held. */
  readonly undo: NonNullable<StepOptions<R>['undo']>
}

/** Something that is held for a time. */
export interface Hold<R> {
  /** What the work of the step has returned. */
  readonly value: R
  /**
   * Keeps it: from now on only a failure or a cancel of the job undoes it.
   * @throws StepError whose cause is LW_HOLD_EXPIRED when its time is over; it has been undone then
   */
  readonly confirm: () => Promise<void>
}

export interface Step {
  /**
   * Runs `work` and remembers its result: whatever happens to the process later, it is not run again. Tried again as
   * `retry` says; only when that is used up, or `work` throws `Abort`, a StepError reaches the handler, and it is remembered too.
   */
  <R>(name: StepName, work: (facts: StepFacts) => R | Promise<R>, options?: StepOptions<R>): Promise<Wire<R>>
  /**
   * A step whose writes and whose result commit together, in a transaction of the engine's database: exactly once. With
   * `begin` in a transaction of pg, postgres.js, Drizzle, Kysely, Prisma, Knex or TypeORM on the same database.
   */
  tx<R>(
    name: StepName,
    work: (tx: StepTransaction, facts: StepFacts) => R | Promise<R>,
    options?: StepOptions<R>,
  ): Promise<Wire<R>>
  tx<R, Tx>(
    name: StepName,
    work: (tx: Tx, facts: StepFacts) => R | Promise<R>,
    options: BeginOptions<R, Tx>,
  ): Promise<Wire<R>>
  /**
   * A step whose effect is for a time: reserved seats, a price. Undone by itself, wherever the handler is, unless it is
   * confirmed before `for` is over; also when the handler completes without. `commit()` confirms.
   * @example const seats = await step.hold('seats', () => hall.reserve(input), { for: '15m', undo: (s) => hall.release(s) })
   */
  hold<R>(name: StepName, work: (facts: StepFacts) => R | Promise<R>, options: HoldOptions<R>): Promise<Hold<Wire<R>>>
  /**
   * Steps that stand or fall together: when `work` throws, those that were begun inside of it are undone, the last first, and
   * then a StepError of the group's name, with the error as its cause, reaches the handler, which may catch it and go on.
   * A group that succeeds leaves its undos to the job. Names inside of it are its own: `group > step`.
   */
  group<R>(name: StepName, work: () => R | Promise<R>): Promise<R>
}

export interface WaitOptions<T = unknown> {
  readonly timeout?: Duration
  readonly match?: (data: T) => boolean
}

export interface SignalTokenOptions {
  /** Default `'7d'`. */
  readonly expiresIn?: Duration
  /** Whether it can be used only once. Default true. */
  readonly once?: boolean
}

/** What is remembered of a token; the rest follows from it. */
export interface TokenTerms {
  readonly nonce: string
  /** Milliseconds since 1970. */
  readonly expires: number
  readonly once: boolean
}

/** How far a long job has come; only the last one is kept. */
export interface Checkpoint<Given = unknown, Found = Given> {
  /** Resolves when it is written. Cheap to call often: what is told while one is being written replaces what waits. */
  (state: Given): Promise<void>
  /** What this or an earlier attempt has told last; undefined when there is nothing. */
  last(): Promise<Found | undefined>
}

/** What makes a handler durable: part of its context. Side effects belong into steps; the code between them may run again. */
export interface DurableContext<Signals = Record<string, unknown>, Given = unknown, Mark = Checkpoint> {
  readonly step: Step
  /** Continues after this long. Longer waits hold no place and no connection, and outlive every restart. */
  readonly sleep: (duration: Duration, name?: string) => Promise<void>
  /** Continues at this instant, at once when it has passed. */
  readonly sleepUntil: (instant: Date, name?: string) => Promise<void>
  /**
   * Waits for a signal, `ref.signal(topic, data)`; one that came before counts. Each is taken once, in order. Undefined when
   * `timeout` passes first; `match` leaves the signals it refuses for others.
   */
  readonly waitFor: <T extends keyof Signals & string>(
    topic: T,
    options?: WaitOptions<Signals[T]>,
  ) => Promise<Signals[T] | undefined>
  /**
   * Text for a URL that lets whoever has it send this signal, with `lw.signalWithToken(token, data)`: an approval by mail, a
   * webhook. The same whenever the handler is run again.
   */
  readonly signalToken: (topic: keyof Signals & string, options?: SignalTokenOptions) => Promise<string>
  readonly run: RunChild
  readonly runAll: RunAll
  /** What has been done so far stays: later failures undo only what comes after. */
  readonly commit: () => Promise<void>
  /**
   * Ends this run and begins again with another input, under the same id and key, with nothing remembered: for jobs without
   * an end, `return restart({ cursor })`. What this run's steps did stays; signals that it has not taken are for the next.
   * @throws LW_INPUT_INVALID, and the run goes on
   */
  readonly restart: (...input: undefined extends Given ? [input?: Given] : [input: Given]) => Promise<never>
  /**
   * Remembers how far the work is, for plain long jobs: `checkpoint({ row })`. The next attempt, after a failure, a crash or a
   * shutdown, begins with `await checkpoint.last()`.
   * @throws LW_OUTPUT_INVALID when it does not fit the definition's `checkpoint`
   */
  readonly checkpoint: Mark
  /** The time, the same whenever the handler is run again. */
  readonly now: () => Promise<Date>
  /** A number from 0 to below 1, the same whenever the handler is run again. */
  readonly random: () => Promise<number>
  /** A random UUID, the same whenever the handler is run again. */
  readonly uuid: () => Promise<string>
}

/** The attempt that a durable run belongs to. */
export interface DurableAttempt {
  readonly job: { readonly id: string; readonly slot: number; readonly claim: number; readonly name: string }
  readonly event: JobName
  readonly retry: RetryPolicy
  /** How often the job has begun again with another input. */
  readonly restarts: number
  readonly input: Schema | undefined
  readonly checkpoint: Schema | undefined
  /** By topic. */
  readonly signals: Readonly<Record<string, Schema>>
  readonly signal: () => AbortSignal
  /** Why the job must stop, once there is a reason. */
  readonly reason: () => Error | undefined
  /** The prefix of idempotency keys: the same for every attempt. */
  readonly idempotencyKey: string
  /** Told of everything the handler asks for, before it is answered; for replays. */
  readonly onAsked?: (name: string, kind: string) => void
  /** Ends this attempt, whatever its handler is doing; the first end counts. */
  readonly end: (outcome: Outcome) => void
}

/** What remembers the steps of one attempt. */
export interface DurableRun {
  readonly context: DurableContext
  /**
   * The handler is about to complete.
   * @throws LW_STEP_DRIFT when it has not asked for something that the job remembers
   */
  requireAll(): Promise<void>
  /** The attempt has ended: what becomes of the job, after its steps were undone if need be. Never rejects. */
  conclude(outcome: Outcome): Promise<Outcome>
}

/** What makes the jobs of a worker durable. */
export interface Durability {
  /** Called for each attempt whose handler asks for a step. */
  begin(attempt: DurableAttempt): DurableRun
  /** Resolves when nothing is being written or read; the work of steps may go on. */
  drained(): Promise<void>
}
