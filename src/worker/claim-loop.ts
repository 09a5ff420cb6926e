import type { Clock } from '../core/clock.ts'
import type { Emitter } from '../core/events.ts'
import type { Lane } from '../store/queries/claim.ts'
import type { ClaimedJob } from '../store/queries/claimed-job.ts'
import type { Store } from '../store/store.ts'
import { Crowd } from './crowd.ts'
import type { Lanes } from './lanes.ts'
import { inBatches, type Reserve, type Seats } from './reserve.ts'
import type { Holdings } from './running.ts'

/** Most jobs one statement claims, and most that wait in memory beside those that run. */
const largestBatch = 1_000

/** A worker keeps as many jobs at hand as it finishes in this time, so that short jobs never wait for a round trip. */
const stockMs = 100

interface Gathered {
  readonly sharing: number
  readonly missing: number
  /** Of a job whose handler takes many. */
  seatsOf(name: string): Seats | undefined
}

export interface ClaimLoopParts {
  readonly store: Store
  readonly clock: Clock
  readonly holdings: Holdings
  readonly events: Emitter
  readonly lanes: () => readonly Lanes[]
  readonly workerId: () => number
  readonly pins: readonly string[]
  readonly concurrency: number
  /** Places that are kept for urgent jobs, if any are. */
  readonly reserve: Reserve | undefined
  /** Most jobs of a queue this process may hold running; Infinity where there is no limit of its own. */
  readonly queueLimit: (queueId: number) => number
  /** Of the jobs that are held, how many need no place of their own; and how many more would fill what is being gathered. */
  readonly gathered: () => Gathered
  /** May have something to wait for before the claim is over. */
  readonly onClaimed: (jobs: readonly ClaimedJob[]) => Promise<void> | undefined
}

/**
 * Decides when to ask for work and how much. Hints, finished jobs and the poll all end in `wake`; the claim is the
 * only place that learns whether there is anything.
 */
export class ClaimLoop {
  readonly #parts: ClaimLoopParts
  readonly #crowds = new Map<Lanes, Crowd>()
  #lastBatch = 0
  #turn = 0
  readonly inFlight = new Set<number>()
  #running: Promise<void> | undefined
  #stopped = true
  #finished = 0
  #measuredAt = performance.now()
  #perMs = 0

  constructor(parts: ClaimLoopParts) {
    this.#parts = parts
  }

  start(): void {
    this.#stopped = false
    this.wake()
  }

