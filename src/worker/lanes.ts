import type { Claimed, ClaimedJob, Lane } from '../store/queries/claim.ts'
import type { Gap, QueueRow } from '../store/queries/lanes.ts'
import type { LaneName } from '../store/queries/settle.ts'
import { Floor } from './floor.ts'

interface LaneState {
  readonly queueId: number
  readonly priority: number
  readonly floor: Floor
  /** Whether something may wait here: set by hints, polls and full claims, cleared by a scan that came back short. */
  hot: boolean
}

/** Priorities of jobs are from -100 to 100; the probes look between and around the known ones. */
const below = -32_768
const above = 32_767

/** Everything a worker knows about where its jobs wait: the lanes (queue, priority) of one slot. */
export class Lanes {
  readonly slot: number
  readonly #queues = new Map<number, LaneState[]>()
  #turn = 0

  constructor(slot: number) {
    this.slot = slot
  }

  /** Which queues to serve now; a queue that left (paused) keeps its floors for when it comes back. */
  serve(queues: readonly QueueRow[]): void {
    const served = new Set(queues.map((queue) => queue.id))
    for (const id of served) this.#lane(id, 0)
    this.#served = served
  }
  #served: ReadonlySet<number> = new Set()

  /** Notes that jobs may wait in a lane. */
  heat({ queueId, priority }: LaneName): void {
    this.#lane(queueId, priority).hot = true
  }

  heatAll(): void {
    for (const lane of this.#all()) lane.hot = true
  }

  get hot(): boolean {
    return this.#all().some((lane) => lane.hot)
  }

  /**
   * The lanes to claim from, queues in turn so that each goes first as often as the others, priorities in order.
   * @param room how many more jobs of a queue fit
   */
  plan(room: (queueId: number) => number, from: 'scan' | 'final'): Lane[] {
    const ids = [...this.#served]
    const start = ids.length > 0 ? this.#turn++ % ids.length : 0
    const order = [...ids.slice(start), ...ids.slice(0, start)]
    return order.flatMap((queueId) => {
      const max = room(queueId)
      if (max <= 0) return []
      const lanes = (this.#queues.get(queueId) ?? []).filter((lane) => lane.hot)
      return lanes.map((lane) => ({ queueId, priority: lane.priority, floor: lane.floor[from], max }))
    })
  }

  /** Learns from a claim: floors rise, and lanes that gave less than was asked are cold until the next hint. */
  learn(asked: readonly Lane[], claimed: Claimed, limit: number): void {
    const counts = new Map<LaneState, number>()
    for (const job of claimed.jobs) this.#note(job, counts)
    const full = claimed.jobs.length + claimed.parked >= limit
    for (const { queueId, priority, max } of asked) {
      const lane = this.#lane(queueId, priority)
      lane.floor.saw(claimed)
      if (!full && (counts.get(lane) ?? 0) < max && claimed.parked === 0) lane.hot = false
    }
  }

  /** The spans in which a priority would be new to us. */
  gaps(): Gap[] {
    return [...this.#served].flatMap((queueId) => {
      const known = (this.#queues.get(queueId) ?? []).map((lane) => lane.priority)
      const edges = [below, ...known, above]
      return edges.slice(1).map((high, place) => ({ queueId, low: edges[place] ?? below, high }))
    })
  }

  #note(job: ClaimedJob, counts: Map<LaneState, number>): void {
    const lane = this.#lane(job.queueId, job.priority)
    lane.floor.passed(job.seq)
    counts.set(lane, (counts.get(lane) ?? 0) + 1)
  }

  #all(): LaneState[] {
    return [...this.#served].flatMap((id) => this.#queues.get(id) ?? [])
  }

  #lane(queueId: number, priority: number): LaneState {
    const lanes = this.#queues.get(queueId) ?? []
    const found = lanes.find((lane) => lane.priority === priority)
    if (found) return found
    const lane = { queueId, priority, floor: new Floor(), hot: true }
    this.#queues.set(queueId, [...lanes, lane].sort((a, b) => a.priority - b.priority))
    return lane
  }
}
