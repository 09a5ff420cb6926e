import { optionError } from '../errors.ts'

/** A stretch of time in which a zone's clock runs evenly. Offsets are milliseconds ahead of UTC. */
export interface Stretch {
  readonly start: number
  /** The first instant that is not in it any more. */
  readonly end: number
  readonly offset: number
  /** The offsets just before `start` and from `end` on; the same as `offset` where only the search for changes was cut. */
  readonly before: number
  readonly after: number
}

/** A zone is looked up in cells of about 99 days, each measured once, at points about six days apart. */
const cellLength = 2 ** 33
const measures = 16
const maxCells = 400

const always: Stretch = { start: -Infinity, end: Infinity, offset: 0, before: 0, after: 0 }
const zones = new Map<string, Zone>()

/**
 * The offsets of one time zone, from the zone data of the runtime. Wall-clock times are milliseconds as if they were
 * UTC.
 */
export class Zone {
  readonly name: string
  readonly #format: Intl.DateTimeFormat
  readonly #isFixed: boolean
  readonly #cells = new Map<number, readonly Stretch[]>()

  /** One zone is shared by all who ask for it. @throws LW_OPTION_INVALID for a zone that the runtime does not know */
  static named(name: string): Zone {
    if (typeof name !== 'string')
      throw optionError('timezone', 'a zone of the IANA database such as Europe/Berlin', name)
    const key = name.toLowerCase()
    const zone = zones.get(key) ?? new Zone(name)
    zones.set(key, zone)
    return zone
  }

  private constructor(name: string) {
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
    this.#isFixed = /^(Etc\/)?(UTC|GMT)$/i.test(name)
  }

  /** What the zone's clock shows at an instant. */
  wallAt(instant: number): number {
    return instant + this.offsetAt(instant)
  }

  /** Milliseconds that the zone's clock is ahead of UTC. */
  offsetAt(instant: number): number {
    return this.stretchAt(instant).offset
  }

  stretchAt(instant: number): Stretch {
    if (this.#isFixed) return always
    const stretches = this.#cell(Math.floor(instant / cellLength))
    return stretches.findLast(({ start }) => start <= instant) ?? always
  }

  #cell(index: number): readonly Stretch[] {
    const known = this.#cells.get(index)
    if (known) return known
    if (this.#cells.size >= maxCells) this.#cells.clear()
    const stretches = this.#explore(index * cellLength, (index + 1) * cellLength)
    this.#cells.set(index, stretches)
    return stretches
  }

  #explore(from: number, to: number): Stretch[] {
    const found: Stretch[] = []
    let [start, before, offset] = [from, this.#measure(from - 1_000), this.#measure(from)]
    for (let n = 1, low = from; n <= measures; n++) {
      const high = from + (n * cellLength) / measures
      while (this.#measure(high) !== offset) {
        const change = this.#changeBetween(low, high, offset)
        const after = this.#measure(change)
        if (change >= to) return [...found, { start, end: to, offset, before, after }]
        found.push({ start, end: change, offset, before, after })
        ;[start, before, offset, low] = [change, offset, after, change]
      }
      low = high
    }
    return [...found, { start, end: to, offset, before, after: offset }]
  }

  /** The first instant whose offset is another; changes happen on full seconds. */
  #changeBetween(low: number, high: number, offset: number): number {
    let [a, b] = [Math.floor(low / 1_000), Math.ceil(high / 1_000)]
    while (b - a > 1) {
      const middle = Math.floor((a + b) / 2)
      if (this.#measure(middle * 1_000) === offset) a = middle
      else b = middle
    }
    return b * 1_000
  }

  #measure(instant: number): number {
    const second = Math.floor(instant / 1_000) * 1_000
    const [month = 1, day = 1, year = 1970, hours = 0, minutes = 0, seconds = 0] = (
      this.#format.format(second).match(/\d+/g) ?? []
    ).map(Number)
    return Date.UTC(year, month - 1, day, hours, minutes, seconds) - second
  }
}
