import { optionError } from '../errors.ts'
import { monthLength } from './days.ts'
import { type NthWeekday, type Recurrence, frequencies } from './rrule.ts'
import { ListRule, type WallRule } from './rule.ts'

const dayLength = 86_400_000
const units: Readonly<Partial<Record<string, number>>> = { HOURLY: 3_600_000, MINUTELY: 60_000, SECONDLY: 1_000 }

/** A search ends after so many periods without a time: those of 400 years, after which the calendar repeats. */
const mostPeriods: Readonly<Partial<Record<string, number>>> = { YEARLY: 400, MONTHLY: 4_800, WEEKLY: 20_872 }
const mostDays = 146_097
const mostCounted = 10_000

/** The times of a recurrence rule. @throws LW_OPTION_INVALID for a COUNT above 10,000 */
export function recurrenceRule(recurrence: Recurrence): WallRule {
  const rule = new RecurrenceRule(recurrence)
  const { count, start } = recurrence
  if (count === undefined) return rule
  if (count > mostCounted)
    throw optionError('COUNT of rrule', `a number up to ${mostCounted}; UNTIL has no such bound`, count)
  const times: number[] = []
  for (let wall = rule.from(start); wall !== undefined && times.length < count; wall = rule.from(wall + 1))
    times.push(wall)
  return new ListRule(times)
}

/** Goes from one period of the frequency to the next and looks for the times in each. */
class RecurrenceRule implements WallRule {
  readonly #rule: Recurrence
  readonly #unit: number | undefined
  readonly #times: readonly number[]
  readonly #most: number
  #cached: { period: number; times: readonly number[] } = { period: Number.NaN, times: [] }

  constructor(rule: Recurrence) {
    this.#rule = rule
    this.#unit = units[rule.frequency]
    this.#times = timesOf(rule)
    this.#most = mostPeriods[rule.frequency] ?? mostDays
  }

