import { milliseconds } from '../duration.ts'
import { optionError } from '../errors.ts'
import { nearest } from '../suggest.ts'
import { calendarFields, isFrequent } from './calendar-fields.ts'
import { ClockRule, type DstPolicy, throughChanges } from './clock-rule.ts'
import { type CronFields, parseCron } from './cron.ts'
import { FieldRule } from './field-rule.ts'
import { recurrenceRule } from './recurrence-rule.ts'
import { FieldRegion, InstantRegion, PeriodRegion, type Region } from './region.ts'
import { type ParsedRecurrence, parseRecurrence } from './rrule.ts'
import { EveryRule, ListRule, type Rule } from './rule.ts'
import { type CalendarRules, type InstantRules, type TimeRules, type Times, listOf } from './spec.ts'
import { Zone } from './zone.ts'

/** What all rules of one timetable share. */
export interface Setting {
  readonly timezone: string | undefined
  readonly dst: DstPolicy
  readonly seed: string | undefined
  readonly calendars: Readonly<Record<string, CalendarRules>>
}

const day = 86_400_000
const always: readonly number[] = Array.from({ length: 60 }, (_, index) => index)

/** @throws LW_OPTION_INVALID for a rule that is malformed or has a zone of its own beside `timezone` */
export function rulesOf(rules: InstantRules, setting: Setting): Rule[] {
  return [
    ...listOf(rules.cron).map((text) => cronRule(text, rules, setting)),
    ...listOf(rules.calendar).map((calendar) => {
      const policy = isFrequent(calendar) ? throughChanges : setting.dst
      return new ClockRule(new FieldRule(calendarFields(calendar, false)), zoneOf(undefined, setting), policy)
    }),
    ...otherRules(rules, setting),
  ]
}

/** @throws LW_OPTION_INVALID for rules that are malformed, and for a calendar that nobody gave */
export function regionsOf(times: Times | undefined, setting: Setting): Region[] {
  return listOf(times).flatMap((item) =>
    typeof item === 'string'
      ? listOf(namedCalendar(item, setting)).flatMap((rules) => regionOf(rules, setting))
      : regionOf(item, setting),
  )
}

/** An instant, or a time on the clock of the timetable. @throws LW_OPTION_INVALID naming `option` */
export function instantOf(value: Date | string, option: string, setting: Setting): number {
  const { time, isWall } = timeOf(value, option)
  if (!isWall) return time
  const clock = new ClockRule(new ListRule([time]), zoneOf(undefined, setting), { gap: 'after', overlap: 'first' })
  return clock.next(time - 2 * day) ?? time
}

function cronRule(text: string, { dialect }: InstantRules, setting: Setting): Rule {
  const cron = parseCron(text, dialect, setting.seed)
  const zone = zoneOf(cron.timezone, setting)
  if (cron.kind === 'every') return everyRule(cron.every, cron.phase)
  if (cron.kind === 'at') return atRule([cron.at], { ...setting, timezone: zone.name })
  return new ClockRule(new FieldRule(cron.fields), zone, cron.dst ?? setting.dst)
}

function otherRules(rules: InstantRules, setting: Setting): Rule[] {
  const at = listOf(rules.at)
  if (rules.phase !== undefined && rules.every === undefined)
    throw optionError('phase', 'given together with every', rules.phase)
  return [
    ...(rules.every === undefined
      ? []
      : [everyRule(milliseconds(rules.every, 'every'), milliseconds(rules.phase ?? 0, 'phase'))]),
    ...(at.length > 0 ? [atRule(at, setting)] : []),
    ...listOf(rules.rrule).map((text) => clockOf(parseRecurrence(text), setting)),
  ]
}

function everyRule(every: number, phase: number): Rule {
  if (every < 1_000) throw optionError('every', 'a duration of at least one second', every)
  return new EveryRule(every, phase)
}

function atRule(at: readonly (Date | string)[], setting: Setting): Rule {
  const times = at.map((value) => timeOf(value, 'at'))
  const instants = times.filter(({ isWall }) => !isWall).map(({ time }) => time)
  const walls = new ListRule(times.filter(({ isWall }) => isWall).map(({ time }) => time))
  const clock = new ClockRule(walls, zoneOf(undefined, setting), setting.dst)
  const first = Math.min(...times.map(({ time }) => time)) - 2 * day
  const last = Math.max(...times.map(({ time }) => time)) + 2 * day
  const all = [...instants]
  for (let next = clock.next(first); next !== undefined && next < last; next = clock.next(next)) all.push(next)
  return new ListRule(all)
}

