/** Every error the package throws on purpose has a code from this list; docs/reference/errors.md explains each one. */
export const errorCodes = {
  LW_OPTION_INVALID: 'An option has a value it cannot have.',
  LW_INPUT_INVALID: 'The input of a job does not fit its schema.',
  LW_OUTPUT_INVALID: 'A handler returned something that does not fit the output schema.',
  LW_VALUE_UNSTORABLE: 'A value cannot be written as JSON without losing something.',
  LW_JOB_UNKNOWN: 'No definition with that name was given to this engine.',
  LW_JOB_NAME_TAKEN: 'Two definitions share one name.',
  LW_JOB_NOT_FOUND: 'No job has that id, or its history has been pruned.',
  LW_JOB_STATE: 'The job is in a state that does not allow the operation.',
  LW_DUPLICATE: 'A job that is the same is there already.',
  LW_QUEUE_FULL: 'The queue takes no more jobs for now.',
  LW_IDEMPOTENCY_MISMATCH: 'The idempotency key was used for another input.',
  LW_JOB_DEAD: 'The job failed for good.',
  LW_JOB_CANCELLED: 'The job was cancelled.',
  LW_JOB_EXPIRED: 'The job had not started by the time it had for that.',
  LW_DEPENDENCY_FAILED: 'A job that this one comes after did not complete.',
  LW_JOB_TIMEOUT: 'An attempt ran longer than its timeout.',
  LW_JOB_POISONED: 'The job was running each time several workers died.',
  LW_JOB_COMPENSATED: 'The job failed or was cancelled, and its steps were undone.',
  LW_JOB_COMPENSATION_FAILED: 'The job failed, and not all of its steps could be undone.',
  LW_STEP_NESTED: 'A step was begun inside of another step.',
  LW_STEP_INTERRUPTED: 'A step that may run at most once was cut off.',
  LW_HOLD_EXPIRED: 'A hold was not confirmed in time.',
  LW_STEP_DRIFT: 'The code asks for something else under a name than the job remembers.',
  LW_REPLAY_DIFFERS: 'A handler that was run again asked for other steps than its job remembers.',
  LW_STEP_TIMEOUT: 'One try of a step ran longer than its timeout.',
  LW_LIMIT_UNKNOWN: 'There is no limit or breaker with that name.',
  LW_SCHEDULE_UNKNOWN: 'There is no schedule with that id, or its code is not in this process.',
  LW_SCHEDULE_TAKEN: 'Two schedules share one id, or it belongs to one in the code.',
  LW_TOKEN_INVALID: 'A signal token was changed, or made with another secret.',
  LW_TOKEN_EXPIRED: 'The time of a signal token is over.',
  LW_TOKEN_USED: 'A signal token that works once was used before.',
  LW_LEASE_LOST: 'This worker no longer owns the job; another one may be running it.',
  LW_LOCK_LOST: 'A lock was lost before the work under it had ended.',
  LW_WAIT_TIMEOUT: 'What was waited for did not come in time.',
  LW_WAIT_ABORTED: 'The wait was aborted by its signal.',
  LW_SHUTDOWN: 'The worker is stopping; the attempt is handed back and not counted.',
  LW_CLOSED: 'The engine has been closed.',
  LW_TX_UNKNOWN: 'The value given as tx is not a transaction of a library we know.',
  LW_TX_NOT_OPEN: 'The value given as tx is not inside an open transaction.',
  LW_DATABASE_LOCKED: 'Another process has the embedded database open.',
  LW_DATABASE_UNREACHABLE: 'The database did not answer in time.',
  LW_SCHEMA_NEWER: 'The database was migrated by a newer version of this package.',
  LW_SCHEMA_CHANGED: 'A migration that was applied before has a different text now.',
  LW_MIGRATION_FAILED: 'A migration failed and was rolled back.',
  LW_ISOLATE_MODULE: 'The module of an isolated job cannot be loaded or does not export it.',
  LW_ISOLATE_UNAVAILABLE: 'Something was used that an isolated handler does not have.',
  LW_ISOLATE_CRASHED: 'The thread or process of an isolated job died.',
  LW_ISOLATE_MEMORY: 'An isolated job used more memory than its cap.',
} as const

export type ErrorCode = keyof typeof errorCodes

export interface ErrorOptions {
  /** What the reader should do next, as a sentence. */
  readonly hint?: string
  readonly cause?: unknown
  /** Machine-readable facts, e.g. the offending path or the holder of a lock. */
  readonly details?: Readonly<Record<string, unknown>>
}

const brand = Symbol.for('legwork.error')

