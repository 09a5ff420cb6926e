import { optionError } from '../errors.ts'

export type Frequency = 'YEARLY' | 'MONTHLY' | 'WEEKLY' | 'DAILY' | 'HOURLY' | 'MINUTELY' | 'SECONDLY'

/** Coarse first. */
export const frequencies: readonly Frequency[] = [
  'YEARLY',
  'MONTHLY',
  'WEEKLY',
  'DAILY',
  'HOURLY',
  'MINUTELY',
  'SECONDLY',
]

/** The nth of a weekday in its month or year, counted from the end if negative; 0 means each. Sunday is 0. */
export interface NthWeekday {
  readonly weekday: number
  readonly n: number
}

/** A recurrence rule with what it takes from its start filled in. Empty lists restrict nothing. */
export interface Recurrence {
  readonly frequency: Frequency
  readonly interval: number
  readonly count: number | undefined
  /** The last time on the wall that counts. */
  readonly until: number
  readonly weekStart: number
  readonly months: readonly number[]
  readonly weeks: readonly number[]
  readonly yearDays: readonly number[]
  readonly monthDays: readonly number[]
  readonly weekdays: readonly NthWeekday[]
  readonly hours: readonly number[]
  readonly minutes: readonly number[]
  readonly seconds: readonly number[]
  readonly positions: readonly number[]
  /** The first time on the wall. */
  readonly start: number
}

export interface ParsedRecurrence {
  /** The zone of DTSTART, if it says one. */
  readonly timezone: string | undefined
  /** The rule, once the zone is known: an UNTIL in UTC depends on it. */
  readonly on: (wallAt: (instant: number) => number) => Recurrence
}

const weekdayNames = ['SU', 'MO', 'TU', 'WE', 'TH', 'FR', 'SA']
const parts = [
  'FREQ',
  'INTERVAL',
  'COUNT',
  'UNTIL',
  'WKST',
  'BYMONTH',
  'BYWEEKNO',
  'BYYEARDAY',
  'BYMONTHDAY',
  'BYDAY',
  'BYHOUR',
  'BYMINUTE',
  'BYSECOND',
  'BYSETPOS',
]

/**
 * Reads a `DTSTART` and an `RRULE` of RFC 5545.
 * @throws LW_OPTION_INVALID naming the part and the rule it breaks
 */
export function parseRecurrence(text: string): ParsedRecurrence {
  if (typeof text !== 'string') throw optionError('rrule', 'a text, or a list of them', text)
  const lines = text.trim().split(/\s*\n\s*/)
  const { start, timezone } = startOf(lines, text)
  const rule = lines.map((line) => /^RRULE:(.+)$/i.exec(line)?.[1]).find((line) => line !== undefined)
  const other = lines.find((line) => !/^(RRULE|DTSTART)\b/i.test(line))
  if (other !== undefined)
    throw optionError(
      'rrule',
      'a DTSTART and an RRULE; dates that are added go to at, those left out to exclude',
      other,
    )
  if (rule === undefined || lines.length !== 2) throw optionError('rrule', 'a line DTSTART… and a line RRULE:…', text)
  const given = new Map(rule.split(';').map((part) => splitPart(part, text)))
  const frequency = frequencies.find((name) => name === given.get('FREQ'))
  if (!frequency) throw optionError('FREQ of rrule', `one of ${frequencies.join(', ')}`, given.get('FREQ') ?? text)
  if (given.has('COUNT') && given.has('UNTIL'))
    throw optionError('rrule', 'given with COUNT or UNTIL and not with both', text)
  return { timezone, on: (wallAt) => fill(frequency, given, start, wallAt) }
}

function splitPart(part: string, text: string): [string, string] {
  const [name = '', value = '', ...more] = part.trim().toUpperCase().split('=')
  if (!parts.includes(name) || value === '' || more.length > 0)
    throw optionError('rrule', `parts NAME=VALUE with the names ${parts.join(', ')}`, part === '' ? text : part)
  return [name, value]
}

function startOf(lines: readonly string[], text: string): { start: number; timezone: string | undefined } {
  const [, params = '', value = ''] =
    lines.map((line) => /^DTSTART((?:;[^:]+)?):(\S+)$/i.exec(line)).find((match) => match) ?? []
  const start = moment(value)
  if (!start) throw optionError('DTSTART of rrule', 'a line such as DTSTART;TZID=Europe/Berlin:20260101T090000', text)
  return { start: start.time, timezone: start.isUtc ? 'UTC' : /;TZID=([^;]+)/i.exec(params)?.[1] }
}

/** `20260101`, `20260101T090000` or with `Z`. */
function moment(value: string): { time: number; isUtc: boolean; isDate: boolean } | undefined {
  const [, y, mo, d, h, mi, s, z] = /^(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z)?)?$/i.exec(value) ?? []
  if (y === undefined) return undefined
  const time = Date.parse(`${y}-${mo}-${d}T${h ?? '00'}:${mi ?? '00'}:${s ?? '00'}Z`)
  return Number.isNaN(time) ? undefined : { time, isUtc: z !== undefined, isDate: h === undefined }
}

type Given = ReadonlyMap<string, string>

