import type { Cancel, Clock } from '../core/clock.ts'
import { type Duration, milliseconds } from '../core/duration.ts'

/** What a virtual clock moves besides itself. */
export interface VirtualClockParts {
  readonly start: Date
  /** Sets the time the database tells. */
  readonly setTime: (now: Date) => Promise<void>
  /** Resolves when everything the timers have started has come to rest. */
  readonly settle: () => Promise<void>
}

interface Timer {
  /** When it fires next. */
  at: number
  /** Undefined for one that fires once. */
  readonly every: number | undefined
  readonly fn: () => void
}

/**
 * A repeating timer stops the clock for its last ticks only: enough for a heartbeat to be steady for a whole lease,
 * few enough that a month costs no more than a minute.
 */
const ticksPlayed = 4

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
   * Lets time pass. The clock stops whenever a timer is due: the database gets that time, the timers fire in the order
   * of their times, and what they start comes to rest before time goes on. Repeating timers fire at most once per
   * stop, and far from the end of a long time only when something else stops the clock.
   */
  advance(duration: Duration): Promise<void> {
    const ms = milliseconds(duration, 'duration')
    const advanced = this.#advancing.then(() => this.#advance(this.#now + ms))
    this.#advancing = advanced.catch(() => undefined)
    return advanced
  }

  async #advance(target: number): Promise<void> {
    await this.#parts.settle()
    for (let next = this.#nextStop(target); next < target; next = this.#nextStop(target)) await this.#stopAt(next)
    await this.#stopAt(target)
  }

  #nextStop(target: number): number {
    return Math.min(target, ...[...this.#timers].map((timer) => stopOf(timer, target)))
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

/** When a timer stops the clock on its way to `target`. */
function stopOf({ at, every }: Timer, target: number): number {
  const skipped = every === undefined ? 0 : Math.floor((target - at) / every) - ticksPlayed
  return skipped > 0 ? at + skipped * (every ?? 0) : at
}

function orderOf({ at, every }: Timer): number {
  return every === undefined ? at : Number.POSITIVE_INFINITY
}
