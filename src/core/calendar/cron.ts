import { milliseconds } from '../duration.ts'
import { LegworkError, optionError } from '../errors.ts'
import { type DstPolicy, throughChanges } from './clock-rule.ts'
import { type Grammar, dayParts, fields, valuesOf, weekdayParts } from './field.ts'
import type { Fields } from './field-rule.ts'

/** Which meaning the fields of a cron text have; a sixth field alone means three different things elsewhere. */
export type Dialect = 'vixie' | 'seconds' | 'temporal' | 'quartz' | 'eventbridge'

/** What a cron text says. */
export type Cron =
  | CronFields
  | { readonly kind: 'every'; readonly every: number; readonly phase: number; readonly timezone: string | undefined }
  | { readonly kind: 'at'; readonly at: string; readonly timezone: string | undefined }

export interface CronFields {
  readonly kind: 'fields'
  /** From `CRON_TZ=` or `TZ=` in front of the text. */
  readonly timezone: string | undefined
  readonly fields: Fields
  /** Set where the text has a wildcard or a step in hour or minute: it fires in real time. */
  readonly dst: DstPolicy | undefined
  /** Whether it names the second, or means a whole minute. */
  readonly hasSeconds: boolean
}

type FieldName = keyof typeof fields

interface DialectRules {
  /** Which fields a text may have, by their number. */
  readonly layouts: Readonly<Record<number, readonly FieldName[]>>
  readonly grammar: Omit<Grammar, 'option' | 'seed'>
  readonly hasNicknames: boolean
  /** How a restricted day and a restricted weekday go together. */
  readonly days: 'either' | 'both' | 'one'
}

const five = ['minute', 'hour', 'day', 'month', 'weekday'] as const
const quartzGrammar = {
  hasOpenSteps: true,
  wraps: true,
  hasMonthEnds: true,
  startsWeekAtOne: true,
  hasQuestionMark: true,
} as const

const dialects: Readonly<Record<Dialect, DialectRules>> = {
  vixie: { layouts: { 5: five }, grammar: { hasHash: true }, hasNicknames: true, days: 'either' },
  seconds: {
    layouts: { 6: ['second', ...five] },
    grammar: { hasHash: true, hasMonthEnds: true },
    hasNicknames: true,
    days: 'either',
  },
  temporal: {
    layouts: { 5: five, 6: [...five, 'year'], 7: ['second', ...five, 'year'] },
    grammar: { hasOpenSteps: true },
    hasNicknames: true,
    days: 'both',
  },
  quartz: {
    layouts: { 6: ['second', ...five], 7: ['second', ...five, 'year'] },
    grammar: { ...quartzGrammar, hasHash: true },
    hasNicknames: false,
    days: 'one',
  },
  eventbridge: { layouts: { 6: [...five, 'year'] }, grammar: quartzGrammar, hasNicknames: false, days: 'one' },
}

const nicknames: ReadonlyMap<string, string> = new Map([
  ['@yearly', '0 0 1 1 *'],
  ['@annually', '0 0 1 1 *'],
  ['@monthly', '0 0 1 * *'],
  ['@weekly', '0 0 * * 0'],
  ['@daily', '0 0 * * *'],
  ['@midnight', '0 0 * * *'],
  ['@hourly', '0 * * * *'],
])

/**
 * Reads a cron text; `seed` decides the values of `H`.
 * @throws LW_OPTION_INVALID naming the field and the rule it breaks
 */
export function parseCron(text: string, dialect: Dialect = 'vixie', seed?: string): Cron {
  const rules = Object.hasOwn(dialects, dialect) ? dialects[dialect] : undefined
  if (!rules) throw optionError('dialect', `one of ${Object.keys(dialects).join(', ')}`, dialect)
  if (typeof text !== 'string') throw optionError('cron', 'a text, or a list of them', text)
  const comment = dialect === 'temporal' ? /\s*#.*$/s : /$/
  const [, timezone, body = ''] = /^(?:(?:CRON_TZ|TZ)=(\S+)\s+)?(.*)$/s.exec(text.trim().replace(comment, '')) ?? []
  const special = dialect === 'eventbridge' ? eventbridge(body) : rules.hasNicknames ? interval(body, text) : body
  if (typeof special !== 'string') return { ...special, timezone }
  const nickname = rules.hasNicknames ? nicknames.get(special.toLowerCase()) : undefined
  if (nickname === undefined && special.startsWith('@')) throw unknownNickname(special, rules)
  const items = (nickname ?? special).split(/\s+/)
  const layout = nickname === undefined ? rules.layouts[items.length] : five
  if (!layout) throw wrongCount(text, dialect, items.length)
  const given = Object.fromEntries(layout.map((name, index) => [name, items[index] ?? '*']))
  const grammar = { option: 'cron', ...rules.grammar, seed }
  return {
    kind: 'fields',
    timezone,
    fields: fieldsOf(given, grammar, rules, text),
    dst: /[*/]/.test(`${given['hour']}${given['minute']}`) ? throughChanges : undefined,
    hasSeconds: layout.includes('second'),
  }
}

