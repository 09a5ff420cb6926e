import { type Claimed, type Lane, worthTelling } from '../store/queries/claim.ts'
import type { Gap, LaneName, QueueRow } from '../store/queries/lanes.ts'
import { Floor } from './floor.ts'
import type { Spare } from './reserve.ts'
import { Shares } from './shares.ts'

/** What one set of lanes is for, and how its order is decided. */
export interface LaneRules {
  /** The names of the jobs that are claimed from these lanes. */
  readonly names: readonly string[]
  /** Most of them at once in this process; Infinity without such a cap. */
  readonly most: number
  /** How many turns a queue gets while others get one. */
  readonly weightOf?: (queueId: number) => number
  /** Milliseconds after which a waiting job goes up one class; undefined for never. */
  readonly aging?: number | undefined
  /** No other process claims from them. */
  readonly alone?: boolean
}

/** How old the first job of a lane is. */
export interface LaneAge extends LaneName {
  /** When it began to wait, in the database's time; undefined when there is none. */
  readonly since: number | undefined
}

/** Priorities from one name to the next: `'low'` to `'normal'`. */
const priorityClass = 10

interface LaneState {
  readonly queueId: number
  readonly priority: number
  readonly floor: Floor
  /** Something may wait here: set by hints, polls and full claims, cleared when a scan comes back short. */
  hot: boolean
  /** How often it was heated, and how often when the claim under way was planned: news during a claim must not get lost. */
  heats: number
  heatsPlanned: number
  /** The last scan came back short, and rows may have appeared below its start: look again from the final floor. */
  again: boolean
  /** When a re-scan is next worth its price, on the scale of `performance.now()`. */
  rescanAt: number
  /** When to look from the very beginning again. */
  restartAt: number
  /** The last claim took so many jobs from it that it matters where others have got to. */
  busy: boolean
  /** Since when its first job waits, in the database's time; only known where jobs age. */
  since: number | undefined
}

/** Priorities of jobs are from -100 to 100; the probes look between and around the known ones. */
const lowest = -32_768
const highest = 32_767

/**
 * With a transaction held open, re-scans walk over dead entries. They may take a twentieth of the time, and one that
 * costs next to nothing may always be repeated.
 */
const rescanShare = 20
const cheapRescan = 5
const rescanEvery = 100

/**
 * Rows come back below a final floor when a claim of another worker is rolled back after we passed the rows it had
 * locked, when a server crash undoes claims, and when a standby takes over with an older sequence. That is rare enough
 * to look again this often, and after the connection was lost.
 */
const restartEvery = 30_000

/** Everything a worker knows about where its jobs wait: the lanes (queue, priority) of one slot. */
export class Lanes {
  readonly slot: number
  readonly rules: LaneRules
  readonly #shares: Shares
  readonly #lanes = new Map<number, LaneState[]>()
  #served: readonly number[] = []
  /** The database's time as of the last look at the ages, and the process's then. */
  #time = { database: 0, here: 0 }

  constructor(slot: number, rules: LaneRules = { names: [], most: Infinity }) {
    this.slot = slot
    this.rules = rules
    this.#shares = new Shares(rules.weightOf)
  }

