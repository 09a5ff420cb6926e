import type { SlowDown } from '../../core/context.ts'
import type { HeldLock } from '../../core/lock.ts'
import { arrived, carry } from './carried.ts'
import type { Answer, LockRequest, Reachable, Request, SlowDownWish } from './protocol.ts'

/** A lock that the isolated side waits for, or has. */
interface OpenLock {
  readonly stop: AbortController
  /** Frees it; undefined while it is waited for. */
  free: (() => void) | undefined
}

/** Beside the engine: carries out what one isolated handler asks of it, and ends what is left when its run is over. */
export class Requests {
  readonly #context: Reachable
  readonly #send: (answer: Answer) => void
  readonly #locks = new Map<number, OpenLock>()
  #open = 0
  #closed = false

  constructor(context: Reachable, send: (answer: Answer) => void) {
    this.#context = context
    this.#send = send
  }

  /** Requests that have not been answered. */
  get open(): number {
    return this.#open
  }

  receive(request: Request): void {
    const { id } = request
    switch (request.type) {
      case 'slow-down':
        return this.#answer(id, this.#context.slowDown(wishOf(request.wish)))
      case 'last-success':
        return this.#answer(id, this.#context.schedule?.lastSuccess())
      case 'lock':
        return this.#answer(id, this.#lock(request))
      case 'leave':
        return this.#locks.get(id)?.stop.abort(arrived(request.reason))
      case 'unlock':
        return this.#locks.get(id)?.free?.()
    }
  }

  /** The run is over: its locks are freed, nothing is waited for, and nobody is answered any more. */
  close(): void {
    this.#closed = true
    for (const { stop, free } of this.#locks.values()) {
      if (free) free()
      else stop.abort()
    }
  }

  /** Undefined when there is nothing to ask. */
  #answer(id: number, work: Promise<unknown> | undefined): void {
    this.#open++
    const told = (answer: Answer): void => {
      this.#open--
      if (!this.#closed) this.#send(answer)
    }
    Promise.resolve(work).then(
      (value) => told({ type: 'answer', id, value: value === undefined ? null : JSON.stringify(value) }),
      (error: unknown) => told({ type: 'refusal', id, error: carry(error) }),
    )
  }

  #lock({ id, name, lease, timeout }: LockRequest): Promise<void> {
    const open: OpenLock = { stop: new AbortController(), free: undefined }
    this.#locks.set(id, open)
    const options = { lease, signal: open.stop.signal, ...(timeout !== null && { timeout }) }
    return this.#context.lock(name, options, (lock) => this.#hold(id, open, lock)).finally(() => this.#locks.delete(id))
  }

  /** Until the isolated side has done its work, or has ended. */
  #hold(id: number, open: OpenLock, { token, signal }: HeldLock): Promise<void> {
    if (this.#closed) return Promise.resolve()
    this.#send({ type: 'locked', id, token: String(token) })
    const tell = (): void => {
      if (!this.#closed) this.#send({ type: 'lock-over', id, reason: carry(signal.reason) })
    }
    if (signal.aborted) tell()
    else signal.addEventListener('abort', tell, { once: true })
    return new Promise((resolve) => (open.free = resolve))
  }
}

function wishOf({ until, ...rest }: SlowDownWish): SlowDown {
  return { ...rest, ...(until !== undefined && { until: new Date(until) }) }
}
