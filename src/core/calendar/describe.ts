import { milliseconds } from '../duration.ts'
import { calendarFields } from './calendar-fields.ts'
import { parseCron } from './cron.ts'
import { describeFields } from './describe-fields.ts'
import { describeRecurrence } from './describe-recurrence.ts'
import { parseRecurrence } from './rrule.ts'
import { type InstantRules, type TimeRules, type Times, type TimetableSpec, listOf } from './spec.ts'
import { length, listed } from './words.ts'
import { Zone } from './zone.ts'

/** So many items of a list are shown. */
const mostShown = 4

/** A valid spec as a sentence: `At 02:30 every day, on the clock of Europe/Berlin, except on holidays.` */
export function describeSpec(spec: TimetableSpec, seed: string | undefined): string {
  const zone = spec.timezone ?? zoneInRules(spec)
  const sentence = [
    phrasesOf(spec, seed, false).join('; and '),
    ...(zone === undefined || zone === 'UTC' ? [] : [`on the clock of ${zone}`]),
    ...(spec.only === undefined ? [] : [`only ${timesOf(spec.only, seed)}`]),
    ...(spec.exclude === undefined ? [] : [`except ${timesOf(spec.exclude, seed)}`]),
    ...(spec.startAt === undefined ? [] : [`from ${shown(spec.startAt)}`]),
    ...(spec.endAt === undefined ? [] : [`until ${shown(spec.endAt)}`]),
  ].join(', ')
  return `${sentence.charAt(0).toUpperCase()}${sentence.slice(1)}.`
}

function phrasesOf(rules: InstantRules, seed: string | undefined, isTimes: boolean): string[] {
  const at = listOf(rules.at)
  return [
    ...listOf(rules.cron).map((text) => cronPhrase(text, rules, seed, isTimes)),
    ...listOf(rules.calendar).map((calendar) => describeFields(calendarFields(calendar, isTimes), isTimes)),
    ...(rules.every === undefined
      ? []
      : [everyPhrase(milliseconds(rules.every, 'every'), milliseconds(rules.phase ?? 0, 'phase'))]),
    ...(at.length > 0 ? [`at ${some(at.map(shown))}`] : []),
    ...listOf(rules.rrule).map((text) => {
      const { timezone, on } = parseRecurrence(text)
      const zone = Zone.named(timezone ?? 'UTC')
      return describeRecurrence(on((instant) => zone.wallAt(instant)))
    }),
  ]
}

function cronPhrase(text: string, { dialect }: InstantRules, seed: string | undefined, isTimes: boolean): string {
  const cron = parseCron(text, dialect, seed)
  if (cron.kind === 'every') return everyPhrase(cron.every, cron.phase)
  if (cron.kind === 'at') return `at ${shown(cron.at)}`
  const seconds = isTimes && !cron.hasSeconds ? Array.from({ length: 60 }, (_, index) => index) : cron.fields.seconds
  return describeFields({ ...cron.fields, seconds }, isTimes)
}

function everyPhrase(every: number, phase: number): string {
  return `every ${length(every).replace(/^1 /, '')}${phase === 0 ? '' : ` and ${length(phase)} after`}`
}

function timesOf(times: Times, seed: string | undefined): string {
  return listed(
    listOf(times).flatMap((item) =>
      typeof item === 'string' ? [`in the calendar ${item}`] : timesPhrases(item, seed),
    ),
    'or',
  )
}

function timesPhrases(rules: TimeRules, seed: string | undefined): string[] {
  const dates = listOf(rules.dates)
  return [
    ...phrasesOf(rules, seed, true),
    ...(dates.length > 0 ? [`on ${some(dates.map((text) => text.replace('/', ' to ')))}`] : []),
    ...(rules.between ?? []).map(([from, to]) => `from ${shown(from)} to ${shown(to)}`),
  ]
}

function zoneInRules({ cron, dialect, rrule }: InstantRules): string | undefined {
  const zones = [
    ...listOf(cron).map((text) => parseCron(text, dialect, '').timezone),
    ...listOf(rrule).map((text) => parseRecurrence(text).timezone),
  ]
  return zones.find((zone) => zone !== undefined)
}

function some(items: readonly string[]): string {
  const more = items.length - mostShown
  return more > 0 ? listed([...items.slice(0, mostShown), `${more} more`]) : listed(items)
}

/** 2026-12-24 18:00 UTC; a time on the clock of the timetable stays as it was written. */
function shown(value: Date | string): string {
  const text = value instanceof Date ? value.toISOString() : value
  return text.replace('T', ' ').replace(/(:\d\d)(?::00(?:\.0+)?)?Z$/, '$1 UTC')
}
