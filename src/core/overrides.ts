import type { AnyJob } from './definition.ts'
import { type Duration, milliseconds } from './duration.ts'
import { optionError } from './errors.ts'
import { type RetryOptions, type RetryPolicy, retryPolicy } from './retry.ts'

/** What a single job may have otherwise than its definition. A back-off function cannot travel with a row. */
export interface Overrides {
  readonly retry?:
    | (Omit<RetryOptions, 'backoff'> & { readonly backoff?: 'exponential' | 'linear' | 'fixed' })
    | number
    | false
  readonly timeout?: Duration
}

/** The overrides as they are stored, or null when there are none. */
export function encodeOverrides(overrides: Overrides): string | null {
  const { retry, timeout } = overrides
  if (retry === undefined && timeout === undefined) return null
  if (typeof retry === 'object' && typeof retry.backoff === 'function') {
    throw optionError('retry.backoff of a single job', "'exponential', 'linear' or 'fixed'", retry.backoff)
  }
  return JSON.stringify({
    ...(retry !== undefined && { retry: storedRetry(retry) }),
    ...(timeout !== undefined && { timeout: milliseconds(timeout, 'timeout') }),
  })
}

/** The policy and timeout of one job: its own where it has them, else its definition's. */
export function effective(
  definition: AnyJob,
  stored: Readonly<Record<string, unknown>>,
): { retry: RetryPolicy; timeout: number | undefined } {
  const retry = stored['retry'] as Partial<RetryPolicy> | undefined
  const timeout = stored['timeout'] as number | undefined
  return { retry: retry ? { ...definition.retry, ...retry } : definition.retry, timeout: timeout ?? definition.timeout }
}

/** Checks the values like a definition's, and keeps only those that were given. */
function storedRetry(retry: NonNullable<Overrides['retry']>): Partial<RetryPolicy> {
  const full = retryPolicy(retry)
  const given = typeof retry === 'object' ? Object.keys(retry) : ['attempts']
  if (given.includes('backoff')) given.push('jitter') // its default depends on the back-off
  return Object.fromEntries(Object.entries(full).filter(([key]) => given.includes(key)))
}
