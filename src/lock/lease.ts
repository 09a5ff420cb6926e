import type { Cancel, Clock } from '../core/clock.ts'
import { LegworkError, show } from '../core/errors.ts'
import type { LockCall } from '../store/queries/locks.ts'

/** What a lease asks of its process. */
export interface LeaseParts {
  readonly clock: Clock
  readonly renew: (call: LockCall) => Promise<boolean>
  /** Whether the lock was the call's until now. */
  readonly free: (call: LockCall) => Promise<boolean>
}

/** Beats in one lease. After four without an answer the lock is given up: the database may give it away with the fifth. */
export const beatsPerLease = 5

/** A lock that this process has: renewed until it is freed, and lost as soon as that is certain, or cannot be ruled out. */
export class Lease {
  readonly call: LockCall
  readonly token: bigint
  readonly #parts: LeaseParts
  readonly #stop = new AbortController()
  readonly #cancel: Cancel
  #beat = 0
  /** The last beat that was answered. Beats are counted, not timed: a process that slept lets the database decide. */
  #answered = 0
  #lost = false

  constructor(call: LockCall, token: bigint, parts: LeaseParts) {
    this.call = call
    this.token = token
    this.#parts = parts
    this.#cancel = parts.clock.every(call.lease / beatsPerLease, () => void this.#renew())
  }

  /** Aborts when the lock is lost or must be given up. */
  get signal(): AbortSignal {
    return this.#stop.signal
  }

  get lost(): boolean {
    return this.#lost
  }

  /** The work under the lock must end; the lock is still held. */
  abort(reason: unknown): void {
    this.#stop.abort(reason)
  }

  /** Gives the lock back. Whether it was held until now. */
  async free(): Promise<boolean> {
    this.#cancel()
    const mine = await this.#parts.free(this.call)
    if (!mine) this.#lose('another call has it')
    return mine && !this.#lost
  }

  /** Renews it no more and tells nobody. */
  forget(): void {
    this.#cancel()
  }

  async #renew(): Promise<void> {
    const beat = ++this.#beat
    if (beat - this.#answered >= beatsPerLease - 1)
      return this.#lose('the database has not answered for nearly as long as the lease')
    try {
      if (await this.#parts.renew(this.call)) this.#answered = Math.max(this.#answered, beat)
      else this.#lose('this process was silent for longer than the lease')
    } catch {
      // the next beat tries again, or gives up
    }
  }

  #lose(why: string): void {
    this.#cancel()
    this.#lost = true
    this.#stop.abort(
      new LegworkError('LW_LOCK_LOST', `The lock ${show(this.call.name)} was lost: ${why}.`, {
        hint: 'Others may have it now. What is written must carry the token, so that the newer one wins.',
        details: { name: this.call.name, token: String(this.token) },
      }),
    )
  }
}