function fieldsOf(
  given: Readonly<Partial<Record<string, string>>>,
  grammar: Grammar,
  rules: DialectRules,
  text: string,
): Fields {
  const { second = '0', minute = '*', hour = '*', day = '*', month = '*', weekday = '*', year = '*' } = given
  if (rules.days === 'one' && (day === '?') === (weekday === '?'))
    throw optionError(
      'cron',
      'given with ? for the day of month or for the day of week, and for one of them only',
      text,
    )
  const days = dayParts(day, grammar)
  const weekdays = weekdayParts(weekday, grammar)
  return {
    seconds: valuesOf(second, fields.second, grammar),
    minutes: valuesOf(minute, fields.minute, grammar),
    hours: valuesOf(hour, fields.hour, grammar),
    months: valuesOf(month, fields.month, grammar),
    ...(year !== '*' && { years: valuesOf(year, fields.year, grammar) }),
    ...(days && { days }),
    ...(weekdays && { weekdays }),
    // Vixie cron: where both are restricted, either will do; a field that begins with * counts as unrestricted.
    isEither: rules.days === 'either' && !day.startsWith('*') && !weekday.startsWith('*'),
  }
}

/** `@every 5m`, and with a phase `@every 1h/20m`; the units of Go, added up: `1h30m`. */
function interval(body: string, text: string): string | { kind: 'every'; every: number; phase: number } {
  const [isEvery, every = '', phase] = /^@every\s+([^\s/]+)(?:\/(\S+))?$/i.exec(body) ?? []
  if (isEvery === undefined) return body
  return { kind: 'every', every: goDuration(every, text), phase: phase === undefined ? 0 : goDuration(phase, text) }
}

function goDuration(duration: string, text: string): number {
  const parts = duration.match(/\d+(?:\.\d+)?(?:ms|[smhdw])/g) ?? []
  if (parts.length === 0 || parts.join('') !== duration)
    throw optionError('cron', 'durations such as 90s, 5m or 1h30m after @every', text)
  return parts.reduce((sum, part) => sum + milliseconds(part as `${number}m`, 'cron'), 0)
}

const rateUnits: Readonly<Record<string, number>> = { minute: 60_000, hour: 3_600_000, day: 86_400_000 }

/** EventBridge writes `cron(…)`, `rate(5 minutes)` and `at(2026-11-20T13:00:00)`. */
function eventbridge(
  body: string,
): string | { kind: 'every'; every: number; phase: number } | { kind: 'at'; at: string } {
  const [, form, inner = ''] = /^(cron|rate|at)\((.*)\)$/is.exec(body) ?? []
  if (form === undefined) return body
  if (form.toLowerCase() === 'cron') return inner.trim()
  if (form.toLowerCase() === 'at') return { kind: 'at', at: inner.trim() }
  const [, count, unit = ''] = /^([1-9]\d*)\s+(minute|hour|day)s?$/i.exec(inner.trim()) ?? []
  const length = rateUnits[unit.toLowerCase()]
  if (!length) throw optionError('cron', 'a rate such as rate(5 minutes), in minutes, hours or days', body)
  return { kind: 'every', every: Number(count) * length, phase: 0 }
}

function unknownNickname(body: string, { hasNicknames }: DialectRules): Error {
  if (body.toLowerCase() === '@reboot')
    return new LegworkError(
      'LW_OPTION_INVALID',
      'Option cron cannot be "@reboot": a schedule has no machine that starts.',
      {
        hint: 'Enqueue the job where your process starts, with a unique key if there are several processes.',
        details: { option: 'cron' },
      },
    )
  const known = hasNicknames
    ? `one of ${[...nicknames.keys()].join(', ')}, @every 5m`
    : 'fields, since this dialect has no nicknames'
  return optionError('cron', known, body)
}

function wrongCount(text: string, dialect: Dialect, count: number): Error {
  const own = Object.values(dialects[dialect].layouts).map((layout) => `${layout.length} (${layout.join(' ')})`)
  const others = Object.entries(dialects).filter(([name, { layouts }]) => name !== dialect && layouts[count])
  return new LegworkError(
    'LW_OPTION_INVALID',
    `Option cron must be of ${own.join(' or ')} fields in the dialect '${dialect}'; received ${JSON.stringify(text)}.`,
    {
      ...(others.length > 0 && {
        hint: `Texts of ${count} fields are of the dialect ${others.map(([name]) => `'${name}'`).join(' or ')}.`,
      }),
      details: { option: 'cron' },
    },
  )
}
