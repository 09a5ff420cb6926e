interface Waiting<T, R> {
  readonly items: readonly T[]
  readonly resolve: (results: R[]) => void
  readonly reject: (error: unknown) => void
}

/**
 * Lets concurrent callers share a statement: what arrives while a flush is under way goes into the next one together.
 * A lone caller waits for nobody. `flush` must return a result per item, in order, and do all or nothing.
 */
export class Batcher<T, R> {
  readonly #flush: (items: readonly T[]) => Promise<R[]>
  readonly #largest: number
  readonly #undone: (error: unknown) => boolean
  #waiting: Waiting<T, R>[] = []
  #running: Promise<void> | undefined

  /** @param undone whether a failed flush certainly left nothing behind, so that its callers may be tried one by one */
  constructor(flush: (items: readonly T[]) => Promise<R[]>, largest: number, undone: (error: unknown) => boolean) {
    this.#flush = flush
    this.#largest = largest
    this.#undone = undone
  }

  add(items: readonly T[]): Promise<R[]> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ items, resolve, reject })
      this.#running ??= this.#run()
    })
  }

  /** Resolves when nothing is waiting or under way. */
  async drained(): Promise<void> {
    while (this.#running) await this.#running
  }

  async #run(): Promise<void> {
    await Promise.resolve() // callers of the same turn come along
    while (this.#waiting.length > 0) {
      const group = this.#take()
      try {
        const results = await this.#flush(group.flatMap((call) => call.items))
        let at = 0
        for (const call of group) call.resolve(results.slice(at, (at += call.items.length)))
      } catch (error) {
        await this.#oneByOne(group, error)
      }
    }
    // Here and not when the promise has settled: who is told of a result may add the next item before that.
    this.#running = undefined
  }

  /** One caller's bad luck (say, a value the database refuses) must not become its neighbours'. */
  async #oneByOne(group: readonly Waiting<T, R>[], error: unknown): Promise<void> {
    if (group.length === 1 || !this.#undone(error)) {
      for (const call of group) call.reject(error)
      return
    }
    for (const call of group) {
      try {
        call.resolve(await this.#flush(call.items))
      } catch (own) {
        call.reject(own)
      }
    }
  }

  #take(): Waiting<T, R>[] {
    let size = 0
    const end = this.#waiting.findIndex((call, place) => (size += call.items.length) > this.#largest && place > 0)
    return this.#waiting.splice(0, end < 0 ? this.#waiting.length : end)
  }
}
