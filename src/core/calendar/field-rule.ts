import { type DayPart, daysOf } from './days.ts'
import type { WallRule } from './rule.ts'

/** The fields of a cron text or a calendar, as values in order. */
export interface Fields {
  readonly seconds: readonly number[]
  readonly minutes: readonly number[]
  readonly hours: readonly number[]
  readonly months: readonly number[]
  /** Left out: every year, and likewise every day. */
  readonly years?: readonly number[]
  readonly days?: readonly DayPart[]
  readonly weekdays?: readonly DayPart[]
  /** Where days and weekdays are both given: whether one of them is enough. */
  readonly isEither: boolean
}

const dayLength = 86_400_000

/** The Gregorian calendar repeats after 400 years: what does not come in that time never comes. */
const cycle = 400 * 12

/** The times on the wall at which all fields fit: a search over months, days and times of day, each in order. */
export class FieldRule implements WallRule {
  readonly #fields: Fields
  #cached = { month: Number.NaN, mask: 0 }

  constructor(fields: Fields) {
    this.#fields = fields
  }

  from(wall: number): number | undefined {
    const date = new Date(wall)
    const time = this.#timeFrom(wall - Math.floor(wall / dayLength) * dayLength)
    const start = date.getUTCFullYear() * 12 + date.getUTCMonth()
    const day = date.getUTCDate() - (time === undefined ? 0 : 1)
    for (let month = start, n = 0; n <= cycle; month = this.#monthBeside(month, 1), n++) {
      if (!Number.isFinite(month)) return undefined
      const rest = month === start ? this.#mask(month) & (-1 << day) : this.#mask(month)
      if (rest === 0) continue
      const found = 32 - Math.clz32(rest & -rest)
      const isToday = month === start && found === date.getUTCDate()
      return dateOf(month, found) + (isToday && time !== undefined ? time : (this.#timeFrom(0) ?? 0))
    }
    return undefined
  }

  upTo(wall: number): number | undefined {
    const date = new Date(wall)
    const time = this.#timeUpTo(wall - Math.floor(wall / dayLength) * dayLength)
    const start = date.getUTCFullYear() * 12 + date.getUTCMonth()
    const day = date.getUTCDate() - (time === undefined ? 1 : 0)
    for (let month = start, n = 0; n <= cycle; month = this.#monthBeside(month, -1), n++) {
      if (!Number.isFinite(month)) return undefined
      const rest = month === start ? this.#mask(month) & ~(-1 << day) : this.#mask(month)
      if (rest === 0) continue
      const found = 32 - Math.clz32(rest)
      const isToday = month === start && found === date.getUTCDate()
      return dateOf(month, found) + (isToday && time !== undefined ? time : (this.#timeUpTo(dayLength - 1) ?? 0))
    }
    return undefined
  }

  /** How much around a time that fits surely fits too: the day, hour, minute or second it is in. */
  coverageAt(wall: number): { before: number; after: number } {
    const unit = unitOf(this.#fields)
    const before = wall - Math.floor(wall / unit) * unit
    return { before, after: unit - before }
  }

  #monthBeside(month: number, direction: 1 | -1): number {
    const { years } = this.#fields
    const beside = month + direction
    const year = Math.floor(beside / 12)
    if (!years || years.includes(year)) return beside
    return direction === 1
      ? (years.find((value) => value > year) ?? Number.NaN) * 12
      : (years.findLast((value) => value < year) ?? Number.NaN) * 12 + 11
  }

  #mask(month: number): number {
    if (this.#cached.month !== month)
      this.#cached = { month, mask: this.#measure(Math.floor(month / 12), (month % 12) + 1) }
    return this.#cached.mask
  }

  #measure(year: number, month: number): number {
    const { months, years, days, weekdays, isEither } = this.#fields
    if (!months.includes(month) || (years && !years.includes(year))) return 0
    const whole = daysOf([{ kind: 'days', days: everyDay }], year, month)
    const byDay = days ? daysOf(days, year, month) : whole
    const byWeekday = weekdays ? daysOf(weekdays, year, month) : whole
    return isEither ? byDay | byWeekday : byDay & byWeekday
  }

  /** The first time of day that is not before this one. */
  #timeFrom(time: number): number | undefined {
    const { hours, minutes, seconds } = this.#fields
    const [hour, minute, second] = clock(Math.ceil(time / 1_000))
    const isHour = hours.includes(hour)
    const s = isHour && minutes.includes(minute) ? seconds.find((value) => value >= second) : undefined
    if (s !== undefined) return timeOf(hour, minute, s)
    const m = isHour ? minutes.find((value) => value > minute) : undefined
    if (m !== undefined) return timeOf(hour, m, seconds[0])
    const h = hours.find((value) => value > hour)
    return h === undefined ? undefined : timeOf(h, minutes[0], seconds[0])
  }

  /** The last time of day that is not after this one. */
  #timeUpTo(time: number): number | undefined {
    const { hours, minutes, seconds } = this.#fields
    const [hour, minute, second] = clock(Math.floor(time / 1_000))
    const isHour = hours.includes(hour)
    const s = isHour && minutes.includes(minute) ? seconds.findLast((value) => value <= second) : undefined
    if (s !== undefined) return timeOf(hour, minute, s)
    const m = isHour ? minutes.findLast((value) => value < minute) : undefined
    if (m !== undefined) return timeOf(hour, m, seconds.at(-1))
    const h = hours.findLast((value) => value < hour)
    return h === undefined ? undefined : timeOf(h, minutes.at(-1), seconds.at(-1))
  }
}

const everyDay = Array.from({ length: 31 }, (_, index) => index + 1)

function unitOf({ hours, minutes, seconds }: Fields): number {
  if (seconds.length < 60) return 1_000
  if (minutes.length < 60) return 60_000
  return hours.length < 24 ? 3_600_000 : dayLength
}

function clock(seconds: number): [hour: number, minute: number, second: number] {
  return [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, seconds % 60]
}

function timeOf(hour: number, minute = 0, second = 0): number {
  return ((hour * 60 + minute) * 60 + second) * 1_000
}

function dateOf(month: number, day: number): number {
  return Date.UTC(Math.floor(month / 12), month % 12, day)
}
