import { optionError } from '../errors.ts'
import { type CronRule, type Dialect, parseCron } from './cron.ts'
import { type DstPolicy, Zone } from './zone.ts'

export interface TimetableOptions {
  /** Five fields as in Vixie cron, or what `dialect` says; may begin with `CRON_TZ=`. */
  readonly cron: string
  /** Default `'vixie'`. */
  readonly dialect?: Dialect
  /** An IANA zone. Default `'UTC'`. */
  readonly timezone?: string
  /** For times of day without wildcard or step. Default: `'after'` a gap, the `'first'` of an overlap. */
  readonly dst?: Partial<DstPolicy>
}

/** The instants of a rule. */
export interface Timetable {
  /** The first instant after this one; undefined when there is none. */
  next(after: Date): Date | undefined
  /** The last instant before this one. */
  previous(before: Date): Date | undefined
}

const dayLength = 86_400_000

/** The Gregorian calendar repeats after 400 years: what does not come in that time never comes. */
const cycle = 146_097

/**
 * Makes the timetable of a cron text.
 * @throws LW_OPTION_INVALID for a malformed text, an unknown zone, two zones, or a rule that never fires
 */
export function timetable({ cron, dialect, timezone, dst }: TimetableOptions): Timetable {
  const rule = parseCron(cron, dialect)
  if (rule.timezone !== undefined && timezone !== undefined && rule.timezone !== timezone)
    throw optionError('timezone', `left out, or ${rule.timezone} as the cron text says`, timezone)
  const zone = new Zone(rule.timezone ?? timezone ?? 'UTC')
  const policy: DstPolicy = rule.isInterval
    ? { gap: 'skip', overlap: 'both' }
    : { gap: 'after', overlap: 'first', ...dst }
  const made = new CronTimetable(rule, zone, policy)
  if (!made.next(new Date(0))) throw optionError('cron', 'a rule that fires at some time; no date fits it', cron)
  return made
}

class CronTimetable implements Timetable {
  readonly #rule: CronRule
  readonly #zone: Zone
  readonly #policy: DstPolicy

  constructor(rule: CronRule, zone: Zone, policy: DstPolicy) {
    this.#rule = rule
    this.#zone = zone
    this.#policy = policy
  }

  next(after: Date): Date | undefined {
    return this.#search(after.getTime(), 1)
  }

  previous(before: Date): Date | undefined {
    return this.#search(before.getTime(), -1)
  }

  /** Goes over the days of the zone's clock. Where it is changed, a day may reach into the next: that one is asked too. */
  #search(from: number, direction: 1 | -1): Date | undefined {
    const first = Math.floor(this.#zone.wallAt(from) / dayLength) - direction
    for (let n = 0, day = first; n <= cycle; n++, day += direction) {
      const found = this.#beyond(day, from, direction)
      if (found === undefined) continue
      const other = this.#beyond(day + direction, from, direction) ?? found
      return new Date(direction === 1 ? Math.min(found, other) : Math.max(found, other))
    }
    return undefined
  }

  #beyond(day: number, from: number, direction: 1 | -1): number | undefined {
    if (!this.#rule.matches(new Date(day * dayLength))) return undefined
    const instants = this.#rule.times
      .flatMap((time) => this.#zone.instantsOf(day * dayLength + time, this.#policy))
      .filter((instant) => (instant - from) * direction > 0)
    if (instants.length === 0) return undefined
    return instants.reduce((a, b) => (direction === 1 ? Math.min(a, b) : Math.max(a, b)))
  }
}
