import { optionError } from '../errors.ts'

/** Which meaning the fields of a cron text have; a sixth field alone means three different things elsewhere. */
export type Dialect = 'vixie' | 'seconds' | 'temporal'

/** A parsed cron text: which days, and which times on each of them. */
export interface CronRule {
  /** From `CRON_TZ=` or `TZ=` in front of the text. */
  readonly timezone: string | undefined
  /** Has a wildcard or a step in hour or minute: follows real time where a zone's clock is changed. */
  readonly isInterval: boolean
  /** Milliseconds since midnight, in order. */
  readonly times: readonly number[]
  matches(date: Date): boolean
}

interface Bounds {
  readonly name: string
  readonly low: number
  readonly high: number
  readonly names?: readonly string[]
}

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const weekdays = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']
const bounds = {
  second: { name: 'second', low: 0, high: 59 },
  minute: { name: 'minute', low: 0, high: 59 },
  hour: { name: 'hour', low: 0, high: 23 },
  day: { name: 'day of month', low: 1, high: 31 },
  month: { name: 'month', low: 1, high: 12, names: months },
  weekday: { name: 'day of week', low: 0, high: 7, names: weekdays },
  year: { name: 'year', low: 1970, high: 9999 },
} as const satisfies Record<string, Bounds>

const fieldCounts: Readonly<Record<Dialect, readonly number[]>> = { vixie: [5], seconds: [6], temporal: [5, 6, 7] }

const nicknames: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
}

/** @throws LW_OPTION_INVALID naming the field and the rule it breaks */
export function parseCron(text: string, dialect: Dialect = 'vixie'): CronRule {
  const [, timezone, body = ''] = /^(?:(?:CRON_TZ|TZ)=(\S+)\s+)?(.*)$/s.exec(text.trim()) ?? []
  const nickname = nicknames[body.toLowerCase()]
  const fields = (nickname ?? body).split(/\s+/)
  const counts = nickname === undefined ? fieldCounts[dialect] : [5]
  if (!counts?.includes(fields.length))
    throw optionError('cron', `${fieldCounts[dialect]?.join(', ')} fields in the dialect '${dialect}'`, text)
  const hasSeconds = fields.length === 7 || (dialect === 'seconds' && fields.length === 6)
  const [second = '0', minute = '', hour = '', day = '', month = '', weekday = '', year = '*'] = hasSeconds
    ? fields
    : ['0', ...fields]
  const seconds = valuesOf(second, bounds.second)
  const minutes = valuesOf(minute, bounds.minute)
  const hours = valuesOf(hour, bounds.hour)
  const dates = { day, month, weekday, year }
  return {
    timezone,
    isInterval: /[*/]/.test(hour + minute),
    times: hours.flatMap((h) => minutes.flatMap((m) => seconds.map((s) => ((h * 60 + m) * 60 + s) * 1_000))),
    matches: dayRule(dates, dialect),
  }
}

function dayRule(
  { day, month, weekday, year }: Readonly<Record<'day' | 'month' | 'weekday' | 'year', string>>,
  dialect: Dialect,
): (date: Date) => boolean {
  const days = valuesOf(day, bounds.day)
  const inMonths = valuesOf(month, bounds.month)
  const onWeekdays = valuesOf(weekday, bounds.weekday).map((value) => value % 7)
  const years = year === '*' ? undefined : valuesOf(year, bounds.year)
  // Vixie cron: where both are restricted, either will do; a field that begins with * counts as unrestricted.
  const isEither = dialect !== 'temporal' && !day.startsWith('*') && !weekday.startsWith('*')
  return (date) => {
    if (!inMonths.includes(date.getUTCMonth() + 1)) return false
    if (years && !years.includes(date.getUTCFullYear())) return false
    const isDay = days.includes(date.getUTCDate())
    const isWeekday = onWeekdays.includes(date.getUTCDay())
    return isEither ? isDay || isWeekday : isDay && isWeekday
  }
}

function valuesOf(field: string, limits: Bounds): number[] {
  const values = field.split(',').flatMap((part) => rangeOf(part, limits, field))
  return [...new Set(values)].toSorted((a, b) => a - b)
}

function rangeOf(part: string, limits: Bounds, field: string): number[] {
  const [, from = '', to, stepText] = /^(\*|[a-z0-9]+)(?:-([a-z0-9]+))?(?:\/(\d+))?$/i.exec(part) ?? []
  const low = from === '*' ? limits.low : numberOf(from, limits)
  const high = from === '*' ? limits.high : to === undefined ? low : numberOf(to, limits)
  const step = stepText === undefined ? 1 : Number(stepText)
  const isMalformed =
    !(low >= limits.low && high <= limits.high && low <= high && step >= 1) ||
    (from === '*' && to !== undefined) ||
    (stepText !== undefined && from !== '*' && to === undefined)
  if (isMalformed)
    throw optionError(
      `${limits.name} of cron`,
      `values from ${limits.low} to ${limits.high}: *, lists, ranges from low to high, steps of * or of a range`,
      field,
    )
  return Array.from({ length: Math.floor((high - low) / step) + 1 }, (_, index) => low + index * step)
}

function numberOf(text: string, { names, low }: Bounds): number {
  const named = names?.indexOf(text.toLowerCase()) ?? -1
  if (named >= 0) return named + low
  return /^\d+$/.test(text) ? Number(text) : Number.NaN
}
