import { type Duration, milliseconds } from './duration.ts'
import { optionError } from './errors.ts'

export type Backoff = 'exponential' | 'linear' | 'fixed' | ((attempt: number, error: unknown) => Duration)

export interface RetryOptions {
  /** How often the handler may run and fail before the job is dead, at least 1. Default 10. */
  readonly attempts?: number
  /** How the delay grows. Default `'exponential'` (doubling, with jitter). A function gets the attempt that failed, from 1. */
  readonly backoff?: Backoff
  /** The delay after the first failure. Default `'1s'`. */
  readonly first?: Duration
  /** No delay is longer. Default `'1h'`. */
  readonly max?: Duration
  /** Spread of the delay: 0 none … 1 anything between nothing and the whole. Default 0.5 for exponential, else 0. */
  readonly jitter?: number
}

export interface RetryPolicy {
  readonly attempts: number
  readonly backoff: Backoff
  readonly first: number
  readonly max: number
  readonly jitter: number
}

/** Fills in the defaults and checks every value once, when the definition is made. `0` or `false` means: never retry. */
export function retryPolicy(options: RetryOptions | number | false | undefined): RetryPolicy {
  const given = typeof options === 'object' ? options : options === undefined ? {} : { attempts: Number(options) || 1 }
  const backoff = given.backoff ?? 'exponential'
  const policy = {
    attempts: given.attempts ?? 10,
    backoff,
    first: milliseconds(given.first ?? '1s', 'retry.first'),
    max: milliseconds(given.max ?? '1h', 'retry.max'),
    jitter: given.jitter ?? (backoff === 'exponential' ? 0.5 : 0),
  }
  check(policy)
  return Object.freeze(policy)
}

/** Milliseconds to wait after `attempt` (from 1) failed with `error`. Jitter after "equal jitter", AWS Architecture Blog 2015. */
export function retryDelay(
  policy: RetryPolicy,
  attempt: number,
  error: unknown,
  random: () => number = Math.random,
): number {
  if (typeof policy.backoff === 'function') {
    return Math.min(milliseconds(policy.backoff(attempt, error), 'the result of retry.backoff'), policy.max)
  }
  const grown = Math.min(growth[policy.backoff](policy.first, attempt), policy.max)
  return Math.round(grown * (1 - policy.jitter * random()))
}

/**
 * The delay an error itself asks for: a `retryAfter` number (milliseconds), or a Retry-After header (RFC 9110 §10.2.3:
 * seconds or an HTTP date) found on the error, its `response` or its `cause`.
 */
export function retryAfterOf(error: unknown, now: number): number | undefined {
  try {
    const asked = askedBy(error, now)
    return asked === undefined ? undefined : Math.round(Math.min(asked, longestWait))
  } catch {
    return undefined // a property that throws asks for nothing
  }
}

/** Whoever asks for more has made a mistake: a year. */
const longestWait = 365 * 86_400_000

function askedBy(error: unknown, now: number): number | undefined {
  for (let e: unknown = error, depth = 0; isObject(e) && depth < 8; e = e['cause'], depth++) {
    const own = e['retryAfter']
    if (typeof own === 'number' && own >= 0) return own
    const header = headerOf(e) ?? headerOf(e['response'])
    const delay = header === undefined ? undefined : parseRetryAfter(header, now)
    if (delay !== undefined) return delay
  }
  return undefined
}

const growth = {
  exponential: (first: number, attempt: number) => first * 2 ** Math.min(attempt - 1, 50),
  linear: (first: number, attempt: number) => first * attempt,
  fixed: (first: number) => first,
} as const

function check(policy: RetryPolicy): void {
  const { attempts, backoff, jitter } = policy
  if (!Number.isInteger(attempts) || attempts < 1 || attempts > 32_000) {
    throw optionError('retry.attempts', 'a whole number from 1 to 32000', attempts)
  }
  if (typeof backoff !== 'function' && !Object.hasOwn(growth, backoff)) {
    throw optionError('retry.backoff', "'exponential', 'linear', 'fixed' or a function", backoff)
  }
  if (!(jitter >= 0 && jitter <= 1)) throw optionError('retry.jitter', 'a number from 0 to 1', jitter)
}

function headerOf(value: unknown): string | undefined {
  const headers = isObject(value) ? value['headers'] : undefined
  if (!isObject(headers)) return undefined
  const get = headers['get']
  const found =
    typeof get === 'function' ? get.call(headers, 'retry-after') : (headers['retry-after'] ?? headers['Retry-After'])
  return typeof found === 'string' || typeof found === 'number' ? String(found) : undefined
}

function parseRetryAfter(header: string, now: number): number | undefined {
  if (/^\d+$/.test(header.trim())) return Number(header) * 1_000
  const at = Date.parse(header)
  return Number.isNaN(at) ? undefined : Math.max(0, at - now)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
