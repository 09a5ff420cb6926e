import type { Held } from './running.ts'

/** Places that are kept free for jobs of a priority, and for more urgent ones. */
export interface Kept {
  readonly priority: number
  readonly places: number
}

/** What is being gathered for a batch handler. */
export interface Seats {
  /** How many more jobs would fill it up. */
  readonly missing: number
  /** Jobs that take one place together, at most. */
  readonly size: number
}

/** How many more jobs of each priority may be claimed now. */
export interface Spare {
  left(priority: number): number
  take(priority: number, jobs: number): void
}

/** The share of a worker that is kept for urgent jobs: less urgent ones never have all of its places. */
export class Reserve {
  /** How many jobs that are less urgent than each of these may be held at once. */
  readonly #caps: readonly { readonly priority: number; readonly most: number }[]

  /** @param kept in any order; together fewer places than `concurrency` */
  constructor(kept: readonly Kept[], concurrency: number) {
    let most = concurrency
    this.#caps = kept
      .toSorted((a, b) => a.priority - b.priority)
      .map(({ priority, places }) => ({ priority, most: (most -= places) }))
  }

  /** @param held the jobs that the worker has */
  spare(held: readonly Held[]): Spare {
    const lefts = this.#caps.map(({ priority, most }) => {
      const has = held.filter(({ settling, job }) => !settling && job.priority > priority)
      return { priority, left: Math.max(0, most - new Set(has.map((each) => each.shared ?? each)).size) }
    })
    const under = (priority: number) => lefts.filter((each) => each.priority < priority)
    return {
      left: (priority) => Math.min(Infinity, ...under(priority).map(({ left }) => left)),
      take: (priority, jobs) => {
        for (const each of under(priority)) each.left -= jobs
      },
    }
  }
}

/** The same for jobs of a batch handler: those that fill up what is being gathered need no place. */
export function inBatches(spare: Spare, { missing, size }: Seats): Spare {
  let seats = missing
  return {
    left: (priority) => seats + size * spare.left(priority),
    take: (priority, jobs) => {
      const places = Math.max(0, Math.ceil((jobs - seats) / size))
      seats += places * size - jobs
      spare.take(priority, places)
    },
  }
}
