import type { LegworkError } from '../core/errors.ts'
import type { KeyFailure } from '../core/definition.ts'
import type { ClaimedJob } from '../store/queries/claimed-job.ts'
import type { JobName } from '../core/events.ts'
import { Stop } from './stop.ts'

/** Jobs that are handled together, and have one place. */
export interface Company {
  /** Those whose attempts have not ended. */
  readonly open: number
  /** The attempt of one has ended. */
  ended(held: Held): void
}

/** A claimed job in this process: waiting for a free place, running, or waiting to be settled. */
export class Held {
  readonly job: ClaimedJob
  /** Name of its queue. */
  readonly queue: string
  /** How many jobs came with the same claim, itself included. */
  readonly companions: number
  readonly stop = new Stop()
  /** When its handler was called, on the scale of `performance.now()`; undefined while it waits. */
  startedAt: number | undefined = undefined
  /** Its outcome has been given to the writer. */
  settling = false
  /** No outcome of this job may be written any more. */
  lost = false
  /** It has places in limits, which whoever settles it gives back. */
  limited = false
  /** The jobs that are handled together with it. */
  group: Company | undefined = undefined
  /** The same for all that have one place together, from when they are gathered. */
  shared: object | undefined = undefined
  /** Milliseconds for which its error asked to be left alone. */
  slow = 0
  /** It was not run, so that no attempt counts. */
  refused = false
  /** What becomes of its key when it fails. */
  keyFailure: KeyFailure = 'skip'
  /** Why it cannot even begin. */
  broken: unknown = undefined

  constructor(job: ClaimedJob, queue: string, companions: number) {
    this.job = job
    this.queue = queue
    this.companions = companions
  }

  /** As the hooks name it. */
  get event(): JobName {
    const { id, name } = this.job
    return { id, name, queue: this.queue }
  }
}

/** All jobs this process holds, by id. The one place that knows what "running" means here. */
export class Holdings {
  readonly #held = new Map<string, Held>()
  readonly #perQueue = new Map<number, number>()
  readonly #batches = new Map<number, number>()
  #settling = 0
  /** Claims of which a job was forgotten without an outcome. */
  readonly #unwritten = new Set<number>()

  get size(): number {
    return this.#held.size
  }

  /** Jobs whose handler has not ended yet. */
  get active(): number {
    return this.#held.size - this.#settling
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
    const old = this.#held.get(held.job.id)
    if (old) this.remove(old) // lost, and claimed again before its handler came back
    this.#held.set(held.job.id, held)
    this.#count(this.#perQueue, held.job.queueId, 1)
    this.#count(this.#batches, held.job.batch, 1)
  }

  /** Counts jobs of a claim that are not here yet, so that their lease stays. */
  expect(batch: number, by: 1 | -1): void {
    this.#count(this.#batches, batch, by)
    if (!this.knows(batch)) this.#unwritten.delete(batch)
  }

  /** The handler has ended; its outcome waits to be written. */
  settling(held: Held): void {
    if (!held.settling && this.#held.get(held.job.id) === held) this.#settling++
    held.settling = true
  }

  /** Forgets a job that was settled, or that was lost. */
  remove(held: Held): void {
    const { id, queueId, batch } = held.job
    if (this.#held.get(id) !== held) return
    this.#held.delete(id)
    if (held.settling) this.#settling--
    this.#count(this.#perQueue, queueId, -1)
    this.#count(this.#batches, batch, -1)
    if (!this.knows(batch)) this.#unwritten.delete(batch)
    else if (held.lost) this.#unwritten.add(batch)
  }

  /**
   * The claims that have no job left once these are settled: their lease rows can go. That of a lost job stays: if the
   * database holds the job in our name all the same, only the lease row tells, and it goes back as a stray.
   */
  emptiedBy(settling: readonly Held[]): number[] {
    const leaving = new Map<number, number>()
    for (const { job } of settling) this.#count(leaving, job.batch, 1)
    const emptied = [...leaving].filter(([batch, n]) => this.#batches.get(batch) === n).map(([batch]) => batch)
    return emptied.filter((batch) => !this.#unwritten.has(batch))
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
