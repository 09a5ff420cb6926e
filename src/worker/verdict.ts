import { LegworkError, type SerializedError, serializeError } from '../core/errors.ts'
import type { Emitter } from '../core/events.ts'
import { type Control, controlOf, type Outcome } from '../core/outcome.ts'
import { type RetryPolicy, retryAfterOf, retryDelay } from '../core/retry.ts'
import { expiryOf } from '../core/expiry.ts'
import type { ClaimedJob } from '../store/queries/claimed-job.ts'
import type { Held } from './running.ts'

/** What a failed attempt is judged by. */
export interface Trial {
  readonly held: Held
  readonly retry: RetryPolicy
  readonly events: Emitter
  /** Milliseconds since the epoch, for a Retry-After that names a date. */
  readonly now: number
}

/** What becomes of a job whose attempt threw. The reason it was told to stop outranks what it threw because of it. */
export function verdictOf(trial: Trial, error: unknown): Outcome {
  const { reason } = trial.held.stop
  if (reason instanceof LegworkError) {
    if (reason.code === 'LW_JOB_CANCELLED') return { kind: 'cancelled', reason: textOf(reason.details['reason']) }
    if (reason.code === 'LW_SHUTDOWN') return { kind: 'released' }
    if (reason.code === 'LW_JOB_TIMEOUT')
      return failure(trial, error === reason ? reason : withCause(reason, error), undefined)
  }
  if (
    error instanceof LegworkError &&
    error.code === 'LW_INPUT_INVALID' &&
    error.details['job'] === trial.held.job.id
  ) {
    return { kind: 'dead', reason: 'invalid_input', error: serializeError(error) }
  }
  const control = error instanceof Controlled ? error.control : controlOf(error)
  return control ? controlled(trial, control) : failure(trial, error, retryAfterOf(error, trial.now))
}

/** What becomes of a job that must not run: it comes after one that has failed, or it has expired. The row says so. */
export function refusalOf({ options, late }: Pick<ClaimedJob, 'options' | 'late'>): Outcome | undefined {
  if (late) return { kind: 'cancelled', ...expiryOf(options) }
  const after = options['after'] as { policy: 'fail' | 'skip'; failed: number; total: number } | undefined
  if (!after) return undefined
  const message = `${after.failed} of the ${after.total} jobs that this one comes after did not complete.`
  if (after.policy === 'skip') return { kind: 'cancelled', reason: `skipped: ${message}` }
  return { kind: 'dead', reason: 'dependency', error: { name: 'LegworkError', code: 'LW_DEPENDENCY_FAILED', message } }
}

/** Carries a decision of an isolated handler to where outcomes are made. */
export class Controlled extends Error {
  readonly control: Control

  constructor(control: Control) {
    super(control.kind)
    this.control = control
  }
}

/** Carries the error of an isolated handler as it was there. */
export class Remote extends Error {
  readonly error: SerializedError

  constructor(error: SerializedError) {
    super(error.message)
    this.name = error.name
    this.error = error
  }
}

function controlled(trial: Trial, control: Control): Outcome {
  if (control.kind === 'abort') return { kind: 'dead', reason: control.reason, error: control.error }
  if (control.kind === 'snooze') return { kind: 'snooze', delay: control.delay, reason: control.reason }
  return exhausted(trial, control.error) ?? { kind: 'retry', delay: control.delay, error: control.error }
}

function failure(trial: Trial, error: unknown, asked: number | undefined): Outcome {
  const { held, retry, events } = trial
  const serialized = error instanceof Remote ? error.error : serializeError(error)
  held.slow = asked ?? serialized.retryAfter ?? 0
  const dead = exhausted(trial, serialized)
  if (dead) return dead
  try {
    const delay = asked ?? serialized.retryAfter ?? retryDelay(retry, held.job.attempt, error)
    return { kind: 'retry', delay, error: serialized }
  } catch (broken) {
    events.emit('error', { during: `the back-off function of job ${held.job.name}`, error: broken })
    return { kind: 'retry', delay: retry.first, error: serialized }
  }
}

function exhausted({ held, retry }: Trial, error: SerializedError): Outcome | undefined {
  return held.job.attempt >= retry.attempts ? { kind: 'dead', reason: 'attempts', error } : undefined
}

function textOf(reason: unknown): string {
  return typeof reason === 'string' ? reason : 'cancelled'
}

function withCause(reason: LegworkError, cause: unknown): Error {
  return Object.assign(new Error(reason.message, { cause }), { name: reason.name, code: reason.code })
}
