import { type Lane, laneOf } from '../store/queries/claim.ts'
import { type Keys, noKeys } from '../store/queries/keys.ts'
import type { SetAside } from '../store/queries/set-aside.ts'
import type { Store } from '../store/store.ts'

/** Ready jobs that one statement looks at. It holds the keys while it runs, and whoever settles their jobs waits for it. */
const lookAhead = 1_000

/** The crowd is over when less than one in so many is of its keys: as a claim says that there is one. */
const sparse = 4

/** For the case that jobs come as fast as they are set aside. */
const mostRounds = 100_000

type Place = Pick<Lane, 'queueId' | 'priority' | 'floor'>

export interface CrowdParts {
  readonly store: Store
  readonly slot: number
  /** Claims have passed over jobs of these keys: look again. */
  readonly onOver: () => void
  readonly onError: (error: unknown) => void
}

/**
 * Keys of which so many jobs wait in a row that claims would come back with nothing but them. Claims pass over them
 * while the jobs are set aside here, beside the claims, so that one hot key does not hold up the jobs behind it.
 */
export class Crowd {
  readonly #parts: CrowdParts
  #keys = noKeys
  /** How far it has looked, by queue and priority. */
  readonly #places = new Map<string, Place>()
  #work: Promise<void> | undefined
  #stopped = false

  constructor(parts: CrowdParts) {
    this.#parts = parts
  }

  /** What claims pass over now. */
  get keys(): Keys {
    return this.#keys
  }

  /** A claim of these lanes has found many jobs of keys that are held. */
  meet(lanes: readonly Lane[], { names, keys }: Keys): void {
    if (this.#stopped) return
    this.#keys = { names: [...this.#keys.names, ...names], keys: [...this.#keys.keys, ...keys] }
    for (const lane of lanes) this.#places.set(laneOf(lane), lane)
    this.#work ??= this.#setAside()
  }

  /** Resolves when the statement under way is over. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#work
  }

  async idle(): Promise<void> {
    await this.#work
  }

  async #setAside(): Promise<void> {
    const { store, slot, onOver, onError } = this.#parts
    try {
      for (let round = 0; round < mostRounds && !this.#stopped; round++) {
        const lanes = [...this.#places.values()]
        const aside = await store.setAside({ slot, lanes, keys: this.#keys, most: lookAhead })
        for (const lane of aside.lanes) this.#places.set(laneOf(lane), lane)
        if (isOver(aside)) break
      }
    } catch (error) {
      onError(error) // a claim will meet them again
    } finally {
      this.#keys = noKeys
      this.#places.clear()
      this.#work = undefined
      onOver()
    }
  }
}

function isOver({ jobs, lanes }: SetAside): boolean {
  const looked = lanes.reduce((sum, lane) => sum + lane.looked, 0)
  return jobs * sparse < looked || lanes.every((lane) => lane.looked < lookAhead)
}