  /** Which queues to serve from now on; one that leaves (paused) keeps its floors for when it comes back. */
  serve(queues: readonly QueueRow[]): void {
    this.#served = queues.map((queue) => queue.id)
    for (const id of this.#served) this.#lane(id, 0)
  }

  /** Notes that jobs may wait in a lane. */
  heat({ queueId, priority }: LaneName): void {
    heat(this.#lane(queueId, priority))
  }

  heatAll(): void {
    for (const lane of this.#all()) heat(lane)
  }

  /** Reads every lane from its beginning with the next claim: the server may have lost what we saw. */
  restart(): void {
    for (const lanes of this.#lanes.values()) for (const lane of lanes) lane.restartAt = 0
    this.heatAll()
  }

  /** Reads every lane from its final floor with the next claim: claims have passed over jobs. */
  lookAgain(): void {
    for (const lane of this.#all()) lane.rescanAt = 0
    this.heatAll()
  }

  get hot(): boolean {
    return this.#all().some((lane) => lane.hot)
  }

  /**
   * The lanes to claim from: queues by whose turn it is, then by priority, or by urgency where jobs age. When queues share a
   * claim, only the best lane of each: what a lower one got would be missing for the jobs before it.
   * @param limit how many jobs fit
   * @param room how many more jobs of a queue fit
   * @param here the process's time, for ages
   * @param spare how many more of a priority fit, where places are kept for urgent ones
   */
  plan(limit: number, room: (queueId: number) => number, here = 0, spare?: Spare): Lane[] {
    const waiting = this.#served
      .map((queueId) => ({ queueId, room: room(queueId), lanes: this.#hotIn(queueId, here, spare) }))
      .filter((queue) => queue.lanes.length > 0 && queue.room > 0)
    const order = this.#shares.order(waiting)
    const shares = this.#shares.divide(limit, order)
    const now = performance.now()
    return order.flatMap(({ queueId, lanes }) => {
      const share = shares.get(queueId) ?? 0
      const best = share === 0 ? 0 : order.length > 1 ? 1 : lanes.length
      return lanes.slice(0, best).flatMap((lane) => {
        const max = spare ? Math.min(share, spare.left(lane.priority)) : share
        if (max === 0) return []
        spare?.take(lane.priority, max)
        lane.heatsPlanned = lane.heats
        return [{ queueId, priority: lane.priority, max, ...startOf(lane, now) }]
      })
    })
  }

  /** The most urgent lane in which something may wait; Infinity when there is none. */
  best(here: number): number {
    return Math.min(Infinity, ...this.#all().flatMap((lane) => (lane.hot ? [this.#urgency(lane, here)] : [])))
  }

  /** Where each known lane begins, for whoever asks how old its first job is. */
  starts(): { readonly queueId: number; readonly priority: number; readonly floor: number }[] {
    return this.#all().map(({ queueId, priority, floor }) => ({ queueId, priority, floor: floor.final }))
  }

  /** Learns how old the first jobs are. @param database the time in which `since` is told */
  age(ages: readonly LaneAge[], database: number, here: number): void {
    this.#time = { database, here }
    for (const { queueId, priority, since } of ages) this.#lane(queueId, priority).since = since
  }

  /** Learns from a claim: floors rise; a lane that gave less than was asked is looked at once more, then cold. */
  learn(asked: readonly Lane[], claimed: Claimed, limit: number, ms: number): void {
    const counts = new Map<LaneState, number>()
    const last = new Map<LaneState, number>()
    const { aging } = this.rules
    for (const job of claimed.jobs) {
      const lane = this.#lane(job.queueId, job.priority)
      lane.floor.passed(job.seq)
      counts.set(lane, (counts.get(lane) ?? 0) + 1)
      last.set(lane, Math.max(job.seq, last.get(lane) ?? 0))
      if (aging !== undefined) lane.since = Math.max(lane.since ?? 0, job.createdAt) // the next is no older
    }
    for (const [lane, jobs] of counts) this.#shares.took(lane.queueId, jobs)
    const full = claimed.jobs.length + claimed.parked >= limit
    for (const { queueId, priority, max, floor } of asked) {
      const lane = this.#lane(queueId, priority)
      if (claimed.paused.includes(queueId)) {
        lane.hot = false // nothing was looked at; the news that it was resumed heats it
        continue
      }
      const cut = full || (counts.get(lane) ?? 0) >= max
      const rescanned = floor < lane.floor.scan && floor <= lane.floor.final
      if (rescanned) lane.rescanAt = performance.now() + Math.max(rescanEvery, ms * rescanShare)
      if (floor === 0) lane.restartAt = performance.now() + Math.max(restartEvery, ms * rescanShare)
      const covered = cut ? (last.get(lane) ?? 0) : Infinity
      lane.floor.saw(claimed, claimed.whole && floor <= lane.floor.final ? covered : 0)
      lane.again = false
      lane.busy = !this.rules.alone && (counts.get(lane) ?? 0) >= worthTelling
      if (cut || claimed.parked > 0 || lane.heats > lane.heatsPlanned) continue
      const worthIt = ms < cheapRescan || performance.now() >= lane.rescanAt
      lane.again = !rescanned && lane.floor.final < lane.floor.scan && worthIt
      lane.hot = lane.again
    }
  }

  /** The spans in which a priority would be new to us. */
  gaps(): Gap[] {
    return this.#served.flatMap((queueId) => {
      const known = (this.#lanes.get(queueId) ?? []).map((lane) => lane.priority)
      const edges = [lowest, ...known, highest]
      return edges.slice(1).map((high, place) => ({ queueId, low: edges[place] ?? lowest, high }))
    })
  }

  /** Those that may be claimed from, the most urgent first. */
  #hotIn(queueId: number, here: number, spare: Spare | undefined): LaneState[] {
    const hot = (this.#lanes.get(queueId) ?? []).filter(({ hot: is, priority }) => is && spare?.left(priority) !== 0)
    if (this.rules.aging === undefined) return hot
    return hot.toSorted((a, b) => this.#urgency(a, here) - this.#urgency(b, here))
  }

  /** A priority that goes up while the first of the lane waits. */
  #urgency({ priority, since }: LaneState, here: number): number {
    const { aging } = this.rules
    if (aging === undefined || since === undefined) return priority
    const now = this.#time.database + here - this.#time.here
    return priority - (priorityClass * Math.max(0, now - since)) / aging
  }

  #all(): LaneState[] {
    return this.#served.flatMap((id) => this.#lanes.get(id) ?? [])
  }

  #lane(queueId: number, priority: number): LaneState {
    const lanes = this.#lanes.get(queueId) ?? []
    const found = lanes.find((lane) => lane.priority === priority)
    if (found) return found
    const lane = {
      queueId,
      priority,
      floor: new Floor(),
      hot: true,
      heats: 0,
      heatsPlanned: 0,
      again: false,
      rescanAt: 0,
      restartAt: 0,
      busy: false,
      since: undefined,
    }
    this.#lanes.set(
      queueId,
      [...lanes, lane].toSorted((a, b) => a.priority - b.priority),
    )
    return lane
  }
}

function heat(lane: LaneState): void {
  lane.hot = true
  lane.heats++
}

function startOf(lane: LaneState, now: number): Pick<Lane, 'floor' | 'follows'> {
  if (now >= lane.restartAt) return { floor: 0 }
  if (lane.again || now >= lane.rescanAt) return { floor: lane.floor.final }
  return { floor: lane.floor.scan, follows: lane.busy }
}
