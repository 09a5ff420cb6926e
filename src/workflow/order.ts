import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Rest } from './rest.ts'

/**
 * Hands what a job remembers to its handler in the order in which it ended, whatever the order in which it is asked for: so
 * that the side that has won a race wins it again. What ended earlier and is never asked for, because the code was changed,
 * is not waited for once the handler has come to rest.
 */
export class Order {
  readonly #rest: Rest
  readonly #track: (work: Promise<void>) => unknown
  /** What has ended and was not handed out, the first to end in front. */
  readonly #left: Set<string>
  readonly #asked = new Map<string, () => void>()

  /**
   * @param ended names in the order in which they ended
   * @param track told of the handing out, for whoever waits until all is decided
   */
  constructor(ended: readonly string[], rest: Rest, track: (work: Promise<void>) => unknown) {
    this.#left = new Set(ended)
    this.#rest = rest
    this.#track = track
  }

  /** Resolves when what has this name may be handed out; to be called inside of `rest.during`. */
  async turn(name: string): Promise<void> {
    if (!this.#left.has(name)) return
    if (this.#rest.alone && this.#isNext(name)) {
      this.#left.delete(name)
      return
    }
    await new Promise<void>((resolve) => {
      this.#asked.set(name, resolve)
      if (this.#asked.size === 1) this.#track(this.#handOut())
    })
  }

  #isNext(name: string): boolean {
    const [first] = this.#left
    return first === name
  }

  /** One at a time: what was handed out reaches the handler, and what that asks for then is known, before the next. */
  async #handOut(): Promise<void> {
    while (this.#asked.size > 0) {
      await nextTurn()
      const [next] = this.#left
      if (next === undefined) return
      if (this.#asked.has(next)) this.#hand(next)
      else if (await this.#rest.quiet()) this.#left.delete(next)
    }
  }

  #hand(name: string): void {
    this.#left.delete(name)
    this.#asked.get(name)?.()
    this.#asked.delete(name)
  }
}
