import { type BoundNote, refusalOf } from './core/bound.ts'
import type { Emitter, EngineEvents, JobName } from './core/events.ts'
import type { Enqueued, NewJob } from './store/queries/enqueue.ts'
import type { Store } from './store/store.ts'

type QueueFull = EngineEvents['queue_full']

/** Tells what bounds did with the jobs of this process, and counts those that they refused. */
export class BoundNews {
  readonly #store: Pick<Store, 'countRejected'>
  readonly #events: Emitter
  #rejected = new Map<string, number>()
  #counting: Promise<void> | undefined

  constructor({ store, events }: { readonly store: Pick<Store, 'countRejected'>; readonly events: Emitter }) {
    this.#store = store
    this.#events = events
  }

  /** Jobs were added, some of them although there was no room. */
  added(rows: readonly NewJob[], added: readonly Enqueued[]): void {
    if (!this.#events.heard('queue_full') || !added.some(({ notes }) => notes)) return
    const news = new Map<string, QueueFull & { readonly jobs: JobName[] }>()
    for (const [place, { id, notes = [] }] of added.entries()) {
      const { name = '', queue = '' } = rows[place] ?? {}
      for (const note of notes) {
        const kind = JSON.stringify([note.outcome, note.bound, note.value])
        const { jobs } = news.get(kind) ?? newsOf(queue, note)
        news.set(kind, { ...newsOf(queue, note), count: jobs.push({ ...(note.job ?? { id, name }), queue }), jobs })
      }
    }
    for (const event of news.values()) this.#events.emit('queue_full', event)
  }

  /** These jobs were not added. The count is written afterwards: nobody waits for it, and it holds nothing. */
  refused(error: unknown, rows: readonly NewJob[]): void {
    const refusal = refusalOf(error)
    if (!refusal) return
    const { queue, bound, value, retryAfter } = refusal
    const count = rows.filter((row) => row.queue === queue).length
    this.#events.emit('queue_full', {
      queue,
      bound,
      value: value ?? undefined,
      outcome: 'rejected',
      count,
      jobs: [],
      retryAfter,
    })
    this.#rejected.set(bound, (this.#rejected.get(bound) ?? 0) + count)
    this.#counting ??= this.#count()
  }

  get busy(): boolean {
    return this.#counting !== undefined
  }

  /** Resolves when all is counted. */
  async drained(): Promise<void> {
    await this.#counting
  }

  /** What is refused while a statement is under way goes into the next one. */
  async #count(): Promise<void> {
    while (this.#rejected.size > 0) {
      const counts = this.#rejected
      this.#rejected = new Map()
      try {
        await this.#store.countRejected(counts)
      } catch (error) {
        this.#events.emit('error', { during: 'counting refused jobs', error })
      }
    }
    this.#counting = undefined
  }
}

function newsOf(queue: string, { bound, value, outcome }: BoundNote): QueueFull & { readonly jobs: JobName[] } {
  return { queue, bound, value: value ?? undefined, outcome, count: 0, jobs: [], retryAfter: undefined }
}
