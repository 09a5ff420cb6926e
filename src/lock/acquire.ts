import type { Clock } from '../core/clock.ts'
import { LegworkError, show } from '../core/errors.ts'
import { beatsPerLease } from './lease.ts'

/** How often a call that waits asks without being told. */
const pollMs = 1_000

export interface WaitParts {
  readonly clock: Clock
  /** Asks for the lock once, and gets in line if it cannot have it now. */
  readonly take: () => Promise<bigint | undefined>
  /** Calls `look` when the lock may have become free. Returns how to stop. */
  readonly onFreed: (look: () => void) => () => void
}

/**
 * Waits until the lock is this call's. Hints make it quick, and asking again and again keeps the place in line.
 * @param over ends the wait; what it aborts with is thrown
 */
export async function waitForLock(
  { clock, take, onFreed }: WaitParts,
  lease: number,
  over: AbortSignal,
): Promise<bigint> {
  let wake: () => void = () => undefined
  let woken = false
  const look = (): void => {
    woken = true
    wake()
  }
  const stops = [onFreed(look), clock.every(Math.min(pollMs, lease / beatsPerLease), look)]
  over.addEventListener('abort', look, { once: true })
  try {
    for (;;) {
      over.throwIfAborted()
      woken = false
      const token = await take()
      if (token !== undefined) return token
      if (!woken) await new Promise<void>((resolve) => (wake = resolve))
    }
  } finally {
    over.removeEventListener('abort', look)
    for (const stop of stops) stop()
  }
}

export function waitTimedOut(name: string, timeout: number): LegworkError {
  return new LegworkError('LW_WAIT_TIMEOUT', `The lock ${show(name)} was not free within ${timeout} ms.`, {
    hint: 'lw.locks() tells who has it.',
    details: { name, timeout },
  })
}

export function waitAborted(name: string, signal: AbortSignal): LegworkError {
  return new LegworkError('LW_WAIT_ABORTED', `The wait for the lock ${show(name)} was aborted.`, {
    cause: signal.reason,
    details: { name },
  })
}
