import { setTimeout as sleep } from 'node:timers/promises'
import { type Child, startChild } from './child.ts'

const size = 3
/**
 * Milliseconds that a worker is left alive, 1.3 s on average, and longer where processes start slowly. Some have to
 * outlive a lease: only who has been in touch for that long calls others dead.
 */
const life = { least: 200, most: 2_400 }

/** Worker processes, each of which is killed after a short life and replaced at once. */
export class Crew {
  readonly size = size
  kills = 0
  readonly #args: readonly string[]
  readonly #alive = new Set<Child>()
  readonly #stopping = new AbortController()
  #places: readonly Promise<void>[] = []

  private constructor(args: readonly string[]) {
    this.#args = args
  }

  /** Resolves when all are at work. @param args what each worker is started with */
  static async start(args: readonly string[]): Promise<Crew> {
    const crew = new Crew(args)
    const firsts = await Promise.allSettled(Array.from({ length: size }, () => crew.#hire()))
    crew.#places = firsts.map(async (first) => {
      if (first.status === 'rejected') throw first.reason
      await crew.#fill(first.value)
    })
    for (const place of crew.#places) place.catch(() => undefined) // told by stop()
    if (firsts.some(({ status }) => status === 'rejected')) await crew.stop()
    return crew
  }

  /** Ends all of them. @throws what went wrong when one was to be replaced */
  async stop(): Promise<void> {
    this.#stopping.abort()
    try {
      await Promise.all(this.#places)
    } finally {
      await Promise.all([...this.#alive].map((worker) => worker.kill()))
    }
  }

  async #hire(): Promise<Child> {
    const worker = await startChild('worker-process.ts', this.#args)
    this.#alive.add(worker)
    return worker
  }

  /** One place of the crew: whoever has it lives, is killed, and is replaced. */
  async #fill(first: Child): Promise<void> {
    for (let worker = first, took = 0; ;) {
      const span = life.least + Math.random() * Math.max(life.most - life.least, 2 * took)
      await sleep(span, undefined, { signal: this.#stopping.signal }).catch(() => undefined)
      await worker.kill()
      this.#alive.delete(worker)
      if (this.#stopping.signal.aborted) return
      this.kills++
      const began = performance.now()
      worker = await this.#hire()
      took = performance.now() - began
    }
  }
}