function fill(frequency: Frequency, given: Given, start: number, wallAt: (instant: number) => number): Recurrence {
  const date = new Date(start)
  const rank = frequencies.indexOf(frequency)
  const from = (name: string, low: number, high: number, fallback: readonly number[]) =>
    given.has(name) ? numbers(given, name, low, high) : fallback
  const timeOf = (value: number, finest: Frequency) => (rank < frequencies.indexOf(finest) ? [value] : [])
  const weekdays = weekdaysOf(given, frequency)
  const hasDays = ['BYWEEKNO', 'BYYEARDAY', 'BYMONTHDAY', 'BYDAY'].some((name) => given.has(name))
  const isYearly = frequency === 'YEARLY'
  const weekOnly =
    isYearly && given.has('BYWEEKNO') && !['BYYEARDAY', 'BYMONTHDAY', 'BYDAY'].some((name) => given.has(name))
  const needsMonthDay = !hasDays && (isYearly || frequency === 'MONTHLY')
  const needsWeekday = weekOnly || (frequency === 'WEEKLY' && !given.has('BYDAY'))
  refuseMisplaced(given, frequency)
  return {
    frequency,
    interval: single(given, 'INTERVAL') ?? 1,
    count: single(given, 'COUNT'),
    until: untilOf(given, wallAt),
    weekStart: given.has('WKST') ? weekdayOf(given.get('WKST') ?? '', 'WKST') : 1,
    months: from('BYMONTH', 1, 12, isYearly && !hasDays ? [date.getUTCMonth() + 1] : []),
    weeks: from('BYWEEKNO', -53, 53, []),
    yearDays: from('BYYEARDAY', -366, 366, []),
    monthDays: from('BYMONTHDAY', -31, 31, needsMonthDay ? [date.getUTCDate()] : []),
    weekdays: needsWeekday ? [{ weekday: date.getUTCDay(), n: 0 }] : weekdays,
    hours: from('BYHOUR', 0, 23, timeOf(date.getUTCHours(), 'HOURLY')),
    minutes: from('BYMINUTE', 0, 59, timeOf(date.getUTCMinutes(), 'MINUTELY')),
    seconds: from('BYSECOND', 0, 59, timeOf(date.getUTCSeconds(), 'SECONDLY')),
    positions: from('BYSETPOS', -366, 366, []),
    start,
  }
}

/** The combinations that RFC 5545 forbids. */
function refuseMisplaced(given: Given, frequency: Frequency): void {
  const refuse = (name: string, rule: string) => {
    if (given.has(name)) throw optionError(`${name} of rrule`, `used ${rule}`, `FREQ=${frequency}`)
  }
  if (frequency !== 'YEARLY') refuse('BYWEEKNO', 'with FREQ=YEARLY only')
  if (['DAILY', 'WEEKLY', 'MONTHLY'].includes(frequency))
    refuse('BYYEARDAY', 'with FREQ=YEARLY, or with hours and shorter')
  if (frequency === 'WEEKLY') refuse('BYMONTHDAY', 'with any FREQ but WEEKLY')
  if (given.has('BYSETPOS') && ![...given.keys()].some((name) => name.startsWith('BY') && name !== 'BYSETPOS'))
    throw optionError('BYSETPOS of rrule', 'used together with another part BY…', given.get('BYSETPOS'))
}

function weekdaysOf(given: Given, frequency: Frequency): NthWeekday[] {
  const value = given.get('BYDAY')
  if (value === undefined) return []
  return value.split(',').map((item) => {
    const [, n = '0', name = ''] = /^([+-]?\d+)?([A-Z]{2})$/.exec(item) ?? []
    const isCounted = Number(n) !== 0
    if (isCounted && (!['MONTHLY', 'YEARLY'].includes(frequency) || given.has('BYWEEKNO')))
      throw optionError('BYDAY of rrule', 'without numbers, except with FREQ=MONTHLY or YEARLY and no BYWEEKNO', item)
    return { weekday: weekdayOf(name, 'BYDAY'), n: Number(n) }
  })
}

function weekdayOf(name: string, part: string): number {
  const weekday = weekdayNames.indexOf(name)
  if (weekday < 0) throw optionError(`${part} of rrule`, `one of ${weekdayNames.join(', ')}`, name)
  return weekday
}

function numbers(given: Given, name: string, low: number, high: number): number[] {
  const values = (given.get(name) ?? '').split(',').map(Number)
  const isValid = values.every(
    (value) => Number.isInteger(value) && value >= low && value <= high && (low >= 0 || value !== 0),
  )
  if (!isValid) throw optionError(`${name} of rrule`, `numbers from ${low} to ${high}`, given.get(name))
  return [...new Set(values)].toSorted((a, b) => a - b)
}

function single(given: Given, name: string): number | undefined {
  if (!given.has(name)) return undefined
  const value = Number(given.get(name))
  if (!Number.isInteger(value) || value < 1) throw optionError(`${name} of rrule`, 'a number from 1', given.get(name))
  return value
}

function untilOf(given: Given, wallAt: (instant: number) => number): number {
  const text = given.get('UNTIL')
  if (text === undefined) return Infinity
  const until = moment(text)
  if (!until) throw optionError('UNTIL of rrule', 'a date such as 20261231 or a time such as 20261231T235959Z', text)
  if (until.isDate) return until.time + 86_400_000 - 1
  return until.isUtc ? wallAt(until.time) : until.time
}
