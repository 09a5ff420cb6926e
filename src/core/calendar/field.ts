import { optionError } from '../errors.ts'
import type { DayPart } from './days.ts'
import { hashOf } from './hash.ts'

/** What the values of a field may be. */
export interface Field {
  readonly name: string
  readonly low: number
  readonly high: number
  readonly names?: readonly string[]
}

/** What may be written in a field. */
export interface Grammar {
  /** What the text is, for errors: `cron`, `calendar`. */
  readonly option: string
  /** `5/15` is every 15th value from 5 on. */
  readonly hasOpenSteps?: boolean
  /** `22-2` goes round. */
  readonly wraps?: boolean
  /** `L`, `W` and `#`. */
  readonly hasMonthEnds?: boolean
  /** Sunday is 1 and not 0. */
  readonly startsWeekAtOne?: boolean
  /** `?` means that the other of the two day fields decides. */
  readonly hasQuestionMark?: boolean
  /** `H` is a value that depends on the seed. */
  readonly hasHash?: boolean
  readonly seed?: string | undefined
}

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const weekdays = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']

export const fields = {
  second: { name: 'second', low: 0, high: 59 },
  minute: { name: 'minute', low: 0, high: 59 },
  hour: { name: 'hour', low: 0, high: 23 },
  day: { name: 'day of month', low: 1, high: 31 },
  month: { name: 'month', low: 1, high: 12, names: months },
  weekday: { name: 'day of week', low: 0, high: 7, names: weekdays },
  year: { name: 'year', low: 1970, high: 9999 },
} as const satisfies Record<string, Field>

const weekdayFromOne: Field = { name: 'day of week', low: 1, high: 7, names: weekdays }

/** The values of a field, in order. @throws LW_OPTION_INVALID naming the field */
export function valuesOf(text: string, field: Field, grammar: Grammar): number[] {
  if (text === '*') return range(field.low, field.high, 1)
  const values = text.split(',').flatMap((item) => rangeOf(item, { field, grammar, text }))
  return [...new Set(values)].toSorted((a, b) => a - b)
}

/** Undefined means every day. @throws LW_OPTION_INVALID naming the field */
export function dayParts(text: string, grammar: Grammar): DayPart[] | undefined {
  if (isAny(text, grammar)) return undefined
  const parts = text.split(',').map((item) => monthEnd(item, grammar) ?? item)
  const plain = parts.filter((part) => typeof part === 'string')
  const days = plain.length > 0 ? valuesOf(plain.join(','), fields.day, grammar) : []
  return merged(days.length > 0 && { kind: 'days', days }, parts)
}

/** Undefined means every day. @throws LW_OPTION_INVALID naming the field */
export function weekdayParts(text: string, grammar: Grammar): DayPart[] | undefined {
  if (isAny(text, grammar)) return undefined
  const field = grammar.startsWeekAtOne ? weekdayFromOne : fields.weekday
  const weekdayOf = (value: number) => (grammar.startsWeekAtOne ? value - 1 : value % 7)
  const parts = text.split(',').map((item) => weekOfMonth(item, { field, grammar, text }, weekdayOf) ?? item)
  const plain = parts.filter((part) => typeof part === 'string')
  const values = plain.length > 0 ? valuesOf(plain.join(','), field, grammar).map(weekdayOf) : []
  const inOrder = [...new Set(values)].toSorted((a, b) => a - b)
  return merged(inOrder.length > 0 && { kind: 'weekdays', weekdays: inOrder }, parts)
}

/** Where a field is read: for errors that name it. */
interface Place {
  readonly field: Field
  readonly grammar: Grammar
  readonly text: string
}

function merged(values: DayPart | false, parts: readonly (DayPart | string)[]): DayPart[] {
  return [...(values ? [values] : []), ...parts.filter((part) => typeof part !== 'string')]
}

function isAny(text: string, grammar: Grammar): boolean {
  return text === '*' || (text === '?' && grammar.hasQuestionMark === true)
}

function monthEnd(item: string, { hasMonthEnds }: Grammar): DayPart | undefined {
  if (!hasMonthEnds) return undefined
  const [last, before, workday] = /^L(?:-(\d+))?(W)?$/i.exec(item) ?? []
  if (last !== undefined && Number(before ?? 0) <= 30)
    return { kind: 'last', before: Number(before ?? 0), isWorkday: workday !== undefined }
  const [, day] = /^(\d+)W$/i.exec(item) ?? []
  const isDay = Number(day) >= 1 && Number(day) <= 31
  return isDay ? { kind: 'nearest', day: Number(day) } : undefined
}

