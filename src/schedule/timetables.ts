import { type CalendarRules, listOf, type TimeRules, type Times, type TimetableSpec } from '../core/calendar/spec.ts'
import { timetable, type Timetable } from '../core/calendar/timetable.ts'

/** What decisions ask of a timetable. */
export type Instants = Pick<Timetable, 'next' | 'previous'>

/** Timetables that are kept: making one costs more than asking it. */
const mostKept = 5_000
const kept = new Map<string, Timetable>()

/** The timetable of a schedule; the id is the seed of what is spread by chance. @throws LW_OPTION_INVALID */
export function timetableOf(spec: TimetableSpec, id: string): Timetable {
  const text = JSON.stringify(spec)
  // only an H in a cron text depends on the id: thousands of schedules share few timetables
  const key = text.includes('H') ? `${id} ${text}` : text
  const known = kept.get(key)
  if (known) return known
  if (kept.size >= mostKept) kept.clear()
  const made = timetable(spec, { seed: id })
  kept.set(key, made)
  return made
}

/**
 * The spec with the rules of calendars instead of their names: any process must be able to fire what is stored. A name that
 * nobody gave stays, for the timetable to refuse.
 */
export function withCalendars(spec: TimetableSpec, calendars: Readonly<Record<string, CalendarRules>>): TimetableSpec {
  const resolved = (times: Times): Times =>
    listOf<TimeRules | string>(times).flatMap((item): readonly (TimeRules | string)[] => {
      const rules = typeof item === 'string' ? calendars[item] : undefined
      return rules === undefined ? [item] : listOf<TimeRules>(rules)
    })
  const { exclude, only, ...rest } = spec
  return {
    ...rest,
    ...(exclude !== undefined && { exclude: resolved(exclude) }),
    ...(only !== undefined && { only: resolved(only) }),
  }
}
