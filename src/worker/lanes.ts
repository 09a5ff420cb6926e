import type { Claimed, Lane } from '../store/queries/claim.ts'
import type { Gap, LaneName, QueueRow } from '../store/queries/lanes.ts'
import { Floor } from './floor.ts'

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
  readonly #lanes = new Map<number, LaneState[]>()
  #served: readonly number[] = []
  #turn = 0

  constructor(slot: number) {
    this.slot = slot
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

  get hot(): boolean {
    return this.#all().some((lane) => lane.hot)
  }

  /**
   * The lanes to claim from: queues in turn, so that each goes first as often as the others, then by priority. When
   * queues share a claim, only the best lane of each: what a lower one got would be missing for the jobs before it.
   * @param limit how many jobs fit
   * @param room how many more jobs of a queue fit
   */
  plan(limit: number, room: (queueId: number) => number): Lane[] {
    const start = this.#served.length > 0 ? this.#turn++ % this.#served.length : 0
    const order = [...this.#served.slice(start), ...this.#served.slice(0, start)]
    const hot = order
      .map((queueId) => ({
        queueId,
        room: room(queueId),
        lanes: (this.#lanes.get(queueId) ?? []).filter((lane) => lane.hot),
      }))
      .filter((queue) => queue.lanes.length > 0 && queue.room > 0)
    const shares = sharesOf(limit, hot)
    const now = performance.now()
    return hot.flatMap(({ queueId, lanes }) => {
      const max = shares.get(queueId) ?? 0
      const best = max === 0 ? 0 : hot.length > 1 ? 1 : lanes.length
      return lanes.slice(0, best).map((lane) => {
        lane.heatsPlanned = lane.heats
        return { queueId, priority: lane.priority, floor: startOf(lane, now), max }
      })
    })
  }

  /** Learns from a claim: floors rise; a lane that gave less than was asked is looked at once more, then cold. */
  learn(asked: readonly Lane[], claimed: Claimed, limit: number, ms: number): void {
    const counts = new Map<LaneState, number>()
    const last = new Map<LaneState, number>()
    for (const job of claimed.jobs) {
      const lane = this.#lane(job.queueId, job.priority)
      lane.floor.passed(job.seq)
      counts.set(lane, (counts.get(lane) ?? 0) + 1)
      last.set(lane, Math.max(job.seq, last.get(lane) ?? 0))
    }
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
      lane.floor.saw(claimed, floor <= lane.floor.final ? covered : 0)
      lane.again = false
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
    }
    this.#lanes.set(
      queueId,
      [...lanes, lane].toSorted((a, b) => a.priority - b.priority),
    )
    return lane
  }
}

/**
 * Divides a claim among the queues, or a crowded one would fill the stock alone. Equal shares; what a queue has no room
 * for goes to the others.
 */
function sharesOf(
  limit: number,
  queues: readonly { readonly queueId: number; readonly room: number }[],
): Map<number, number> {
  const shares = new Map<number, number>()
  let left = limit
  let waiting = queues.length
  for (const { queueId, room } of queues.toSorted((a, b) => a.room - b.room)) {
    const share = Math.min(room, Math.ceil(left / waiting--))
    shares.set(queueId, share)
    left -= share
  }
  return shares
}

function heat(lane: LaneState): void {
  lane.hot = true
  lane.heats++
}

function startOf(lane: LaneState, now: number): number {
  if (now >= lane.restartAt) return 0
  return lane.again || now >= lane.rescanAt ? lane.floor.final : lane.floor.scan
}
