import { ClockRule, throughChanges } from './clock-rule.ts'
import { type FieldRule } from './field-rule.ts'
import { type Rule, greatest, least } from './rule.ts'
import type { Zone } from './zone.ts'

/** Looking for something later, or for something earlier. */
export type Direction = 1 | -1

/** Stretches of time, for leaving out or for keeping. */
export interface Region {
  contains(instant: number): boolean
  /** From an instant inside: the nearest in a direction that may be outside. */
  leave(instant: number, direction: Direction): number
  /** The nearest instant inside, this one or one in a direction. */
  enter(instant: number, direction: Direction): number | undefined
}

/** The seconds, minutes, hours or days that a zone's clock shows and that some fields fit. */
export class FieldRegion implements Region {
  readonly #rule: FieldRule
  readonly #zone: Zone
  readonly #starts: Rule

  constructor(rule: FieldRule, zone: Zone) {
    this.#rule = rule
    this.#zone = zone
    this.#starts = new ClockRule(rule, zone, throughChanges)
  }

  contains(instant: number): boolean {
    const second = Math.floor(this.#zone.wallAt(instant) / 1_000) * 1_000
    return this.#rule.from(second) === second
  }

  leave(instant: number, direction: Direction): number {
    const { start, end, offset } = this.#zone.stretchAt(instant)
    const { before, after } = this.#rule.coverageAt(instant + offset)
    return direction === 1 ? Math.min(instant + after, end) : Math.max(instant - before - 1, start - 1)
  }

  enter(instant: number, direction: Direction): number | undefined {
    if (this.contains(instant)) return instant
    if (direction === 1) return this.#starts.next(instant)
    const second = this.#starts.previous(instant)
    return second === undefined ? undefined : second + 999
  }
}

/** Stretches from one instant on and before another. */
export class PeriodRegion implements Region {
  readonly #periods: readonly (readonly [from: number, to: number])[]

  constructor(periods: readonly (readonly [from: number, to: number])[]) {
    this.#periods = periods.toSorted(([a], [b]) => a - b)
  }

  contains(instant: number): boolean {
    return this.#at(instant) !== undefined
  }

  leave(instant: number, direction: Direction): number {
    const [from, to] = this.#at(instant) ?? [instant, instant + 1]
    return direction === 1 ? to : from - 1
  }

  enter(instant: number, direction: Direction): number | undefined {
    if (this.contains(instant)) return instant
    return direction === 1
      ? this.#periods.find(([from]) => from > instant)?.[0]
      : greatest(this.#periods.filter(([, to]) => to <= instant).map(([, to]) => to - 1))
  }

  #at(instant: number): readonly [number, number] | undefined {
    return this.#periods.find(([from, to]) => from <= instant && instant < to)
  }
}

/** Single instants. */
export class InstantRegion implements Region {
  readonly #rule: Rule

  constructor(rule: Rule) {
    this.#rule = rule
  }

  contains(instant: number): boolean {
    return this.#rule.next(instant - 1) === instant
  }

  leave(instant: number, direction: Direction): number {
    return instant + direction
  }

  enter(instant: number, direction: Direction): number | undefined {
    return direction === 1 ? this.#rule.next(instant - 1) : this.#rule.previous(instant + 1)
  }
}

/** A timetable has ended when nothing remains for as long as the calendar takes to repeat, or in so many stretches. */
const longestSearch = 400 * 365.2425 * 86_400_000
const mostSkips = 150_000

/** A rule without what lies in `exclude`, and if there is an `only`, without what does not lie in it. */
export function filtered(rule: Rule, exclude: readonly Region[], only: readonly Region[] | undefined): Rule {
  if (exclude.length === 0 && !only) return rule
  /** This instant if it remains, or else the nearest that may. */
  const allowed = (instant: number, direction: Direction): number | undefined => {
    const holding = exclude.find((region) => region.contains(instant))
    if (holding) return holding.leave(instant, direction)
    const entries = only?.map((region) => region.enter(instant, direction))
    return entries ? (direction === 1 ? least(entries) : greatest(entries)) : instant
  }
  const search = (from: number, direction: Direction): number | undefined => {
    const step = (instant: number) => (direction === 1 ? rule.next(instant) : rule.previous(instant))
    let found = step(from)
    const start = found ?? from
    for (let skips = 0; found !== undefined && skips < mostSkips; skips++) {
      if (Math.abs(found - start) > longestSearch) return undefined
      const place = allowed(found, direction)
      if (place === found || place === undefined) return place
      found = step(place - direction)
    }
    return undefined
  }
  return { next: (after) => search(after, 1), previous: (before) => search(before, -1) }
}
