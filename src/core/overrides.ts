import { type Duration, milliseconds, positive } from './duration.ts'
import { optionError } from './errors.ts'
import type { StoredVersion } from './version.ts'
import { type RetryOptions, type RetryPolicy, retryPolicy } from './retry.ts'

/** What a single job may have otherwise than its definition. A back-off function cannot travel with a row. */
export interface Overrides {
  readonly retry?:
    | (Omit<RetryOptions, 'backoff'> & { readonly backoff?: 'exponential' | 'linear' | 'fixed' })
    | number
    | false
  readonly timeout?: Duration
  /**
   * If it has not started so long after it may run, it is not run any more: it ends as cancelled, with the reason `expired`.
   * What was begun once goes on. Default: the definition's.
   */
  readonly startWithin?: Duration
}

/** As much of a definition as can be overridden. */
interface Defaults {
  readonly retry: RetryPolicy
  readonly timeout: number | undefined
}

/** The overrides as they are stored, or null when there are none. */
export function encodeOverrides(overrides: Overrides, version?: StoredVersion): string | null {
  const { retry, timeout, startWithin } = overrides
  if (retry === undefined && timeout === undefined && startWithin === undefined && version === undefined) return null
  if (typeof retry === 'object' && typeof retry.backoff === 'function') {
    throw optionError('retry.backoff of a single job', "'exponential', 'linear' or 'fixed'", retry.backoff)
  }
  return JSON.stringify({
    ...(retry !== undefined && { retry: storedRetry(retry) }),
    ...(timeout !== undefined && { timeout: milliseconds(timeout, 'timeout') }),
    ...(startWithin !== undefined && { startWithin: positive(startWithin, 'startWithin') }),
    ...version,
  })
}

/** The policy of one job: its own where it has one, else its definition's. */
export function retryOf(definition: Defaults, stored: Readonly<Record<string, unknown>>): RetryPolicy {
  const own = stored['retry'] as Partial<RetryPolicy> | undefined
  return own ? { ...definition.retry, ...own } : definition.retry
}

/** Likewise the timeout, milliseconds. */
export function timeoutOf(definition: Defaults, stored: Readonly<Record<string, unknown>>): number | undefined {
  return (stored['timeout'] as number | undefined) ?? definition.timeout
}

/** Checks the values like a definition's, and keeps only those that were given. */
function storedRetry(retry: NonNullable<Overrides['retry']>): Partial<RetryPolicy> {
  const full = retryPolicy(retry)
  const given = typeof retry === 'object' ? Object.keys(retry) : ['attempts']
  if (given.includes('backoff')) given.push('jitter') // its default depends on the back-off
  return Object.fromEntries(Object.entries(full).filter(([key]) => given.includes(key)))
}