  from(wall: number): number | undefined {
    const from = Math.max(wall, this.#rule.start)
    let period = this.#aligned(this.#periodOf(from), 1)
    for (let n = 0; n < this.#most; n++) {
      const found = this.#timesIn(period).find((time) => time >= from)
      if (found !== undefined) return found <= this.#rule.until ? found : undefined
      period = this.#aligned(Math.max(period + 1, this.#skipTo(period, 1)), 1)
      if (this.#startOf(period) > this.#rule.until) return undefined
    }
    return undefined
  }

  upTo(wall: number): number | undefined {
    const to = Math.min(wall, this.#rule.until)
    let period = this.#aligned(this.#periodOf(to), -1)
    for (let n = 0; n < this.#most; n++) {
      const found = this.#timesIn(period).findLast((time) => time <= to)
      if (found !== undefined) return found >= this.#rule.start ? found : undefined
      if (this.#startOf(period) <= this.#rule.start) return undefined
      period = this.#aligned(Math.min(period - 1, this.#skipTo(period, -1)), -1)
    }
    return undefined
  }

  /** The nearest period in a direction that the interval does not leave out. */
  #aligned(period: number, direction: 1 | -1): number {
    const { interval, start } = this.#rule
    const first = this.#periodOf(start)
    const steps = (period - first) / interval
    return first + interval * (direction === 1 ? Math.ceil(steps) : Math.floor(steps))
  }

  #periodOf(wall: number): number {
    const date = new Date(wall)
    switch (this.#rule.frequency) {
      case 'YEARLY':
        return date.getUTCFullYear()
      case 'MONTHLY':
        return date.getUTCFullYear() * 12 + date.getUTCMonth()
      case 'WEEKLY':
        return Math.floor((Math.floor(wall / dayLength) - this.#weekOffset()) / 7)
      default:
        return Math.floor(wall / (this.#unit ?? dayLength))
    }
  }

  #startOf(period: number): number {
    switch (this.#rule.frequency) {
      case 'YEARLY':
        return Date.UTC(period, 0)
      case 'MONTHLY':
        return Date.UTC(Math.floor(period / 12), period % 12)
      case 'WEEKLY':
        return (period * 7 + this.#weekOffset()) * dayLength
      default:
        return period * (this.#unit ?? dayLength)
    }
  }

  /** 1970-01-01 was a Thursday. */
  #weekOffset(): number {
    return (this.#rule.weekStart - 4 + 7) % 7
  }

  /** Days without any time are passed as a whole, and so are hours and minutes; in other frequencies nothing is. */
  #skipTo(period: number, direction: 1 | -1): number {
    if (this.#unit === undefined) return period
    const wall = period * this.#unit
    const { hours, minutes } = this.#rule
    const date = new Date(wall)
    const span = !this.#fitsDay(Math.floor(wall / dayLength))
      ? dayLength
      : !fits(hours, date.getUTCHours())
        ? 3_600_000
        : !fits(minutes, date.getUTCMinutes())
          ? 60_000
          : this.#unit
    const start = Math.floor(wall / span) * span
    return Math.floor((direction === 1 ? start + span : start - 1) / this.#unit)
  }

  #timesIn(period: number): readonly number[] {
    if (this.#cached.period !== period) this.#cached = { period, times: this.#measure(period) }
    return this.#cached.times
  }

  #measure(period: number): readonly number[] {
    const times = this.#unit === undefined ? this.#timesOfDays(period) : this.#timesOfUnit(period * this.#unit)
    const { positions } = this.#rule
    if (positions.length === 0) return times
    const chosen = positions.map((position) => times.at(position > 0 ? position - 1 : position))
    return [...new Set(chosen.filter((time) => time !== undefined))].toSorted((a, b) => a - b)
  }

  #timesOfDays(period: number): number[] {
    const first = this.#startOf(period) / dayLength
    const end = this.#startOf(period + 1) / dayLength
    const found: number[] = []
    for (let day = first; day < end; day++)
      if (this.#fitsDay(day)) for (const time of this.#times) found.push(day * dayLength + time)
    return found
  }

  #timesOfUnit(wall: number): number[] {
    const { hours, minutes, frequency } = this.#rule
    const date = new Date(wall)
    if (!this.#fitsDay(Math.floor(wall / dayLength)) || !fits(hours, date.getUTCHours())) return []
    if (frequency !== 'HOURLY' && !fits(minutes, date.getUTCMinutes())) return []
    if (frequency === 'SECONDLY') return fits(this.#rule.seconds, date.getUTCSeconds()) ? [wall] : []
    return this.#times.map((time) => wall + time)
  }

  #fitsDay(day: number): boolean {
    const { months, monthDays, yearDays, weeks, weekdays, frequency, weekStart } = this.#rule
    const date = new Date(day * dayLength)
    const [year, month, ofMonth] = [date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate()]
    if (!fits(months, month)) return false
    const length = monthLength(year, month)
    if (!fits(monthDays, ofMonth, length)) return false
    const ofYear = day - Date.UTC(year, 0) / dayLength + 1
    const yearLength = (Date.UTC(year + 1, 0) - Date.UTC(year, 0)) / dayLength
    if (!fits(yearDays, ofYear, yearLength)) return false
    if (weeks.length > 0 && !fits(weeks, ...weekOf(day, year, weekStart))) return false
    const isInYear = frequency === 'YEARLY' && months.length === 0
    const place = isInYear ? { of: ofYear, length: yearLength } : { of: ofMonth, length }
    return weekdays.length === 0 || weekdays.some((nth) => isNth(nth, date.getUTCDay(), place))
  }
}

/** Negative values count from the end: -1 is the last. */
function fits(values: readonly number[], value: number, length = -1): boolean {
  return values.length === 0 || values.includes(value) || (length > 0 && values.includes(value - length - 1))
}

function isNth({ weekday, n }: NthWeekday, actual: number, { of, length }: { of: number; length: number }): boolean {
  if (weekday !== actual) return false
  if (n === 0) return true
  return n > 0 ? Math.ceil(of / 7) === n : Math.ceil((length - of + 1) / 7) === -n
}

/** The number of the week, and how many weeks its year has; the first is the one that has four days in the year. */
function weekOf(day: number, year: number, weekStart: number): [week: number, weeks: number] {
  const first = firstWeek(year, weekStart)
  const next = firstWeek(year + 1, weekStart)
  if (day >= next) return [1 + Math.floor((day - next) / 7), (firstWeek(year + 2, weekStart) - next) / 7]
  if (day >= first) return [1 + Math.floor((day - first) / 7), (next - first) / 7]
  const last = firstWeek(year - 1, weekStart)
  return [1 + Math.floor((day - last) / 7), (first - last) / 7]
}

function firstWeek(year: number, weekStart: number): number {
  const newYear = Date.UTC(year, 0) / dayLength
  const ahead = (new Date(newYear * dayLength).getUTCDay() - weekStart + 7) % 7
  return ahead <= 3 ? newYear - ahead : newYear + 7 - ahead
}

/** The times within a day, or within the unit of a shorter frequency. */
function timesOf({ frequency, hours, minutes, seconds }: Recurrence): number[] {
  const rank = frequencies.indexOf(frequency)
  const inHours = rank < frequencies.indexOf('HOURLY') ? hours : [0]
  const inMinutes = rank < frequencies.indexOf('MINUTELY') ? minutes : [0]
  return inHours.flatMap((h) => inMinutes.flatMap((m) => seconds.map((s) => ((h * 60 + m) * 60 + s) * 1_000)))
}
