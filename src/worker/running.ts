import type { LegworkError } from '../core/errors.ts'
import type { ClaimedJob } from '../store/queries/claim.ts'
import type { JobName } from '../core/events.ts'
import type { Stop } from './stop.ts'

/** A claimed job in this process: waiting for a free place, running, or waiting to be settled. */
export interface Held {
  readonly job: ClaimedJob
  readonly event: JobName
  readonly stop: Stop
  /** When its handler was called, on the scale of `performance.now()`; undefined while it waits. */
  startedAt: number | undefined
  /** No outcome of this job may be written any more. */
  lost: boolean
}

/** All jobs this process holds, by id. The one place that knows what "running" means here. */
export class Holdings {
  readonly #held = new Map<string, Held>()
  readonly #perQueue = new Map<number, number>()
  readonly #batches = new Map<number, number>()

  get size(): number {
    return this.#held.size
  }

  all(): Held[] {
    return [...this.#held.values()]
  }

  get(id: string): Held | undefined {
    return this.#held.get(id)
  }

  ofQueue(queueId: number): number {
    return this.#perQueue.get(queueId) ?? 0
  }

  /** Whether the jobs of a claim are still here. */
  knows(batch: number): boolean {
    return this.#batches.has(batch)
  }

  add(held: Held): void {
    this.#held.set(held.job.id, held)
    this.#count(this.#perQueue, held.job.queueId, 1)
    this.#count(this.#batches, held.job.batch, 1)
  }

  /** Forgets a settled job. */
  remove(held: Held): void {
    if (this.#held.get(held.job.id) !== held) return
    this.#held.delete(held.job.id)
    this.#count(this.#perQueue, held.job.queueId, -1)
    this.#count(this.#batches, held.job.batch, -1)
  }

  /** The claims that have no job left once these are settled: their lease rows can go. */
  emptiedBy(settling: readonly Held[]): number[] {
    const leaving = new Map<number, number>()
    for (const { job } of settling) this.#count(leaving, job.batch, 1)
    return [...leaving].filter(([batch, n]) => this.#batches.get(batch) === n).map(([batch]) => batch)
  }

  /** Takes a job away from this worker: its signal aborts and nothing of it is written. */
  lose(held: Held, reason: LegworkError): void {
    held.lost = true
    held.stop.abort(reason)
  }

  #count(map: Map<number, number>, key: number, by: number): void {
    const n = (map.get(key) ?? 0) + by
    if (n === 0) map.delete(key)
    else map.set(key, n)
  }
}
