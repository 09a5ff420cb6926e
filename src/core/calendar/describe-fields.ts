import type { DayPart } from './days.ts'
import type { Fields } from './field-rule.ts'
import { everyOf, listed, monthName, ordinal, ranged, two, weekdayName } from './words.ts'

/** So many times of day are listed one by one. */
const mostListed = 6

/** Fields as words: `at 02:30 every day`. For times that are left out (`isTimes`) a whole day needs no time. */
export function describeFields(fields: Fields, isTimes = false): string {
  const times = timesPhrase(fields, isTimes)
  const days = daysPhrase(fields)
  const isListed = times.startsWith('at ') && !times.includes('every')
  return [times, days || (isListed ? 'every day' : ''), ...monthsPhrase(fields)].filter((part) => part !== '').join(' ')
}

function timesPhrase({ hours, minutes, seconds }: Fields, isTimes: boolean): string {
  const isWholeDay = hours.length === 24 && minutes.length === 60 && seconds.length === 60
  if (isTimes && isWholeDay) return ''
  if (isTimes && minutes.length === 60 && seconds.length === 60) return hoursPhrase(hours)
  if (hours.length * minutes.length * seconds.length <= mostListed) return clockTimes(hours, minutes, seconds)
  const isOnTheMinute = seconds.length === 1 && seconds[0] === 0
  const inner = isOnTheMinute ? minutesPhrase(minutes, isTimes) : secondsPhrase(minutes, seconds, isTimes)
  return hours.length === 24 ? inner : `${inner.replace(' past every hour', ' past the hour')} ${hoursPhrase(hours)}`
}

function clockTimes(hours: readonly number[], minutes: readonly number[], seconds: readonly number[]): string {
  const suffix = (second: number) => (seconds.length === 1 && second === 0 ? '' : `:${two(second)}`)
  const times = hours.flatMap((h) => minutes.flatMap((m) => seconds.map((s) => `${two(h)}:${two(m)}${suffix(s)}`)))
  return `at ${listed(times)}`
}

function hoursPhrase(hours: readonly number[]): string {
  const step = stepOf(hours, 24)
  if (step !== undefined && step > 1) return `in every ${ordinal(step)} hour from 00:00`
  const isRun = hours.at(-1) === (hours[0] ?? 0) + hours.length - 1
  return isRun
    ? `from ${two(hours[0] ?? 0)}:00 to ${two(hours.at(-1) ?? 0)}:59`
    : `in the hours ${ranged(hours, String)}`
}

function minutesPhrase(minutes: readonly number[], isTimes: boolean): string {
  const step = stepOf(minutes, 60)
  if (step !== undefined) return everyOf(step, 'minute')
  if (minutes.length === 1 && minutes[0] === 0 && !isTimes) return 'every hour'
  return `at ${ranged(minutes, String)} minutes past every hour`
}

function secondsPhrase(minutes: readonly number[], seconds: readonly number[], isTimes: boolean): string {
  const step = stepOf(seconds, 60)
  const inner = step === undefined ? `at second ${ranged(seconds, String)} of` : everyOf(step, 'second')
  if (minutes.length === 60) return step === undefined ? `${inner} every minute` : inner
  const within = stepOf(minutes, 60)
  if (within !== undefined) return `${inner}${step === undefined ? '' : ' in'} every ${ordinal(within)} minute from 0`
  return `${inner}${step === undefined ? ' the minute' : ', in the minutes'} ${minutesPhrase(minutes, isTimes).slice(3)}`
}

/** The step of values that go evenly round, such as 0, 15, 30 and 45. */
function stepOf(values: readonly number[], span: number): number | undefined {
  const step = span / values.length
  const isEven = values.length > 1 && Number.isInteger(step) && values.every((value, index) => value === index * step)
  return isEven ? step : undefined
}

function daysPhrase({ days, weekdays, isEither }: Fields): string {
  if (!days && !weekdays) return ''
  if (!days || !weekdays) return `on ${listed((days ?? weekdays ?? []).map(describePart))}`
  const ofMonth = listed(days.map(describePart))
  const ofWeek = listed(weekdays.map(describePart))
  return isEither ? `on ${ofMonth}, and on ${ofWeek}` : `on ${ofMonth} where that is ${ofWeek}`
}

function describePart(part: DayPart): string {
  switch (part.kind) {
    case 'days':
      return `the ${ranged(part.days, ordinal)}`
    case 'last':
      return `the ${part.before === 0 ? '' : `${ordinal(part.before + 1)} `}last day of the month${part.isWorkday ? ' or the working day nearest to it' : ''}`
    case 'nearest':
      return `the working day nearest to the ${ordinal(part.day)}`
    case 'weekdays':
      return ranged(part.weekdays, weekdayName)
    case 'nth':
      return `the ${part.n < 0 ? 'last' : ordinal(part.n)} ${weekdayName(part.weekday)} of the month`
  }
}

function monthsPhrase({ months, years }: Fields): string[] {
  return [
    ...(months.length < 12 ? [`in ${ranged(months, monthName)}`] : []),
    ...(years ? [`${months.length < 12 ? 'of' : 'in'} ${ranged(years, String)}`] : []),
  ]
}
