import type { Cancel, Clock } from '../core/clock.ts'
import { type Duration, milliseconds } from '../core/duration.ts'

/** What a virtual clock moves besides itself. */
export interface VirtualClockParts {
  readonly start: Date
  /** Sets the time the database tells. */
  readonly setTime: (now: Date) => Promise<void>
  /** Resolves when everything the timers have started has come to rest. */
  readonly settle: () => Promise<void>
  /** Resolves when there is nothing left that could be done now, also what nobody was told of. */
  readonly idle: () => Promise<void>
}

interface Timer {
  /** When it fires next. */
  at: number
  /** Undefined for one that fires once. */
  readonly every: number | undefined
  readonly fn: () => void
}

/**
 * How often repeating timers stop the clock before the end of an advance: just enough for a worker to be seen alive,
 * or dead, for a whole lease. A month costs no more than a minute.
 */
const beats = 4

/** Timers as slow as this are chores: they fire when the clock stops for another reason. */
const slow = 600_000

/**
 * A clock that stands still until it is told to advance. It replaces the timers of the process and the time of the
 * database together, so that nothing in a test depends on how fast the machine is.
 */
export class VirtualClock implements Clock {
  readonly #parts: VirtualClockParts
  readonly #timers = new Set<Timer>()
  #now: number
  #advancing: Promise<void> = Promise.resolve()

  constructor(parts: VirtualClockParts) {
    this.#parts = parts
    this.#now = parts.start.getTime()
  }

  now(): number {
    return this.#now
  }

  after(ms: number, fn: () => void): Cancel {
    if (ms > 0) return this.#add({ at: this.#now + ms, every: undefined, fn })
    const immediate = setImmediate(fn)
    return () => clearImmediate(immediate)
  }

  every(ms: number, fn: () => void): Cancel {
    return this.#add({ at: this.#now + ms, every: ms, fn })
  }

  /**
   * Lets time pass. The clock stops whenever a timer that fires once is due, and a few times before the end: the
   * database gets that time, the timers fire in the order of their times, and what they start comes to rest before
   * time goes on. Repeating timers fire at most once per stop.
   */
  advance(duration: Duration): Promise<void> {
    const ms = milliseconds(duration, 'duration')
    const advanced = this.#advancing.then(() => this.#advance(this.#now + ms))
    this.#advancing = advanced.catch(() => undefined)
    return advanced
  }

  async #advance(target: number): Promise<void> {
    await this.#parts.idle()
    while (this.#now < target) await this.#stopAt(this.#nextStop(target))
    await this.#parts.idle()
  }

  #nextStop(target: number): number {
    const timers = [...this.#timers]
    const pace = Math.max(0, ...timers.map(({ every = 0 }) => (every < slow ? every : 0)))
    const left = pace > 0 ? Math.min(beats, Math.ceil((target - this.#now) / pace) - 1) : 0
    return Math.min(target - left * pace, ...timers.map(({ at, every }) => (every === undefined ? at : target)))
  }

  async #stopAt(now: number): Promise<void> {
    await this.#parts.setTime(new Date(now))
    this.#now = now
    const due = [...this.#timers].filter((timer) => timer.at <= now)
    // Sorting is stable: repeating timers come last, in the order in which they were made.
    for (const timer of due.toSorted((a, b) => orderOf(a) - orderOf(b))) this.#fire(timer)
    await this.#parts.settle()
  }

  #fire(timer: Timer): void {
    if (!this.#timers.has(timer)) return // another one has cancelled it
    if (timer.every === undefined) this.#timers.delete(timer)
    else timer.at += timer.every * (Math.floor((this.#now - timer.at) / timer.every) + 1)
    timer.fn()
  }

  #add(timer: Timer): Cancel {
    this.#timers.add(timer)
    return () => void this.#timers.delete(timer)
  }
}

function orderOf({ at, every }: Timer): number {
  return every === undefined ? at : Number.POSITIVE_INFINITY
}
