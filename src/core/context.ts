import type { Duration } from './duration.ts'
import type { Checkpoint, DurableContext } from './durable.ts'
import type { ScheduleFacts } from './firing.ts'
import type { TakeLock } from './lock.ts'

/** Anything JSON can hold. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json | undefined }

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** Writes a line to the job's feed, where `ref.events()` and the status page show it. Data must be JSON. */
export type LogMethod = (message: string, data?: unknown) => void

export interface JobLog {
  readonly debug: LogMethod
  readonly info: LogMethod
  readonly warn: LogMethod
  readonly error: LogMethod
}

/** Facts about the attempt that is running; plain data. */
export interface JobFacts {
  readonly id: string
  readonly name: string
  readonly queue: string
  /** From 1. Attempts cut off by a shutdown or a crash are not counted. */
  readonly attempt: number
  /** How many attempts the retry policy allows. */
  readonly attempts: number
  readonly key: string | undefined
  readonly priority: number
  /** The version of the definition that it was enqueued with, if that had one. */
  readonly version: string | undefined
  readonly tags: readonly string[]
  readonly headers: Readonly<Record<string, string>>
  /** W3C trace context the job was enqueued in, if any. */
  readonly traceparent: string | undefined
  readonly enqueuedAt: Date
  /** Same for every attempt of this job, another one after `restart`: pass it to services that accept an idempotency key. */
  readonly idempotencyKey: string
}

/** How long a limit lets nobody begin. */
export interface SlowDown {
  readonly for?: Duration
  readonly until?: Date
  /** The name of the limit or breaker. Default: the breakers of this job and those of its limits that have a rate. */
  readonly limit?: string
}

/** What a handler is called with. */
export interface JobContext<Input = unknown, Signals = Record<string, unknown>, Given = unknown, Mark = Checkpoint>
  extends JobFacts, DurableContext<Signals, Given, Mark> {
  readonly input: Input
  /** Aborts on timeout, cancel, shutdown deadline and loss of the lease; `signal.reason` is a LegworkError saying which. */
  readonly signal: AbortSignal
  /** Of a job that a schedule has made: for which instant. */
  readonly schedule: ScheduleFacts | undefined
  readonly log: JobLog
  /**
   * Asks the limits of this job to let nobody begin for a while, in any process. Those that run go on.
   * @throws LW_OPTION_INVALID, LW_LIMIT_UNKNOWN, LW_LEASE_LOST
   * @example if (response.headers.get('x-ratelimit-remaining') === '0') await slowDown({ for: '30s' })
   */
  readonly slowDown: (wish: SlowDown) => Promise<void>
  /**
   * Runs something while nobody else, in any process, has the lock of that name. The signal of the job ends the wait, and
   * aborts what is done under the lock. The job keeps its place of `concurrency` while it waits: give a `timeout`.
   * @throws LW_WAIT_TIMEOUT, LW_WAIT_ABORTED, LW_LOCK_LOST, LW_OPTION_INVALID
   * @example await lock('ledger', { timeout: '10s' }, ({ token }) => ledger.close(input.month, token))
   */
  readonly lock: TakeLock
  /**
   * Tells whoever watches how far the work is: a percentage from 0 to 100 with an optional message, or any JSON.
   * Cheap to call often: updates are grouped and the latest wins.
   */
  readonly progress: {
    (percent: number, message?: string): void
    (value: Json): void
  }
}
