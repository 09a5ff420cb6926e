/** A queue in which something waits, and how many more of its jobs this process may hold. */
export interface Waiting {
  readonly queueId: number
  readonly room: number
}

/**
 * How queues share a worker: by weight. Each has a time of its own that goes on with every job it gives, slower the more
 * weight it has, and the one that is behind goes first (start-time fair queuing, Goyal et al. 1996). Who had nothing to give
 * has saved nothing up for later.
 */
export class Shares {
  readonly #weightOf: (queueId: number) => number
  readonly #times = new Map<number, number>()
  #now = 0
  #waited: ReadonlySet<number> = new Set()

  constructor(weightOf: (queueId: number) => number = () => 1) {
    this.#weightOf = weightOf
  }

  /** Whose turn it is, in this order. */
  order<W extends Waiting>(queues: readonly W[]): W[] {
    for (const { queueId } of queues)
      if (!this.#waited.has(queueId)) this.#times.set(queueId, Math.max(this.#timeOf(queueId), this.#now))
    this.#waited = new Set(queues.map(({ queueId }) => queueId))
    const order = queues.toSorted((a, b) => this.#timeOf(a.queueId) - this.#timeOf(b.queueId))
    if (order[0]) this.#now = Math.max(this.#now, this.#timeOf(order[0].queueId))
    return order
  }

  /** Divides a claim among queues in this order. What one has no room for goes to the others. */
  divide(limit: number, order: readonly Waiting[]): Map<number, number> {
    const shares = new Map(order.map(({ queueId }) => [queueId, 0]))
    const give = ({ queueId, room }: Waiting, most: number): number => {
      const has = shares.get(queueId) ?? 0
      const more = Math.min(most, room - has)
      shares.set(queueId, has + more)
      return more
    }
    for (let left = limit, open = order; left > 0 && open.length > 0;) {
      const whole = left
      const total = open.reduce((sum, { queueId }) => sum + this.#weightOf(queueId), 0)
      for (const queue of open) left -= give(queue, Math.floor((whole * this.#weightOf(queue.queueId)) / total))
      const roomy = open.filter(({ queueId, room }) => room > (shares.get(queueId) ?? 0))
      // what is left is less than one each: whose turn it is; unless somebody had no room for what was due
      if (roomy.length === open.length) for (const queue of open) left -= give(queue, Math.min(left, 1))
      open = roomy
    }
    return shares
  }

  /** So many jobs of a queue were taken. */
  took(queueId: number, jobs: number): void {
    this.#times.set(queueId, this.#timeOf(queueId) + jobs / this.#weightOf(queueId))
  }

  #timeOf(queueId: number): number {
    return this.#times.get(queueId) ?? 0
  }
}
