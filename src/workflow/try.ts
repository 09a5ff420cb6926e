import type { StepFacts } from '../core/durable.ts'
import { Stop } from '../worker/stop.ts'

/** One try of a step: what its work is called with. Makes the signal only when it is asked for. */
export class Try implements StepFacts {
  readonly idempotencyKey: string
  readonly attempt: number
  readonly #outer: (() => AbortSignal) | undefined
  readonly #over = new Stop()
  #signal: AbortSignal | undefined

  /** @param outer the signal of the job; undefined for what must be done although the job stops */
  constructor(idempotencyKey: string, attempt: number, outer: (() => AbortSignal) | undefined) {
    this.idempotencyKey = idempotencyKey
    this.attempt = attempt
    this.#outer = outer
  }

  get signal(): AbortSignal {
    this.#signal ??= this.#outer ? AbortSignal.any([this.#outer(), this.#over.signal]) : this.#over.signal
    return this.#signal
  }

  abort(reason: Error): void {
    this.#over.abort(reason)
  }

  /** Only this try's own end counts, not that the job must stop: what has been done until then is worth writing down. */
  throwIfAborted(): void {
    if (this.#over.reason) throw this.#over.reason
  }

  /** Work that ignores its signal is left behind. */
  untilAborted<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#over.signal.addEventListener('abort', () => reject(this.#over.reason ?? new Error('aborted')), {
        once: true,
      })
      work.then(resolve, reject)
    })
  }
}
