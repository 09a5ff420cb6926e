import type { Emitter } from '../core/events.ts'
import type { LaneName, QueueRow } from '../store/queries/lanes.ts'
import type { Store } from '../store/store.ts'
import { Lanes } from './lanes.ts'

export interface DirectoryParts {
  readonly store: Store
  readonly events: Emitter
  /** The queues to serve with their limits in this process; undefined for all. */
  readonly queues: ReadonlyMap<string, number> | undefined
  /** Called when something new may wait. */
  readonly onNews: () => void
}

/** Which queues there are, which of them this worker serves, and where in them jobs wait. */
export class Directory {
  readonly #parts: DirectoryParts
  readonly #queues = new Map<number, QueueRow>()
  #limits: ReadonlySet<string> = new Set()
  readonly #lanes = new Map<number, Lanes>([[0, new Lanes(0)]])
  #reading: Promise<void> | undefined

  constructor(parts: DirectoryParts) {
    this.#parts = parts
  }

  /** One set of lanes per slot. */
  get lanes(): readonly Lanes[] {
    return [...this.#lanes.values()]
  }

  get slots(): readonly number[] {
    return [...this.#lanes.keys()]
  }

  /** The limits that there are, by name; another set when that has changed. */
  get limits(): ReadonlySet<string> {
    return this.#limits
  }

  nameOf(queueId: number): string {
    return this.#queues.get(queueId)?.name ?? ''
  }

  /** Most jobs of the queue this process may hold. */
  limitOf(queueId: number): number {
    return this.#parts.queues?.get(this.nameOf(queueId)) ?? Infinity
  }

  /** Jobs may wait in these lanes. */
  heat(lanes: readonly LaneName[]): void {
    for (const name of lanes) {
      const queue = this.#queues.get(name.queueId)
      if (queue) this.#lanes.get(queue.slot)?.heat(name)
    }
    if (lanes.some((name) => !this.#queues.has(name.queueId))) void this.read()
  }

  /** The same, told by the names of the queues. */
  heatNamed(lanes: readonly { readonly queue: string; readonly priority: number }[]): void {
    const ids = new Map([...this.#queues.values()].map((queue) => [queue.name, queue.id]))
    this.heat(lanes.map(({ queue, priority }) => ({ queueId: ids.get(queue) ?? -1, priority })))
  }

  /** Nothing that was seen before counts any more. */
  restart(): void {
    for (const lanes of this.#lanes.values()) lanes.restart()
  }

  heatAll(): void {
    for (const lanes of this.#lanes.values()) lanes.heatAll()
  }

  /** Reads the queues and whether they are paused, and looks for new priorities. Never throws: the next poll reads again. */
  read(): Promise<void> {
    this.#reading ??= this.#read()
      .catch((error: unknown) => this.#parts.events.emit('error', { during: 'reading the queues', error }))
      .finally(() => {
        this.#reading = undefined
      })
    return this.#reading
  }

  /** Resolves when nothing is being read. */
  async idle(): Promise<void> {
    await this.#reading
  }

  async #read(): Promise<void> {
    const { store, queues, onNews } = this.#parts
    for (const queue of await store.queues()) this.#queues.set(queue.id, queue)
    const limits = new Set(await store.limitNames())
    if (!isSame(limits, this.#limits)) this.#limits = limits
    const served = [...this.#queues.values()].filter((queue) => !queues || queues.has(queue.name))
    for (const { slot } of served) if (!this.#lanes.has(slot)) this.#lanes.set(slot, new Lanes(slot))
    for (const lanes of this.#lanes.values()) {
      lanes.serve(served.filter((queue) => queue.slot === lanes.slot && !queue.paused))
      await this.#findPriorities(lanes)
    }
    this.heatAll()
    onNews()
  }

  /** A probe finds the first priority of each gap, so the more urgent one may hide another: look until there is no new one. */
  async #findPriorities(lanes: Lanes): Promise<void> {
    for (let found = true; found;) {
      const fresh = await this.#parts.store.probeLanes(lanes.slot, lanes.gaps())
      for (const lane of fresh) lanes.heat(lane)
      found = fresh.length > 0
    }
  }
}

function isSame(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((name) => b.has(name))
}
