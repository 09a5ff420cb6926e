import { type Duration, milliseconds } from './duration.ts'
import { LegworkError, optionError, show } from './errors.ts'
import { checkName } from './limit.ts'

/** A lock that somebody has. */
export interface HeldLock {
  readonly name: string
  /**
   * Larger than that of every earlier holder of the name. Hand it to whatever the lock protects, and let that refuse a
   * smaller one than it has seen: a process that was paused may not know yet that the lock has gone.
   */
  readonly token: bigint
  /** Aborts when the lock is lost: what is done under it must stop. `signal.reason` is a LegworkError that says why. */
  readonly signal: AbortSignal
}

export interface LockOptions {
  /** A holder that is silent for longer has lost it. Renewed five times as often. At least 1 s. Default `'10s'`. */
  readonly lease?: Duration
  /** How long to wait for it; 0 only tries. Default: until it comes. */
  readonly timeout?: Duration
  /** Ends the wait; once the lock is held, aborts the signal of the work. */
  readonly signal?: AbortSignal
}

/**
 * Runs `work` while nobody else, in any process, has the lock of that name. Who asks first gets it first.
 * @returns what `work` returns
 * @throws LW_WAIT_TIMEOUT, LW_WAIT_ABORTED when it did not come; LW_LOCK_LOST when it was lost before `work` had ended,
 *  whatever that came to; LW_OPTION_INVALID, LW_CLOSED; and what `work` throws
 * @example await lock('invoice numbers', async ({ token, signal }) => issueInvoices({ token, signal }))
 */
export type TakeLock = <T>(name: string, ...rest: LockArguments<T>) => Promise<T>

/** What comes after the name. */
export type LockArguments<T> =
  | [work: (lock: HeldLock) => Promise<T> | T]
  | [options: LockOptions, work: (lock: HeldLock) => Promise<T> | T]

export interface LeaderOptions {
  /** A leader that is silent for longer leads no more. Renewed five times as often. At least 1 s. Default `'10s'`. */
  readonly lease?: Duration
  /** Asked before the process leads and at every renewal. One that is false, throws or does not answer deposes it. */
  readonly health?: () => boolean | Promise<boolean>
}

/** A process that leads, or stands by. */
export interface Leader {
  readonly leading: boolean
  /** Leads no more and stands by no more; resolves when its work has ended, after one lease at the latest. */
  stop(): Promise<void>
}

/**
 * Calls `work` in one process of those that call it with the same name, and in another one when that leads no more. It may
 * run until its signal aborts, or begin something and return: the process leads on. What it throws deposes the process
 * and is told as an `error` event.
 * @throws LW_OPTION_INVALID, LW_CLOSED
 * @example const leader = lw.leader('price feed', ({ signal }) => followPrices(signal))
 */
export type Lead = (name: string, ...rest: LeadArguments) => Leader

/** What comes after the name. */
export type LeadArguments = [work: LeadWork] | [options: LeaderOptions, work: LeadWork]

export type LeadWork = (lock: HeldLock) => Promise<void> | void

/**
 * The `lock` of one attempt of a job. `stop` ends the wait and aborts the signal of the work; when the attempt is over its
 * locks are freed, also those of a handler that was left behind or that waits for something as a durable job.
 */
export type LockOfAttempt = (stop: AbortSignal, over: AbortSignal) => TakeLock

/** A call of `lock`, checked; durations in milliseconds. */
export interface LockPlan<T> {
  readonly name: string
  readonly lease: number
  /** Undefined for as long as it takes. */
  readonly timeout: number | undefined
  readonly signal: AbortSignal | undefined
  readonly work: (lock: HeldLock) => Promise<T> | T
}

/** @throws LW_OPTION_INVALID */
export function lockPlanOf<T>(name: string, rest: LockArguments<T>): LockPlan<T> {
  const [options, work] = rest.length === 1 ? [{}, rest[0]] : rest
  checkName(name, 'name')
  if (typeof work !== 'function') throw optionError('work', 'a function', work)
  const timeout = options.timeout === undefined ? undefined : milliseconds(options.timeout, 'timeout')
  return { name, lease: leaseOf(options.lease), timeout, signal: options.signal, work }
}

/** Milliseconds. @throws LW_OPTION_INVALID */
export function leaseOf(given: Duration = '10s'): number {
  const lease = milliseconds(given, 'lease')
  if (lease < 1_000) throw optionError('lease', "at least '1s'", given)
  return lease
}

/** How the work under a lock has ended. */
export type WorkEnd<T> = { readonly result: T } | { readonly error: unknown }

/** Never throws. */
export async function endOf<T>(work: () => Promise<T> | T): Promise<WorkEnd<T>> {
  try {
    return { result: await work() }
  } catch (error) {
    return { error }
  }
}

/** What a call of `lock` returns or throws whose lock was held to the end. */
export function resultOf<T>(ended: WorkEnd<T>): T {
  if ('error' in ended) throw ended.error
  return ended.result
}

/**
 * What a call of `lock` throws whose lock was lost: its work was not protected to its end, so its result may not be relied on.
 * @param reason why it was lost
 */
export function lostWith(
  { name, token }: Pick<HeldLock, 'name' | 'token'>,
  reason: unknown,
  ended: WorkEnd<unknown>,
): unknown {
  const cause = 'error' in ended ? ended.error : undefined
  if (cause === undefined || cause === reason) return reason
  return new LegworkError('LW_LOCK_LOST', `The lock ${show(name)} was lost, and the work under it failed.`, {
    cause,
    details: { name, token: String(token) },
  })
}
