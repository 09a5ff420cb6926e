interface Waiting<T, R> {
  readonly items: readonly T[]
  readonly resolve: (results: R[]) => void
  readonly reject: (error: unknown) => void
}

/** So many calls must wait before another flush is begun beside one under way: fewer are better off together. */
const worthAnother = 16

/**
 * Lets concurrent callers share a statement: what arrives while a flush is under way goes into the next one together.
 * A lone caller waits for nobody. `flush` must return a result per item, in order, and do all or nothing.
 */
export class Batcher<T, R> {
  readonly #flush: (items: readonly T[], isLast: boolean) => Promise<R[]>
  readonly #largest: number
  readonly #undone: (error: unknown) => boolean
  readonly #abreast: number
  #waiting: Waiting<T, R>[] = []
  #called = false
  readonly #running = new Set<Promise<void>>()

  /**
   * @param flush `isLast`: the items are those of one caller, who is told when it fails; others are tried one by one
   * @param undone whether a failed flush certainly left nothing behind, so that its callers may be tried one by one
   * @param abreast how many flushes may be under way at once; with more than one, calls need not take effect in their
   * order, but one flush waits for the disk while the next is at work
   */
  constructor(
    flush: (items: readonly T[], isLast: boolean) => Promise<R[]>,
    largest: number,
    undone: (error: unknown) => boolean,
    abreast = 1,
  ) {
    this.#flush = flush
    this.#largest = largest
    this.#undone = undone
    this.#abreast = abreast
  }

  add(items: readonly T[]): Promise<R[]> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ items, resolve, reject })
      this.#call()
    })
  }

  /** Whether something is waiting or under way. */
  get busy(): boolean {
    return this.#waiting.length > 0 || this.#running.size > 0
  }

  /** Resolves when nothing is waiting or under way. */
  async drained(): Promise<void> {
    while (this.busy) await Promise.all(this.#running)
  }

  /** Callers of the same turn come along. */
  #call(): void {
    if (this.#called) return
    this.#called = true
    queueMicrotask(() => {
      this.#called = false
      while (this.#mayBegin()) this.#begin()
    })
  }

  #mayBegin(): boolean {
    const { length } = this.#waiting
    return this.#running.size === 0 ? length > 0 : this.#running.size < this.#abreast && length >= worthAnother
  }

  #begin(): void {
    const run = this.#run(this.#take()).finally(() => {
      this.#running.delete(run)
      this.#call()
    })
    this.#running.add(run)
  }

  async #run(group: readonly Waiting<T, R>[]): Promise<void> {
    try {
      const results = await this.#flush(
        group.flatMap((call) => call.items),
        group.length === 1,
      )
      let at = 0
      for (const call of group) call.resolve(results.slice(at, (at += call.items.length)))
    } catch (error) {
      await this.#oneByOne(group, error)
    }
  }

  /** One caller's bad luck (say, a value the database refuses) must not become its neighbours'. */
  async #oneByOne(group: readonly Waiting<T, R>[], error: unknown): Promise<void> {
    if (group.length === 1 || !this.#undone(error)) {
      for (const call of group) call.reject(error)
      return
    }
    for (const call of group) {
      try {
        call.resolve(await this.#flush(call.items, true))
      } catch (own) {
        call.reject(own)
      }
    }
  }

  /** A crowd is divided: callers that all wait for the same flush would all come back for the next one at once. */
  #take(): Waiting<T, R>[] {
    const { length } = this.#waiting
    const share = this.#running.size === 0 && length >= worthAnother * this.#abreast ? this.#abreast : 1
    const most = Math.ceil(length / share)
    let size = 0
    const end = this.#waiting.findIndex(
      (call, place) => place >= most || ((size += call.items.length) > this.#largest && place > 0),
    )
    return this.#waiting.splice(0, end < 0 ? length : end)
  }
}
