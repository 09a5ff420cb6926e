import type { Outcome } from '../core/outcome.ts'
import type { FeedEntry } from '../store/queries/feed.ts'
import { Flusher, type FlusherParts } from './flusher.ts'
import type { Held } from './running.ts'

/** Claims of so many jobs take turns between the two flushers; smaller ones share one, and its statements. */
const crowd = 100

/**
 * Takes what running jobs produce and has it written. There are two flushers, so that the server works on the outcomes
 * of one claim while those of another are being synced to the disk. The jobs of a claim stay with one of them: their
 * lease goes with the last, and an outcome must not overtake a line of its own job.
 */
export class Writer {
  readonly #first: Flusher
  readonly #second: Flusher

  constructor(parts: FlusherParts) {
    this.#first = new Flusher(parts)
    this.#second = new Flusher(parts)
  }

  /** Adds a line to the feed of a running job. Progress replaces progress that has not been written yet. */
  line(held: Held, kind: FeedEntry['kind'], data: string): void {
    this.#of(held).line(held, kind, data)
  }

  settle(held: Held, outcome: Outcome): void {
    this.#of(held).settle(held, outcome)
  }

  /** Writes nothing more; flushes under way end. */
  async abandon(): Promise<void> {
    await Promise.all([this.#first.abandon(), this.#second.abandon()])
  }

  /** Resolves when everything given so far has been written. */
  async drained(): Promise<void> {
    await this.#first.drained()
    await this.#second.drained()
  }

  #of({ job, companions }: Held): Flusher {
    return companions >= crowd && job.batch % 2 === 1 ? this.#second : this.#first
  }
}
