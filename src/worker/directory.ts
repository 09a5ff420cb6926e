import type { Clock } from '../core/clock.ts'
import type { Emitter } from '../core/events.ts'
import { workerPrefix } from '../core/limit.ts'
import type { LimitHead } from '../store/queries/limit-settings.ts'
import type { LaneName, QueueRow } from '../store/queries/lanes.ts'
import type { Store } from '../store/store.ts'
import { type LaneRules, Lanes } from './lanes.ts'

export interface DirectoryParts {
  readonly store: Store
  readonly events: Emitter
  readonly clock: Clock
  /** The queues to serve with what holds for them in this process; undefined for all. */
  readonly queues: ReadonlyMap<string, QueueShare> | undefined
  /** Which jobs are claimed together, with these limits per worker that were set at run time. */
  readonly groups: (chosen: ReadonlyMap<string, number>) => readonly LaneGroup[]
  /** Milliseconds after which a waiting job goes up one class; undefined for never. */
  readonly aging: number | undefined
  /** Called when something new may wait. */
  readonly onNews: () => void
}

/** Jobs that are claimed together, and how many of them this process may hold at once. */
export type LaneGroup = Pick<LaneRules, 'names' | 'most'>

export interface QueueShare {
  /** Most jobs of the queue this process may hold; Infinity without a cap. */
  readonly limit: number
  /** How many turns it gets while others get one. */
  readonly weight: number
}

/** Which queues there are, which of them this worker serves, and where in them jobs wait. */
export class Directory {
  readonly #parts: DirectoryParts
  readonly #queues = new Map<number, QueueRow>()
  #limits: ReadonlySet<string> = new Set()
  /** Limits per worker that were set at run time, by the name of the job. */
  #chosen: ReadonlyMap<string, number> = new Map()
  readonly #lanes = new Map<number, readonly Lanes[]>()
  #reading: Promise<void> | undefined

  constructor(parts: DirectoryParts) {
    this.#parts = parts
    this.#lanesOf(0)
  }

  /** One set of lanes per slot and group. */
  get lanes(): readonly Lanes[] {
    return [...this.#lanes.values()].flat()
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
    return this.#parts.queues?.get(this.nameOf(queueId))?.limit ?? Infinity
  }

  /** Jobs may wait in these lanes. */
  heat(lanes: readonly LaneName[]): void {
    for (const name of lanes) {
      const queue = this.#queues.get(name.queueId)
      if (queue) for (const set of this.#lanesOf(queue.slot)) set.heat(name)
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
    for (const lanes of this.lanes) lanes.restart()
  }

  heatAll(): void {
    for (const lanes of this.lanes) lanes.heatAll()
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
    this.#learnLimits(await store.limitHeads())
    const served = [...this.#queues.values()].filter((queue) => !queues || queues.has(queue.name))
    for (const { slot } of served) this.#lanesOf(slot)
    for (const lanes of this.lanes) {
      lanes.serve(served.filter((queue) => queue.slot === lanes.slot && !queue.paused))
      await this.#findPriorities(lanes)
      await this.#findAges(lanes)
    }
    this.heatAll()
    onNews()
  }

  /** With other limits per worker, other jobs are claimed together: those lanes begin anew. */
  #learnLimits(heads: readonly LimitHead[]): void {
    const names = new Set(heads.map(({ name }) => name))
    if (!isSame(names, this.#limits)) this.#limits = names
    const chosen = new Map(
      heads
        .filter(({ name, isChosen }) => isChosen && name.startsWith(workerPrefix))
        .map(({ name, running }) => [name.slice(workerPrefix.length), running ?? Infinity]),
    )
    if (chosen.size === this.#chosen.size && [...chosen].every(([name, most]) => this.#chosen.get(name) === most))
      return
    this.#chosen = chosen
    const slots = this.slots
    this.#lanes.clear()
    for (const slot of slots) this.#lanesOf(slot)
  }

  /** A probe finds the first priority of each gap, so the more urgent one may hide another: look until there is no new one. */
  async #findPriorities(lanes: Lanes): Promise<void> {
    for (let found = true; found;) {
      const fresh = await this.#parts.store.probeLanes(lanes.slot, lanes.gaps())
      for (const lane of fresh) lanes.heat(lane)
      found = fresh.length > 0
    }
  }

  async #findAges(lanes: Lanes): Promise<void> {
    const { store, clock, aging } = this.#parts
    const starts = lanes.starts()
    if (aging === undefined || starts.length === 0) return
    const ages = await store.laneAges(lanes.slot, starts, lanes.rules.names)
    lanes.age(ages.lanes, ages.now, clock.now())
  }

  #lanesOf(slot: number): readonly Lanes[] {
    const { store, groups, queues, aging } = this.#parts
    const known = this.#lanes.get(slot)
    if (known) return known
    const weightOf = (queueId: number) => queues?.get(this.nameOf(queueId))?.weight ?? 1
    const made = groups(this.#chosen).map(
      (group) => new Lanes(slot, { ...group, weightOf, aging, alone: store.exclusive }),
    )
    this.#lanes.set(slot, made)
    return made
  }
}

function isSame(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((name) => b.has(name))
}
