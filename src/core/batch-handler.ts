import type { Wire } from './codec.ts'
import type { JobContext } from './context.ts'
import { type Duration, milliseconds } from './duration.ts'
import { LegworkError, optionError, show } from './errors.ts'
import type { TakeLock } from './lock.ts'

/** How jobs are gathered for a handler that takes many. */
export interface BatchHandlerOptions<In = unknown> {
  /** Most jobs of one call, 1 to 1,000. Default 100. */
  readonly size?: number
  /** How long the first waits for others. Default `'100ms'`. */
  readonly wait?: Duration
  /** Only jobs with the same value come together; gets the input as JSON holds it. */
  readonly per?: (input: Wire<In>) => string | undefined
}

/** One of the jobs of a call. It has no steps: what can sleep must be a job of its own. */
export type BatchItem<Input = unknown> = Pick<
  JobContext<Input>,
  | 'id'
  | 'name'
  | 'queue'
  | 'attempt'
  | 'attempts'
  | 'key'
  | 'priority'
  | 'version'
  | 'tags'
  | 'headers'
  | 'traceparent'
  | 'enqueuedAt'
  | 'idempotencyKey'
  | 'input'
  | 'schedule'
  | 'signal'
  | 'log'
  | 'progress'
  | 'slowDown'
  | 'lock'
>

export interface BatchCall<Input = unknown> {
  readonly items: readonly BatchItem<Input>[]
  /** Aborts when the signals of all items have. */
  readonly signal: AbortSignal
  /**
   * Runs something while nobody else, in any process, has the lock of that name. It belongs to all items: one that is cancelled
   * does not take it from the others; `signal` ends the wait, and aborts what is done under the lock.
   * @throws LW_WAIT_TIMEOUT, LW_WAIT_ABORTED, LW_LOCK_LOST, LW_OPTION_INVALID
   */
  readonly lock: TakeLock
}

/** What became of each item, in their order: its output, or an error as if it had been thrown. Nothing: all are done. */
export type BatchOutcomes<R> = readonly (R | Error)[] | undefined

/** A batch handler, checked. */
export interface BatchPlan {
  readonly size: number
  /** Milliseconds. */
  readonly wait: number
  readonly per: ((input: never) => string | undefined) | undefined
  readonly call: (batch: BatchCall<never>) => unknown
}

const plan = Symbol.for('legwork.batch')

/**
 * A handler that takes many jobs at once. Each stays a job of its own, with its own status, attempts and retries; what the
 * call throws fails all of them.
 * @throws LW_OPTION_INVALID
 * @example job('mail.send', { input }, batch({ size: 50 }, async ({ items }) => mailer.sendMany(items.map(({ input }) => input))))
 */
export function batch<P, R, G = unknown, S = Record<string, unknown>, M = unknown>(
  options: BatchHandlerOptions<G>,
  call: (batch: BatchCall<P>) => Promise<BatchOutcomes<R> | void> | BatchOutcomes<R> | void,
): (context: JobContext<P, S, G, M>) => Promise<Exclude<R, Error>> {
  const { size = 100, wait = '100ms', per } = options
  if (!Number.isInteger(size) || size < 1 || size > 1_000)
    throw optionError('batch.size', 'a whole number from 1 to 1000', size)
  if (per !== undefined && typeof per !== 'function') throw optionError('batch.per', 'a function of the input', per)
  if (typeof call !== 'function') throw optionError('batch', 'given a function of a batch', call)
  const made: BatchPlan = Object.freeze({ size, wait: milliseconds(wait, 'batch.wait'), per, call })
  // one that is called by itself is a batch of one
  const handler = (context: JobContext<P, S, G, M>): Promise<Exclude<R, Error>> =>
    new BatchMeeting(made, 1, () => context.lock).join(context as unknown as JobContext) as Promise<Exclude<R, Error>>
  return Object.assign(handler, { [plan]: made })
}

/** How the jobs of a handler are gathered; undefined for one that takes each by itself. */
export function batchPlanOf(handler: unknown): BatchPlan | undefined {
  return typeof handler === 'function' && plan in handler ? (handler[plan] as BatchPlan) : undefined
}

interface Member {
  readonly item: JobContext
  readonly resolve: (output: unknown) => void
  readonly reject: (error: unknown) => void
}

/** Jobs that come together for one call: when all of them have joined, or left, it is made. */
export class BatchMeeting {
  readonly #plan: BatchPlan
  readonly #lockOf: (stop: AbortSignal) => TakeLock
  readonly #members: Member[] = []
  #expected: number

  /** @param lockOf makes the `lock` of the call, which ends with `stop` */
  constructor(batchPlan: BatchPlan, expected: number, lockOf: (stop: AbortSignal) => TakeLock) {
    this.#plan = batchPlan
    this.#lockOf = lockOf
    this.#expected = expected
  }

  /** Resolves with the output of this job, or rejects with its error. */
  join(item: JobContext): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#members.push({ item, resolve, reject })
      this.#callWhenAll()
    })
  }

  /** One that was expected does not come: it has ended before. */
  leave(): void {
    this.#expected--
    this.#callWhenAll()
  }

  #callWhenAll(): void {
    if (this.#members.length < this.#expected || this.#members.length === 0) return
    this.#expected = Infinity
    void this.#call(this.#members)
  }

  async #call(members: readonly Member[]): Promise<void> {
    try {
      const items = members.map(({ item }) => item)
      const outcomes = await this.#plan.call(this.#callOf(items) as unknown as BatchCall<never>)
      const list = checked(outcomes, items)
      for (const [place, { resolve, reject }] of members.entries()) {
        const outcome = list?.[place]
        if (outcome instanceof Error) reject(outcome)
        else resolve(outcome)
      }
    } catch (error) {
      for (const { reject } of members) reject(error)
    }
  }

  #callOf(items: readonly JobContext[]): BatchCall {
    const signal = whenAllAbort(items)
    const lockOf = this.#lockOf
    return {
      items,
      signal,
      get lock() {
        return lockOf(signal)
      },
    }
  }
}

function checked(outcomes: unknown, items: readonly JobContext[]): readonly unknown[] | undefined {
  if (outcomes === undefined) return undefined
  if (Array.isArray(outcomes) && outcomes.length === items.length) return outcomes
  const what = Array.isArray(outcomes) ? `${outcomes.length} outcomes` : show(outcomes)
  throw new LegworkError(
    'LW_OUTPUT_INVALID',
    `The batch handler of job "${items[0]?.name}" got ${items.length} jobs and returned ${what}.`,
    {
      hint: 'Return an outcome for each item, in their order, or nothing at all.',
    },
  )
}

function whenAllAbort(items: readonly JobContext[]): AbortSignal {
  const all = new AbortController()
  let going = items.length
  for (const { signal } of items) {
    const gone = (): void => {
      if (--going === 0) all.abort(signal.reason)
    }
    if (signal.aborted) gone()
    else signal.addEventListener('abort', gone, { once: true })
  }
  return all.signal
}
