import { type Rule, type WallRule, greatest, least } from './rule.ts'
import type { Stretch, Zone } from './zone.ts'

/** What becomes of a wall-clock time that a zone's clock skips (`gap`) or shows twice (`overlap`). */
export interface DstPolicy {
  /** `'after'`: at the end of the gap; `'shift'`: later by its length; `'skip'`: not at all. */
  readonly gap: 'after' | 'shift' | 'skip'
  readonly overlap: 'first' | 'last' | 'both'
}

/** For rules that fire all the time: they follow real time through a change. */
export const throughChanges: DstPolicy = { gap: 'skip', overlap: 'both' }

const hour = 3_600_000
/** No clock was ever changed by more than a day. */
const farFromChange = 26 * hour
/** No zone is more than 14 hours ahead. */
const mostAhead = 15 * hour

/**
 * The instants at which a zone's clock shows the times of a wall rule. It goes from one stretch of even time to the
 * next; inside of a stretch, instants and times on the wall have the same order, so nothing is lost or doubled.
 */
export class ClockRule implements Rule {
  readonly #walls: WallRule
  readonly #zone: Zone
  readonly #policy: DstPolicy

  constructor(walls: WallRule, zone: Zone, policy: DstPolicy) {
    this.#walls = walls
    this.#zone = zone
    this.#policy = policy
  }

  next(after: number): number | undefined {
    for (let from = after + 1; ;) {
      const stretch = this.#zone.stretchAt(from)
      const wall = this.#walls.from(from + stretch.offset)
      const found = least([this.#firstIn(stretch, from), this.#firstOfGap(stretch, from)])
      if (found !== undefined) return found
      const isEven = stretch.end - from > farFromChange
      if (wall === undefined && isEven) return undefined
      from = isEven && wall !== undefined ? Math.max(stretch.end, wall - mostAhead) : stretch.end
    }
  }

  previous(before: number): number | undefined {
    for (let to = before - 1; ;) {
      const stretch = this.#zone.stretchAt(to)
      const wall = this.#walls.upTo(to + stretch.offset)
      const found = greatest([this.#lastIn(stretch, to), this.#lastOfGap(stretch, to)])
      if (found !== undefined) return found
      const isEven = to - stretch.start > farFromChange
      if (wall === undefined && isEven) return undefined
      to = isEven && wall !== undefined ? Math.min(stretch.start - 1, wall + mostAhead) : stretch.start - 1
    }
  }

  #firstIn(stretch: Stretch, from: number): number | undefined {
    const [low, high] = this.#wallsOf(stretch)
    const wall = this.#walls.from(Math.max(from + stretch.offset, low))
    return wall !== undefined && wall < high ? wall - stretch.offset : undefined
  }

  #lastIn(stretch: Stretch, to: number): number | undefined {
    const [low, high] = this.#wallsOf(stretch)
    const wall = this.#walls.upTo(Math.min(to + stretch.offset, high - 1))
    return wall !== undefined && wall >= low ? wall - stretch.offset : undefined
  }

  /** The times shown in a stretch, without those that belong to the one before or after it. */
  #wallsOf({ start, end, offset, before, after }: Stretch): [low: number, high: number] {
    const { overlap } = this.#policy
    return [
      start + (overlap === 'first' ? Math.max(offset, before) : offset),
      end + (overlap === 'last' ? Math.min(offset, after) : offset),
    ]
  }

  /** The gap is the one at the start of the stretch. */
  #firstOfGap({ start, offset, before }: Stretch, from: number): number | undefined {
    const { gap } = this.#policy
    if (gap === 'skip' || offset <= before || from > start + offset - before) return undefined
    if (gap === 'after' && from > start) return undefined
    const wall = this.#walls.from(Math.max(start, from) + before)
    if (wall === undefined || wall >= start + offset) return undefined
    return gap === 'after' ? start : wall - before
  }

  #lastOfGap({ start, offset, before }: Stretch, to: number): number | undefined {
    const { gap } = this.#policy
    if (gap === 'skip' || offset <= before) return undefined
    const last = gap === 'after' ? start + offset - 1 : Math.min(to + before, start + offset - 1)
    const wall = this.#walls.upTo(last)
    if (wall === undefined || wall < start + before) return undefined
    return gap === 'after' ? start : wall - before
  }
}
