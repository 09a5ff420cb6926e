/** Stops a timer; calling it again does nothing. */
export type Cancel = () => void

/**
 * The process's own sense of time: timers, and nothing else. Every instant that is stored or compared comes from
 * the database (`legwork.now()`); a test replaces both together by a virtual clock.
 */
export interface Clock {
  /** Milliseconds since the epoch, for display and for reading an HTTP date; never stored. */
  now(): number
  /** Calls `fn` once after `ms`. */
  after(ms: number, fn: () => void): Cancel
  /** Calls `fn` every `ms`, never twice at once for a late tick. */
  every(ms: number, fn: () => void): Cancel
}

/** setTimeout silently fires at once above this many milliseconds. */
const longestTimer = 2_147_483_647

export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, fn) {
    const timer = setTimeout(fn, Math.min(ms, longestTimer))
    return () => clearTimeout(timer)
  },
  every(ms, fn) {
    const timer = setInterval(fn, Math.min(ms, longestTimer))
    return () => clearInterval(timer)
  },
}

/** Resolves after `ms`, or at once when `signal` aborts; says which. */
export function pause(clock: Clock, ms: number, signal?: AbortSignal): Promise<'elapsed' | 'aborted'> {
  if (signal?.aborted) return Promise.resolve('aborted')
  return new Promise((resolve) => {
    const finish = (how: 'elapsed' | 'aborted') => {
      cancel()
      signal?.removeEventListener('abort', abort)
      resolve(how)
    }
    const abort = () => finish('aborted')
    const cancel = clock.after(ms, () => finish('elapsed'))
    signal?.addEventListener('abort', abort, { once: true })
  })
}
