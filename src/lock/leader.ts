import { type Clock, pause } from '../core/clock.ts'
import { LegworkError, show } from '../core/errors.ts'
import type { Emitter } from '../core/events.ts'
import type { HeldLock, Leader } from '../core/lock.ts'
import type { Health } from './health.ts'
import { beatsPerLease, type Lease } from './lease.ts'

export interface CandidateParts {
  readonly name: string
  /** Milliseconds. */
  readonly lease: number
  readonly health: Health
  readonly work: (lock: HeldLock) => Promise<void> | void
  readonly clock: Clock
  readonly events: Emitter
  /** Waits until this process leads. */
  readonly acquire: (over: AbortSignal) => Promise<Lease>
}

/** Stands by until this process leads, leads until it is deposed, and stands by again, until it is stopped. */
export class Candidate implements Leader {
  readonly #parts: CandidateParts
  readonly #over = new AbortController()
  readonly #stopped = aborted(this.#over.signal)
  /** Resolves when it was stopped and its work has ended. */
  readonly ended: Promise<void>
  #leading = false

  constructor(parts: CandidateParts) {
    this.#parts = parts
    this.ended = this.#campaign()
  }

  get leading(): boolean {
    return this.#leading
  }

  stop(): Promise<void> {
    const { name } = this.#parts
    this.#over.abort(new LegworkError('LW_SHUTDOWN', `This process leads ${show(name)} no more: it was told to stop.`))
    return this.ended
  }

  async #campaign(): Promise<void> {
    const { clock, lease, name, events, acquire, health } = this.#parts
    const over = this.#over.signal
    while (!over.aborted) {
      try {
        const good = await Promise.race([health.good(), this.#stopped])
        if (good === true) await this.#lead(await acquire(over))
      } catch (error) {
        if (error instanceof LegworkError && error.code === 'LW_CLOSED') return
        if (!over.aborted) events.emit('error', { during: `leading ${show(name)}`, error })
      }
      await pause(clock, lease / beatsPerLease, over) // so that others come first
    }
  }

  async #lead(lease: Lease): Promise<void> {
    const { clock, name, health } = this.#parts
    const check = async () => {
      if (!(await health.good())) lease.abort(unhealthy(name))
    }
    const end = () => lease.abort(this.#over.signal.reason)
    this.#over.signal.addEventListener('abort', end)
    const stopChecks = clock.every(lease.call.lease / beatsPerLease, () => void check())
    await Promise.race([check(), aborted(lease.signal)]) // it may have waited long
    if (this.#over.signal.aborted) end()
    const work = lease.signal.aborted ? undefined : this.#begin(lease)
    await aborted(lease.signal)
    stopChecks()
    this.#over.signal.removeEventListener('abort', end)
    await this.#end(lease, work)
  }

  #begin(lease: Lease): Promise<void> {
    const { name, events, work } = this.#parts
    this.#leading = true
    events.emit('leading', { leader: name, token: lease.token })
    return Promise.resolve({ name, token: lease.token, signal: lease.signal })
      .then(work)
      .catch((error: unknown) => {
        if (!lease.signal.aborted) events.emit('error', { during: `leading ${show(name)}`, error })
        lease.abort(error)
      })
  }

  /** The next leader waits for the end of the work, but no longer than for a process that has died. */
  async #end(lease: Lease, work: Promise<void> | undefined): Promise<void> {
    const { clock, name, events } = this.#parts
    this.#leading = false
    const timer = new AbortController()
    await Promise.race([work, pause(clock, lease.call.lease, timer.signal)])
    timer.abort()
    if (work) events.emit('deposed', { leader: name, reason: messageOf(lease.signal.reason) })
    await lease.free()
    await work // it must not lead twice at once
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

function messageOf(reason: unknown): string {
  return reason instanceof Error ? reason.message : String(reason)
}

function unhealthy(name: string): LegworkError {
  return new LegworkError('LW_LOCK_LOST', `This process leads ${show(name)} no more: its health check says no.`, {
    details: { name },
  })
}