function clockOf(parsed: ParsedRecurrence, setting: Setting): Rule {
  const zone = zoneOf(parsed.timezone, setting)
  const recurrence = parsed.on((instant) => zone.wallAt(instant))
  const isFast = ['HOURLY', 'MINUTELY', 'SECONDLY'].includes(recurrence.frequency)
  return new ClockRule(recurrenceRule(recurrence), zone, isFast ? throughChanges : setting.dst)
}

function regionOf(rules: TimeRules, setting: Setting): Region[] {
  const zone = zoneOf(undefined, setting)
  const fields = listOf(rules.cron).map((text) => parseCron(text, rules.dialect, setting.seed))
  const others = otherRules(rules, setting)
  const periods = [
    ...listOf(rules.dates).map((text) => datesOf(text, setting)),
    ...(rules.between ?? []).map((pair) => periodOf(pair, setting)),
  ]
  const regions = [
    ...fields.map((cron) =>
      cron.kind === 'fields'
        ? new FieldRegion(new FieldRule(wholeMinutes(cron)), zoneOf(cron.timezone, setting))
        : new InstantRegion(cron.kind === 'every' ? everyRule(cron.every, cron.phase) : atRule([cron.at], setting)),
    ),
    ...listOf(rules.calendar).map((calendar) => new FieldRegion(new FieldRule(calendarFields(calendar, true)), zone)),
    ...others.map((rule) => new InstantRegion(rule)),
    ...(periods.length > 0 ? [new PeriodRegion(periods)] : []),
  ]
  if (regions.length === 0)
    throw optionError(
      'exclude, only or calendars',
      'rules with cron, calendar, dates, between, every, at or rrule',
      rules,
    )
  return regions
}

function wholeMinutes({ fields, hasSeconds }: CronFields): CronFields['fields'] {
  return hasSeconds ? fields : { ...fields, seconds: always }
}

function datesOf(text: string, setting: Setting): [number, number] {
  const [, first, last = first] = /^(\d{4}-\d\d-\d\d)(?:\/(\d{4}-\d\d-\d\d))?$/.exec(text) ?? []
  const end = Date.parse(`${last}T00:00Z`) + day
  if (first === undefined || Number.isNaN(end) || Number.isNaN(Date.parse(first)))
    throw optionError('dates', "dates such as '2026-12-25', or '2026-12-24/2027-01-01' with both days", text)
  return periodOf([first, new Date(end).toISOString().slice(0, 10)], setting)
}

function periodOf([from, to]: readonly [Date | string, Date | string], setting: Setting): [number, number] {
  const period: [number, number] = [instantOf(from, 'between', setting), instantOf(to, 'between', setting)]
  if (period[0] >= period[1])
    throw optionError('between', 'pairs of which the second is later than the first', [from, to])
  return period
}

function namedCalendar(name: string, { calendars }: Setting): CalendarRules {
  const rules = Object.hasOwn(calendars, name) ? calendars[name] : undefined
  if (rules) return rules
  const known = Object.keys(calendars)
  const near = nearest(name, known)
  const rule = `the name of a calendar that was given (${known.join(', ') || 'none was'})`
  throw optionError('exclude or only', near === undefined ? rule : `${rule}; perhaps ${near}`, name)
}

/** @throws LW_OPTION_INVALID where a text names another zone than the option */
function zoneOf(own: string | undefined, { timezone }: Setting): Zone {
  if (own !== undefined && timezone !== undefined && own !== timezone)
    throw optionError('timezone', `left out, or ${own} as the rule itself says`, timezone)
  return Zone.named(own ?? timezone ?? 'UTC')
}

function timeOf(value: Date | string, option: string): { time: number; isWall: boolean } {
  const isWall = typeof value === 'string' && /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?)?$/.test(value)
  const isText = isWall || (typeof value === 'string' && /^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:?\d\d)$/.test(value))
  const time =
    value instanceof Date
      ? value.getTime()
      : isText
        ? Date.parse(isWall && value.includes('T') ? `${value}Z` : value)
        : Number.NaN
  if (Number.isNaN(time))
    throw optionError(
      option,
      "a Date, or text such as '2026-12-24T18:00Z' or, on the clock of the timezone, '2026-12-24T18:00'",
      value,
    )
  return { time, isWall }
}
