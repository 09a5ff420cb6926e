import { LegworkError } from '../core/errors.ts'

/**
 * Whether the server has undone everything and the same statement may succeed the next time: serialization failure,
 * deadlock (class 40), or a partition that was attached while the row was on its way to the default partition.
 */
export function isRolledBack(error: unknown): boolean {
  const code = codeOf(error)
  return code === '40001' || code === '40P01' || (code === '23514' && !namesConstraint(error))
}

const brokenSockets = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENOENT',
])
/** admin shutdown, crash shutdown, cannot connect now, idle timeout, too many connections */
const serverGone = new Set(['57P01', '57P02', '57P03', '57P05', '53300'])

/** Whether the error says that the connection, not the statement, failed. */
export function isDisconnect(error: unknown): boolean {
  const code = codeOf(error)
  if (code !== undefined && (brokenSockets.has(code) || serverGone.has(code) || code.startsWith('08'))) return true
  if (error instanceof AggregateError) return error.errors.some(isDisconnect)
  // pg gives these no code
  return (
    error instanceof Error &&
    /Connection terminated|timeout exceeded when trying to connect|Query read timeout|connection error and is not queryable/.test(
      error.message,
    )
  )
}

export function closedError(cause?: unknown): LegworkError {
  return new LegworkError('LW_CLOSED', 'The engine has been closed.', { hint: 'Call legwork() again.', cause })
}

/** The number of tries after which `rest` no longer grows. */
export const longestRest = 6

/** Waits before the next try: 50 ms, doubling to 2 s, with jitter so that many processes do not come back at once. */
export function rest(tries: number, signal: AbortSignal): Promise<void> {
  const ms = Math.min(50 * 2 ** Math.min(tries, longestRest), 2_000) * (0.5 + Math.random() / 2)
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, signal.aborted ? 0 : ms)
    signal.addEventListener('abort', done, { once: true })
  })
}

/** A check violation does, a row in the wrong partition does not. */
function namesConstraint(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'constraint' in error && error.constraint !== undefined
}

function codeOf(error: unknown): string | undefined {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined
}