function weekOfMonth(item: string, place: Place, weekdayOf: (value: number) => number): DayPart | undefined {
  const { field, grammar } = place
  if (!grammar.hasMonthEnds) return undefined
  // In Quartz, a lone L is the last day of the week: Saturday.
  if (/^L$/i.test(item)) return { kind: 'weekdays', weekdays: [6] }
  const [, day = '', n] = /^([a-z0-9]+?)(?:L|#([1-5]))$/i.exec(item) ?? []
  const value = numberOf(day, field)
  if (!(value >= field.low && value <= field.high)) return undefined
  return { kind: 'nth', weekday: weekdayOf(value), n: n === undefined ? -1 : Number(n) }
}

function rangeOf(item: string, place: Place): number[] {
  const { field, grammar } = place
  const hashed = grammar.hasHash ? hashedValues(item, place) : undefined
  if (hashed) return hashed
  const [, from = '', to, stepText] = /^(\*|[a-z0-9]+)(?:-([a-z0-9]+))?(?:\/(\d+))?$/i.exec(item) ?? []
  const isAll = from === '*'
  const low = isAll ? field.low : numberOf(from, field)
  const isOpen = isAll || (stepText !== undefined && to === undefined && grammar.hasOpenSteps === true)
  const high = isOpen ? field.high : to === undefined ? low : numberOf(to, field)
  const step = stepText === undefined ? 1 : Number(stepText)
  const isWrapped = grammar.wraps === true && high < low
  const isMalformed =
    !(low >= field.low && low <= field.high && high >= field.low && high <= field.high && step >= 1) ||
    (low > high && !isWrapped) ||
    (isAll && to !== undefined) ||
    (stepText !== undefined && to === undefined && !isOpen)
  if (isMalformed) throw malformed(place)
  return isWrapped ? wrapped(low, high, step, field) : range(low, high, step)
}

/** `H`, `H/15`, `H(0-29)`, `H(0-29)/10`: a value from the range, or the offset of the steps, by the hash of the seed. */
function hashedValues(item: string, place: Place): number[] | undefined {
  const [isHashed, from, to, stepText] = /^H(?:\((\d+)-(\d+)\))?(?:\/(\d+))?$/.exec(item) ?? []
  if (isHashed === undefined) return undefined
  const { field, grammar } = place
  if (grammar.seed === undefined)
    throw optionError(`${field.name} of ${grammar.option}`, 'without H, which needs the id of a schedule', item)
  const low = from === undefined ? field.low : Number(from)
  // A value that every month has, and Sunday once.
  const high =
    to === undefined
      ? Math.min(field.high, field === fields.day ? 28 : field === fields.weekday ? 6 : field.high)
      : Number(to)
  const step = stepText === undefined ? undefined : Number(stepText)
  if (low < field.low || high > field.high || low > high || step === 0) throw malformed(place)
  const hash = hashOf(`${grammar.seed} ${field.name}`)
  if (step === undefined) return [low + (hash % (high - low + 1))]
  return range(low + (hash % Math.min(step, high - low + 1)), high, step)
}

function malformed({ field, grammar, text }: Place): Error {
  const last = grammar.wraps ? 'ranges' : 'ranges from low to high'
  const steps = grammar.hasOpenSteps ? 'steps such as */5' : 'steps of * or of a range'
  const ends = grammar.hasMonthEnds
    ? { [fields.day.name]: ', L, LW, L-3, 15W', [fields.weekday.name]: ', 5L, 5#2' }[field.name]
    : undefined
  return optionError(
    `${field.name} of ${grammar.option}`,
    `values from ${field.low} to ${field.high}: *, lists, ${last}, ${steps}${ends ?? ''}`,
    text,
  )
}

function range(low: number, high: number, step: number): number[] {
  return Array.from({ length: Math.floor((high - low) / step) + 1 }, (_, index) => low + index * step)
}

function wrapped(low: number, high: number, step: number, field: Field): number[] {
  // Sunday is both 0 and 7, and counts once on the way round.
  const top = field === fields.weekday ? 6 : field.high
  const span = top - field.low + 1
  return range(low, high + span, step).map((value) => field.low + ((value - field.low) % span))
}

function numberOf(text: string, { names, low }: Field): number {
  const named = names?.indexOf(text.toLowerCase()) ?? -1
  if (named >= 0) return named + low
  return /^\d+$/.test(text) ? Number(text) : Number.NaN
}
