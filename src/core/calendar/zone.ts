import { optionError } from '../errors.ts'

const hour = 3_600_000

/** What becomes of a wall-clock time that a zone's clock skips (`gap`) or shows twice (`overlap`). */
export interface DstPolicy {
  /** `'after'`: at the end of the gap; `'shift'`: later by its length; `'skip'`: not at all. */
  readonly gap: 'after' | 'shift' | 'skip'
  readonly overlap: 'first' | 'last' | 'both'
}

/** The offsets of one time zone, from the zone data of the runtime. Wall-clock times are milliseconds as if they were UTC. */
export class Zone {
  readonly name: string
  readonly #format: Intl.DateTimeFormat

  /** @throws LW_OPTION_INVALID for a zone that the runtime does not know */
  constructor(name: string) {
    this.name = name
    try {
      this.#format = new Intl.DateTimeFormat('en-US', {
        timeZone: name,
        calendar: 'gregory',
        hourCycle: 'h23',
        year: 'numeric',
        month: '2-digit',
        day: '2-digit',
        hour: '2-digit',
        minute: '2-digit',
        second: '2-digit',
      })
    } catch {
      throw optionError('timezone', 'a zone of the IANA database such as Europe/Berlin', name)
    }
  }

  /** What the zone's clock shows at an instant. */
  wallAt(instant: number): number {
    return instant + this.offsetAt(instant)
  }

  /** Milliseconds that the zone's clock is ahead of UTC. */
  offsetAt(instant: number): number {
    const second = Math.floor(instant / 1_000) * 1_000
    const [month = 1, day = 1, year = 1970, hours = 0, minutes = 0, seconds = 0] = (
      this.#format.format(second).match(/\d+/g) ?? []
    ).map(Number)
    return Date.UTC(year, month - 1, day, hours, minutes, seconds) - second
  }

  /** The instants at which the clock shows a time, at most two, in order. */
  instantsOf(wall: number, { gap, overlap }: DstPolicy): number[] {
    // No offset is beyond -12 or +14 hours, so a change that matters lies between these two.
    const low = wall - 15 * hour
    const high = wall + 13 * hour
    const before = this.offsetAt(low)
    const after = this.offsetAt(high)
    if (before === after) return [wall - before]
    const found = [...new Set([before, after])]
      .map((offset) => wall - offset)
      .filter((instant) => this.wallAt(instant) === wall)
      .toSorted((a, b) => a - b)
    if (found.length === 0) {
      if (gap === 'skip') return []
      return [gap === 'shift' ? wall - before : this.#change(low, high, before)]
    }
    if (overlap === 'both') return found
    return found.slice(overlap === 'first' ? 0 : -1).slice(0, 1)
  }

  /** The first instant whose offset is not `before` any more; changes happen on full seconds. */
  #change(low: number, high: number, before: number): number {
    let [a, b] = [Math.floor(low / 1_000), Math.ceil(high / 1_000)]
    while (b - a > 1) {
      const middle = Math.floor((a + b) / 2)
      if (this.offsetAt(middle * 1_000) === before) a = middle
      else b = middle
    }
    return b * 1_000
  }
}