/**
 * The one error class of the package. `code` is stable and documented, `message` says what happened,
 * `hint` what to do. `instanceof` also holds across two installed copies of the package.
 */
export class LegworkError extends Error {
  override readonly name: string = 'LegworkError'
  readonly code: ErrorCode
  readonly hint: string | undefined
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(
      `${message}${options.hint ? ` ${options.hint}` : ''} [${code}]`,
      options.cause === undefined ? undefined : { cause: options.cause },
    )
    this.code = code
    this.hint = options.hint
    this.details = options.details ?? {}
    Object.defineProperty(this, brand, { value: true })
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && brand in value
  }
}

/** An option error names the option, the rule and the value received. */
export function optionError(option: string, rule: string, received: unknown): LegworkError {
  return new LegworkError('LW_OPTION_INVALID', `Option ${option} must be ${rule}; received ${show(received)}.`, {
    details: { option, rule },
  })
}

/** Whether the database could not be asked, so that nobody knows what became of a statement. */
export function isUnreachable(error: unknown): boolean {
  return error instanceof LegworkError && (error.code === 'LW_DATABASE_UNREACHABLE' || error.code === 'LW_CLOSED')
}

/** A short, safe rendering of any value for an error message. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(clip(value))
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'function') return `function ${value.name || '(anonymous)'}`
  if (typeof value === 'object' && value !== null) return showObject(value)
  return String(value)
}

/** The error as plain data, with its whole cause chain, ready to be stored or sent to another process. */
export interface SerializedError {
  readonly name: string
  readonly message: string
  readonly code?: string
  readonly stack?: string
  readonly cause?: SerializedError
  /** Milliseconds to wait before trying again, when the error carried a Retry-After. */
  readonly retryAfter?: number
}

/** A stored error as an Error again, so that it prints with its causes. */
export function reviveError(stored: SerializedError): Error {
  const error = new Error(stored.message, stored.cause && { cause: reviveError(stored.cause) })
  error.name = stored.name
  if (stored.stack !== undefined) error.stack = stored.stack
  return Object.assign(error, stored.code !== undefined && { code: stored.code })
}

/** Causes deeper than this are cut: a cycle or a runaway chain must not fill the database. */
const maxCauses = 8
const maxText = 16_000

/** Turns anything that was thrown into plain data; never throws itself. */
export function serializeError(error: unknown): SerializedError {
  return serialize(error, 0)
}

function serialize(error: unknown, depth: number): SerializedError {
  try {
    return isErrorLike(error)
      ? dataOf(error, depth)
      : { name: 'NonError', message: cleanText(`Thrown value: ${show(error)}`) }
  } catch {
    return { name: 'NonError', message: 'The thrown value cannot be read: its properties throw.' }
  }
}

function dataOf(error: ErrorLike, depth: number): SerializedError {
  const code = codeOf(error)
  const inner = innerOf(error)
  const cause = inner !== undefined && depth < maxCauses ? serialize(inner, depth + 1) : undefined
  return {
    name: typeof error.name === 'string' && error.name !== '' ? cleanText(error.name) : 'Error',
    message: cleanText(error.message),
    ...(code !== undefined && { code }),
    ...(typeof error.stack === 'string' && { stack: cleanText(error.stack) }),
    ...(cause && { cause }),
  }
}

function codeOf({ code }: ErrorLike): string | undefined {
  return typeof code === 'string' || typeof code === 'number' ? cleanText(String(code)) : undefined
}

/** An AggregateError often has no message of its own: the first of its errors says what happened. */
function innerOf({ cause, errors }: ErrorLike): unknown {
  return cause ?? (Array.isArray(errors) ? errors[0] : undefined)
}

interface ErrorLike {
  readonly name: unknown
  readonly message: string
  readonly stack?: unknown
  readonly cause?: unknown
  readonly errors?: unknown
  readonly code?: unknown
}

function isErrorLike(value: unknown): value is ErrorLike {
  return typeof value === 'object' && value !== null && 'message' in value && typeof value.message === 'string'
}

function clip(text: string): string {
  return text.length > 80 ? `${text.slice(0, 77)}…` : text
}

function showObject(value: object): string {
  try {
    return clip(JSON.stringify(value) ?? Object.prototype.toString.call(value))
  } catch {
    return Object.prototype.toString.call(value)
  }
}

/** PostgreSQL's text cannot hold NUL, nor jsonb a lone surrogate. */
export function cleanText(text: string): string {
  return text.slice(0, maxText).replaceAll('\0', '␀').toWellFormed()
}