  /** Claims nothing more; resolves when the claim under way has come back and its jobs were handed on. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#running
    await Promise.all([...this.#crowds.values()].map((crowd) => crowd.stop()))
    this.#crowds.clear()
  }

  /** There may be work, or room for it. */
  wake(): void {
    if (this.#stopped || this.#running) return
    if (this.#wanted() === 0 || !this.#parts.lanes().some((lanes) => lanes.hot)) return
    this.#running = this.#drain()
  }

  /** Counts a finished job, for the size of the stock. */
  finished(): void {
    this.#finished++
    this.wake()
  }

  /** Resolves when no claim is under way. */
  async idle(): Promise<void> {
    await Promise.all([...this.#crowds.values()].map((crowd) => crowd.idle()))
    await this.#running
  }

  async #drain(): Promise<void> {
    try {
      while (!this.#stopped && this.#parts.lanes().some((lanes) => lanes.hot)) {
        let asked = false
        for (const lanes of this.#inOrder()) asked = (await this.#claimFrom(lanes)) || asked
        if (!asked) return
      }
    } catch (error) {
      this.#parts.events.emit('error', { during: 'claiming', error }) // the next poll tries again
    } finally {
      this.#running = undefined // before anyone can wake in vain
    }
  }

  /** Those with the most urgent jobs first; those that are alike in turn. */
  #inOrder(): readonly Lanes[] {
    const lanes = this.#parts.lanes()
    if (lanes.length === 1) return lanes
    const start = this.#turn++ % lanes.length
    const here = this.#parts.clock.now()
    return [...lanes.slice(start), ...lanes.slice(0, start)].toSorted((a, b) => {
      const [first, second] = [a.best(here), b.best(here)]
      return first === second ? 0 : first - second
    })
  }

  /** False when there is no room, or nothing to look at. */
  async #claimFrom(lanes: Lanes): Promise<boolean> {
    const { store, workerId, pins, onClaimed } = this.#parts
    const limit = Math.min(this.#wanted(), this.#roomFor(lanes))
    const plan = limit > 0 && lanes.hot ? this.#plan(lanes, limit) : []
    if (plan.length === 0) return false
    const { names } = lanes.rules
    const crowd = this.#crowdOf(lanes)
    const batch = ++this.#lastBatch
    this.inFlight.add(batch)
    const began = performance.now()
    try {
      const claimed = await store.claim({
        slot: lanes.slot,
        workerId: workerId(),
        batch,
        limit,
        lanes: plan,
        names,
        pins,
        crowded: crowd.keys,
      })
      lanes.learn(plan, claimed, limit, performance.now() - began)
      const decided = onClaimed(claimed.jobs)
      if (decided) await decided
      if (claimed.crowded) crowd.meet(plan, claimed.crowded)
    } finally {
      this.inFlight.delete(batch)
    }
    return true
  }

  #crowdOf(lanes: Lanes): Crowd {
    const found = this.#crowds.get(lanes)
    if (found) return found
    const { store, events } = this.#parts
    const crowd = new Crowd({
      store,
      slot: lanes.slot,
      onOver: () => {
        lanes.lookAgain()
        this.wake()
      },
      onError: (error) => events.emit('error', { during: 'setting jobs aside', error }),
    })
    this.#crowds.set(lanes, crowd)
    return crowd
  }

  #plan(lanes: Lanes, limit: number): Lane[] {
    const { holdings, queueLimit, clock, reserve, gathered } = this.#parts
    const room = (queueId: number) => this.#room(queueLimit(queueId), holdings.ofQueue(queueId))
    const spare = reserve?.spare(holdings.all())
    const [only, ...others] = lanes.rules.names
    const seats = spare && only !== undefined && others.length === 0 ? gathered().seatsOf(only) : undefined
    return lanes.plan(limit, room, clock.now(), spare && seats ? inBatches(spare, seats) : spare)
  }

  /** How many more jobs of these lanes fit into this process. */
  #roomFor({ rules: { names, most } }: Lanes): number {
    if (most === Infinity) return largestBatch
    const held = this.#parts.holdings.all().filter(({ job, settling }) => !settling && names.includes(job.name))
    return Math.max(0, most - held.length)
  }

  /**
   * How many jobs to ask for now; 0 while what is at hand is more than half of what we want there. Outcomes that are
   * being written do not count, so that claiming and writing overlap, up to a batch of them: memory stays bounded.
   */
  #wanted(): number {
    const { holdings, concurrency, gathered } = this.#parts
    const { sharing, missing } = gathered()
    const active = holdings.active - sharing
    const target = concurrency + this.#stock()
    if (holdings.size - holdings.active > 2 * largestBatch) return 0
    const due = active < concurrency || active <= target / 2
    return due ? Math.min(largestBatch, Math.max(0, target - active) + missing) : 0
  }

  #room(limit: number, held: number): number {
    return limit === Infinity ? largestBatch : Math.max(0, limit - held)
  }

  /** None beside a reserve: what waits in memory would stand before an urgent job that comes later. */
  #stock(): number {
    if (this.#parts.reserve) return 0
    const elapsed = performance.now() - this.#measuredAt
    if (elapsed > stockMs / 4) {
      this.#perMs = (this.#perMs + this.#finished / elapsed) / 2
      this.#finished = 0
      this.#measuredAt = performance.now()
    }
    return Math.min(largestBatch, Math.floor(this.#perMs * stockMs))
  }
}
