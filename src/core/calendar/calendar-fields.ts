import { optionError } from '../errors.ts'
import { type Grammar, dayParts, fields, valuesOf, weekdayParts } from './field.ts'
import type { Fields } from './field-rule.ts'
import { type CalendarField, type CalendarFields, listOf } from './spec.ts'

const coarseFirst = ['year', 'month', 'weekday', 'day', 'hour', 'minute', 'second'] as const
const grammar: Grammar = { option: 'calendar', hasOpenSteps: true, wraps: true, hasMonthEnds: true }

/**
 * The fields of a calendar. As a rule for instants, what is finer than the finest field given is 0; as times (`isTimes`)
 * it is all there is: `{ weekday: 'sat' }` is midnight, or the whole Saturday.
 * @throws LW_OPTION_INVALID naming the field
 */
export function calendarFields(calendar: CalendarFields, isTimes: boolean): Fields {
  const given = textsOf(calendar)
  const finest = coarseFirst.findLastIndex((name) => given[name] !== undefined)
  const text = (name: 'hour' | 'minute' | 'second') =>
    given[name] ?? (!isTimes && coarseFirst.indexOf(name) > finest ? '0' : '*')
  const days = dayParts(given.day ?? '*', grammar)
  const weekdays = weekdayParts(given.weekday ?? '*', grammar)
  return {
    seconds: valuesOf(text('second'), fields.second, grammar),
    minutes: valuesOf(text('minute'), fields.minute, grammar),
    hours: valuesOf(text('hour'), fields.hour, grammar),
    months: valuesOf(given.month ?? '*', fields.month, grammar),
    ...(given.year !== undefined && given.year !== '*' && { years: valuesOf(given.year, fields.year, grammar) }),
    ...(days && { days }),
    ...(weekdays && { weekdays }),
    isEither: false,
  }
}

function textsOf(calendar: CalendarFields): Partial<Record<(typeof coarseFirst)[number], string>> {
  if (typeof calendar !== 'object' || calendar === null || Object.keys(calendar).length === 0)
    throw optionError('calendar', `an object with some of ${coarseFirst.join(', ')}`, calendar)
  const unknown = Object.keys(calendar).find((name) => !coarseFirst.some((known) => known === name))
  if (unknown !== undefined) throw optionError('calendar', `an object of ${coarseFirst.join(', ')}`, unknown)
  return Object.fromEntries(
    Object.entries(calendar)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, listOf<number | string>(value as CalendarField).join(',')]),
  )
}

/** Whether it fires all the time: several hours or minutes by wildcard or step. */
export function isFrequent({ hour, minute, ...others }: CalendarFields): boolean {
  const isOpen = (field: CalendarField | undefined) => /[*/]/.test(listOf<number | string>(field ?? '').join())
  const hasFiner = minute !== undefined || others.second !== undefined
  return (
    isOpen(hour) ||
    isOpen(minute) ||
    (hour === undefined && hasFiner) ||
    (minute === undefined && others.second !== undefined)
  )
}
