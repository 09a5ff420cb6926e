import { BoundNews } from './bound-news.ts'
import { Batcher } from './core/batcher.ts'
import type { Cancel, Clock } from './core/clock.ts'
import { isUnreachable } from './core/errors.ts'
import type { Emitter } from './core/events.ts'
import { newsOf } from './enqueue.ts'
import type { Hub } from './live/hub.ts'
import type { Follow } from './store/queries/batches.ts'
import type { Enqueued, NewJob } from './store/queries/enqueue.ts'
import type { Store } from './store/store.ts'
import { transactionOf } from './store/transaction/transaction.ts'

export interface ProducerParts {
  readonly store: Store
  readonly clock: Clock
  readonly hub: Hub
  readonly events: Emitter
}

/** Callers that share a statement; more would make the first of them wait too long. */
const largestGroup = 1_000

/** Flushes under way at once: while one is being synced to the disk, the server works on another. */
const abreast = 2

/** Milliseconds after an enqueue in the caller's transaction at which it has probably been committed. */
const commitGuesses = [5, 30, 200]

/** Puts rows into the database and tells the workers. */
export class Producer {
  readonly #parts: ProducerParts
  readonly #free: Batcher<NewJob, Enqueued>
  /** Jobs of a key run in the order in which they were enqueued, and of two with a unique key the first one wins. */
  readonly #ordered: Batcher<NewJob, Enqueued>
  readonly #timers = new Set<Cancel>()
  readonly #bounds: BoundNews

  constructor(parts: ProducerParts) {
    const flush = (rows: readonly NewJob[], isLast: boolean) => this.#addMany(rows, isLast)
    const undone = (error: unknown) => !isUnreachable(error)
    this.#parts = parts
    this.#bounds = new BoundNews(parts)
    this.#free = new Batcher(flush, largestGroup, undone, abreast)
    this.#ordered = new Batcher(flush, largestGroup, undone)
  }

  /** Shares its statement with the other calls of this moment. */
  add(row: NewJob): Promise<Enqueued[]> {
    const isFree = row.key === undefined && row.unique === undefined && !row.rule && !row.once
    return (isFree ? this.#free : this.#ordered).add([row])
  }

  addMany(rows: readonly NewJob[]): Promise<Enqueued[]> {
    return this.#addMany(rows, true)
  }

  /** @param isLast whether a refusal is told: otherwise the rows are tried again, each caller's apart */
  async #addMany(rows: readonly NewJob[], isLast: boolean): Promise<Enqueued[]> {
    const added = await this.#admitted(rows, isLast, () => this.#parts.store.enqueue(rows))
    this.#bounds.added(rows, added)
    if (!added.some(isNews)) return added
    this.#parts.hub.tell(newsOf(rows, this.#parts.clock.now()))
    this.#announce(rows, added)
    return added
  }

  /** All or none, with the jobs that follow; returns the id of the batch. */
  async addBatch(rows: readonly NewJob[], follow: Follow): Promise<string> {
    const id = await this.#admitted(rows, true, () => this.#parts.store.startBatch(rows, follow))
    this.#parts.hub.tell(newsOf(rows, this.#parts.clock.now()))
    return id
  }

  /** In the caller's transaction: when it commits we cannot know, so workers are told a few times soon; the poll finds the rest. */
  async addInside(tx: unknown, rows: readonly NewJob[]): Promise<Enqueued[]> {
    const { store, clock, hub } = this.#parts
    const added = await this.#admitted(rows, true, () => store.enqueue(rows, transactionOf(tx)))
    if (!added.some(isNews)) return added
    for (const ms of commitGuesses) {
      const cancel = clock.after(ms, () => {
        this.#timers.delete(cancel)
        hub.tell(newsOf(rows, clock.now()))
      })
      this.#timers.add(cancel)
    }
    this.#announce(rows, added)
    return added
  }

  /** Resolves when no call is waiting or under way. */
  async drained(): Promise<void> {
    while (this.busy) {
      await this.#free.drained()
      await this.#ordered.drained()
      await this.#bounds.drained()
    }
  }

  get busy(): boolean {
    return this.#free.busy || this.#ordered.busy || this.#bounds.busy
  }

  close(): void {
    for (const cancel of this.#timers) cancel()
  }

  async #admitted<T>(rows: readonly NewJob[], isLast: boolean, add: () => Promise<T>): Promise<T> {
    try {
      return await add()
    } catch (error) {
      if (isLast) this.#bounds.refused(error, rows)
      throw error
    }
  }

  #announce(rows: readonly NewJob[], added: readonly Enqueued[]): void {
    const { events } = this.#parts
    if (!events.heard('enqueued')) return
    const jobs = added.flatMap(({ id, created }, place) => {
      const { name = '', queue = '' } = rows[place] ?? {}
      return created ? [{ id, name, queue }] : []
    })
    events.emit('enqueued', { jobs })
  }
}

/** Whether workers may have something to do: one that was there already is none unless it was changed. */
function isNews({ created, conflict = 'ignored' }: Enqueued): boolean {
  return created || conflict !== 'ignored'
}
