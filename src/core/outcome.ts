import { type Duration, milliseconds } from './duration.ts'
import { reviveError, type SerializedError, serializeError } from './errors.ts'

/**
 * Throw it from a handler to end the job at once: no retry, however many attempts are left.
 * @example if (user.deleted) throw new Abort('the user is gone')
 */
export class Abort extends Error {
  override readonly name: string = 'Abort'
}

/**
 * Throw it from a handler to have the attempt count as failed and the next one start after `delay`
 * instead of the policy's back-off.
 * @example throw new RetryAfter('30s', 'the payment provider is down')
 */
export class RetryAfter extends Error {
  override readonly name: string = 'RetryAfter'
  readonly delay: number

  constructor(delay: Duration, message = 'asked to be retried later', options?: { cause?: unknown }) {
    super(message, options)
    this.delay = milliseconds(delay, 'RetryAfter delay')
  }
}

/**
 * Throw it from a handler to be run again after `delay` without counting this attempt: the work is not there yet.
 * @example if (!report.ready) throw new Snooze('10m')
 */
export class Snooze extends Error {
  override readonly name: string = 'Snooze'
  readonly delay: number

  constructor(delay: Duration, message = 'asked to be run again later') {
    super(message)
    this.delay = milliseconds(delay, 'Snooze delay')
  }
}

/**
 * A step of a durable job has failed for good: its tries are used up. Thrown to the handler, the same in every run of it;
 * a handler that lets it pass ends the job.
 */
export class StepError extends Error {
  override readonly name: string = 'StepError'
  readonly step: string
  /** Tries that failed. */
  readonly attempts: number

  constructor(step: string, attempts: number, error: SerializedError) {
    super(`Step "${step}" failed after ${attempts} ${attempts === 1 ? 'try' : 'tries'}: ${error.message}`, {
      cause: reviveError(error),
    })
    this.step = step
    this.attempts = attempts
  }
}

/** How an attempt ended, as a value. The settle statement is the only reader. */
export type Outcome =
  | { readonly kind: 'completed'; readonly output: string | null }
  | { readonly kind: 'retry'; readonly delay: number; readonly error: SerializedError }
  | { readonly kind: 'snooze'; readonly delay: number; readonly reason: string }
  | { readonly kind: 'dead'; readonly reason: DeadReason; readonly error: SerializedError }
  | { readonly kind: 'cancelled'; readonly reason: string; readonly error?: SerializedError }
  | { readonly kind: 'released' }
  /** A durable job waits for `delay` milliseconds, Infinity until it is woken, or for a wake beyond those it knows of. */
  | { readonly kind: 'parked'; readonly delay: number; readonly wakes: number }
  /** It begins again with another input (JSON text) and nothing remembered, for the `restarts`th time. */
  | { readonly kind: 'restarted'; readonly input: string | null; readonly restarts: number }
  /** It failed or was cancelled, and its steps were undone. */
  | { readonly kind: 'compensated'; readonly reason: string; readonly error?: SerializedError }
  /** Some of its steps could not be undone: a person must look. */
  | { readonly kind: 'compensation_failed'; readonly reason: string; readonly error: SerializedError }

/** Why a job became a dead letter. */
export type DeadReason = 'attempts' | 'aborted' | 'step_failed' | 'invalid_input' | 'poisoned' | 'dependency'

/** What a handler asked for by throwing, independent of the retry policy. */
export type Control =
  | { readonly kind: 'abort'; readonly error: SerializedError; readonly reason: 'aborted' | 'step_failed' }
  | { readonly kind: 'retry-after'; readonly delay: number; readonly error: SerializedError }
  | { readonly kind: 'snooze'; readonly delay: number; readonly reason: string }

/** Recognises the control classes by name too, so that a second copy of the package (or a thread) works. */
export function controlOf(error: unknown): Control | undefined {
  try {
    return controlFrom(error)
  } catch {
    return undefined // a property that throws asks for nothing
  }
}

function controlFrom(error: unknown): Control | undefined {
  if (!(error instanceof Error)) return undefined
  const delay = 'delay' in error && typeof error.delay === 'number' ? error.delay : undefined
  if (error instanceof Abort || error.name === 'Abort')
    return { kind: 'abort', error: serializeError(error), reason: 'aborted' }
  if (error instanceof StepError) return { kind: 'abort', error: serializeError(error), reason: 'step_failed' }
  if (error.name === 'RetryAfter' && delay !== undefined)
    return { kind: 'retry-after', delay, error: serializeError(error) }
  if (error.name === 'Snooze' && delay !== undefined) return { kind: 'snooze', delay, reason: error.message }
  return undefined
}
