import { type Recurrence, type NthWeekday } from './rrule.ts'
import { counted, everyOf, listed, monthName, ordinal, ranged, two, weekdayName } from './words.ts'

const unitNames = {
  YEARLY: 'year',
  MONTHLY: 'month',
  WEEKLY: 'week',
  DAILY: 'day',
  HOURLY: 'hour',
  MINUTELY: 'minute',
  SECONDLY: 'second',
} as const

/** A recurrence as words: `every 2 weeks on Monday at 09:00 from 2026-01-05`. */
export function describeRecurrence(rule: Recurrence): string {
  const { frequency, interval, months, weeks, yearDays, monthDays, weekdays, positions, count, until, start } = rule
  const lists: readonly [readonly number[], (value: number) => string, string][] = [
    [months, monthName, 'in '],
    [weeks, String, 'in week '],
    [yearDays, fromEnd, 'on day '],
    [monthDays, fromEnd, 'on day '],
  ]
  return [
    everyOf(interval, unitNames[frequency]),
    ...lists.flatMap(([values, show, word]) => (values.length > 0 ? [word + ranged(values, show)] : [])),
    ...(weekdays.length > 0 ? [`on ${listed(weekdays.map(nthWeekday))}`] : []),
    ...timePhrase(rule),
    ...(positions.length > 0 ? [`(of these the ${listed(positions.map(nth))})`] : []),
    `from ${new Date(start).toISOString().slice(0, 10)}`,
    ...(count === undefined ? [] : [counted(count, 'time')]),
    ...(until === Infinity ? [] : [`to ${new Date(until).toISOString().slice(0, 10)}`]),
  ].join(' ')
}

function timePhrase({ hours, minutes, seconds }: Recurrence): string[] {
  if (hours.length > 0 && minutes.length > 0 && seconds.length === 1 && hours.length * minutes.length <= 6) {
    const suffix = seconds[0] === 0 ? '' : `:${two(seconds[0] ?? 0)}`
    return [`at ${listed(hours.flatMap((h) => minutes.map((m) => `${two(h)}:${two(m)}${suffix}`)))}`]
  }
  return [
    ...(hours.length > 0 ? [`in the hours ${ranged(hours, String)}`] : []),
    ...(minutes.length > 0 ? [`at minute ${ranged(minutes, String)}`] : []),
    ...(seconds.some((second) => second > 0) ? [`at second ${ranged(seconds, String)}`] : []),
  ]
}

function nthWeekday({ weekday, n }: NthWeekday): string {
  return n === 0 ? weekdayName(weekday) : `the ${nth(n)} ${weekdayName(weekday)}`
}

function nth(n: number): string {
  if (n > 0) return ordinal(n)
  return n === -1 ? 'last' : `${ordinal(-n)} last`
}

function fromEnd(value: number): string {
  return value > 0 ? String(value) : `${-value} from the end`
}
