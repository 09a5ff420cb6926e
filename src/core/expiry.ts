import type { SerializedError } from './errors.ts'

/** The reason of a job that had not started in time. */
export const expired = 'expired'

/** Why a job ends that has not started by the moment in its options. */
export function expiryOf(options: Readonly<Record<string, unknown>>): { reason: string; error: SerializedError } {
  const by = new Date(Number(options['startBy'])).toISOString()
  return {
    reason: expired,
    error: { name: 'LegworkError', code: 'LW_JOB_EXPIRED', message: `It had not started by ${by}.` },
  }
}
