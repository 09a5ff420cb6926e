/** Instants in milliseconds, found by search and never listed. */
export interface Rule {
  /** The first instant after this one. */
  next(after: number): number | undefined
  /** The last instant before this one. */
  previous(before: number): number | undefined
}

/** Times that a clock on a wall may show, in milliseconds as if the wall were in UTC. */
export interface WallRule {
  /** The first time that is not before this one. */
  from(wall: number): number | undefined
  /** The last time that is not after this one. */
  upTo(wall: number): number | undefined
}

/** Instants at equal distances: multiples of `every` since 1970-01-01T00:00Z, moved by `phase`. */
export class EveryRule implements Rule {
  readonly #every: number
  readonly #phase: number

  constructor(every: number, phase: number) {
    this.#every = every
    this.#phase = phase
  }

  next(after: number): number {
    return (Math.floor((after - this.#phase) / this.#every) + 1) * this.#every + this.#phase
  }

  previous(before: number): number {
    return (Math.ceil((before - this.#phase) / this.#every) - 1) * this.#every + this.#phase
  }
}

/** A list of times, on the wall or as instants. */
export class ListRule implements Rule, WallRule {
  readonly #times: readonly number[]

  constructor(times: readonly number[]) {
    this.#times = [...new Set(times)].toSorted((a, b) => a - b)
  }

  next(after: number): number | undefined {
    return this.#times[this.#countUpTo(after)]
  }

  previous(before: number): number | undefined {
    return this.#times[this.#countUpTo(before - 1) - 1]
  }

  from(wall: number): number | undefined {
    return this.next(wall - 1)
  }

  upTo(wall: number): number | undefined {
    return this.previous(wall + 1)
  }

  /** How many are not after this time. */
  #countUpTo(time: number): number {
    let [low, high] = [0, this.#times.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#times[middle] ?? 0) <= time) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** What any of several rules says. */
export function anyOf(rules: readonly Rule[]): Rule {
  const [only] = rules
  if (only && rules.length === 1) return only
  return {
    next: (after) => least(rules.map((rule) => rule.next(after))),
    previous: (before) => greatest(rules.map((rule) => rule.previous(before))),
  }
}

/** A rule from one instant on, and before another. */
export function bounded(rule: Rule, from: number, to: number): Rule {
  const inside = (instant: number | undefined) =>
    instant !== undefined && instant >= from && instant < to ? instant : undefined
  return {
    next: (after) => inside(rule.next(Math.max(after, from - 1))),
    previous: (before) => inside(rule.previous(Math.min(before, to))),
  }
}

export function least(values: readonly (number | undefined)[]): number | undefined {
  return values.reduce((a, b) => (a === undefined || (b !== undefined && b < a) ? b : a), undefined)
}

export function greatest(values: readonly (number | undefined)[]): number | undefined {
  return values.reduce((a, b) => (a === undefined || (b !== undefined && b > a) ? b : a), undefined)
}
