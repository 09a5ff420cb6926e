import { type Duration, milliseconds } from '../duration.ts'
import { optionError } from '../errors.ts'
import type { DstPolicy } from './clock-rule.ts'
import type { Dialect } from './cron.ts'

/** One, or a list. */
export type OneOrMore<T> = T | readonly T[]

/** Values of one field of a calendar: a number, a name, a text as in cron (`'9-17'`, `'*\/2'`, `'mon-fri'`, `'L'`), or a list. */
export type CalendarField = number | string | readonly (number | string)[]

/** Fields that must all fit. Those left out fit always, but finer ones than the finest given are 0. */
export interface CalendarFields {
  /** From 1970 on. */
  readonly year?: CalendarField
  /** 1 to 12, or `jan` to `dec`. */
  readonly month?: CalendarField
  /** 1 to 31; `L` is the last, `L-1` the one before, `15W` the working day nearest to the 15th. */
  readonly day?: CalendarField
  /** 0 or 7 is Sunday, or `sun` to `sat`; `5L` is the last Friday of the month, `5#2` the second. */
  readonly weekday?: CalendarField
  readonly hour?: CalendarField
  readonly minute?: CalendarField
  readonly second?: CalendarField
}

/** Rules for instants; several together mean all their instants, each once. */
export interface InstantRules {
  /** Five fields as in Vixie cron, or what `dialect` says; may begin with `CRON_TZ=`. */
  readonly cron?: OneOrMore<string>
  /** Default `'vixie'`. */
  readonly dialect?: Dialect
  /** Equal distances, counted from 1970-01-01T00:00Z, in real time. At least one second. */
  readonly every?: Duration
  /** Moves `every`. Default 0. */
  readonly phase?: Duration
  /** Instants, or texts: with an offset or `Z` an instant, without one a time on the clock of `timezone`. */
  readonly at?: OneOrMore<Date | string>
  readonly calendar?: OneOrMore<CalendarFields>
  /** RFC 5545: a line `DTSTART…` and a line `RRULE:…`. */
  readonly rrule?: OneOrMore<string>
}

/**
 * Times that are left out. `cron` and `calendar` leave out all of each minute (with seconds: second) that they name, and a
 * calendar that names no time of day whole days. `every`, `at` and `rrule` leave out their instants.
 */
export interface TimeRules extends InstantRules {
  /** Days such as `'2026-12-25'`, or from one to another, both included: `'2026-12-24/2027-01-01'`. */
  readonly dates?: OneOrMore<string>
  /** Stretches of time: from the first instant on and before the second. */
  readonly between?: readonly (readonly [from: Date | string, to: Date | string])[]
}

/** Times that have a name, such as holidays or a freeze; on the clock of the timetable that uses them. */
export type CalendarRules = OneOrMore<TimeRules>

/** Rules, or the name of a calendar. */
export type Times = OneOrMore<TimeRules | string>

/** When a timetable fires. Can be stored as JSON, see `wireSpec`. */
export interface TimetableSpec extends InstantRules {
  /** An IANA zone. Default `'UTC'`. */
  readonly timezone?: string
  /** For times of day without wildcard or step. Default: `'after'` a gap, the `'first'` of an overlap. */
  readonly dst?: Partial<DstPolicy>
  /** What is left out. */
  readonly exclude?: Times
  /** What alone remains. */
  readonly only?: Times
  /** Nothing before. */
  readonly startAt?: Date | string
  /** Nothing from here on. */
  readonly endAt?: Date | string
}

/** A spec of JSON values alone: instants are texts and durations milliseconds. It is a spec itself, so nothing reads it back. */
export type WireSpec = Wire<TimetableSpec>

type Wire<T> = T extends Date
  ? string
  : T extends string | number | boolean | undefined
    ? T
    : { readonly [Key in keyof T]: Wire<T[Key]> }

/**
 * A spec as it is stored: what means the same is written the same, and what is undefined is left out.
 * @throws LW_OPTION_INVALID for a date or a duration that is none
 */
export function wireSpec(spec: TimetableSpec): WireSpec {
  return plain(spec, 'spec') as WireSpec
}

function plain(value: unknown, option: string): unknown {
  if (option === 'every' || option === 'phase') return milliseconds(value as Duration, option)
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) throw optionError(option, 'a valid Date', value)
    return value.toISOString()
  }
  if (Array.isArray(value)) return value.map((item) => plain(item, option))
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value)
    .filter(([, item]) => item !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([key, item]) => [key, plain(item, key)]))
}

/** The items of something that may be one or a list. */
export function listOf<T>(value: OneOrMore<T> | undefined): readonly T[] {
  if (value === undefined) return []
  return Array.isArray(value) ? value : [value as T]
}
