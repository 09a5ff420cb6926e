import { optionError } from '../errors.ts'
import type { DstPolicy } from './clock-rule.ts'
import { type Setting, instantOf, regionsOf, rulesOf } from './compile.ts'
import { describeSpec } from './describe.ts'
import { filtered } from './region.ts'
import { type Rule, anyOf, bounded } from './rule.ts'
import type { CalendarRules, TimetableSpec } from './spec.ts'
import { Zone } from './zone.ts'

/** What a timetable may need beside its spec. */
export interface TimetableContext {
  /** Decides the values of `H`, so that they stay the same: the id of the schedule. */
  readonly seed?: string
  /** The calendars that `exclude` and `only` may name. */
  readonly calendars?: Readonly<Record<string, CalendarRules>>
}

/** The instants of a spec. */
export interface Timetable {
  /** The first instant after this one; undefined when there is none. */
  next(after: Date): Date | undefined
  /** The last instant before this one. */
  previous(before: Date): Date | undefined
  /** The spec as a plain English sentence. */
  describe(): string
}

const ruleNames = ['cron', 'every', 'at', 'calendar', 'rrule'] as const

/**
 * Makes the timetable of a spec.
 * @throws LW_OPTION_INVALID for a malformed rule, an unknown zone or calendar, two zones, or a spec that never fires
 */
export function timetable(spec: TimetableSpec, context: TimetableContext = {}): Timetable {
  const setting: Setting = {
    timezone: spec.timezone,
    dst: policyOf(spec.dst),
    seed: context.seed,
    calendars: context.calendars ?? {},
  }
  Zone.named(spec.timezone ?? 'UTC')
  const rules = rulesOf(spec, setting)
  if (rules.length === 0) throw optionError('schedule', `a spec with one of ${ruleNames.join(', ')}`, spec)
  const from = spec.startAt === undefined ? -Infinity : instantOf(spec.startAt, 'startAt', setting)
  const to = spec.endAt === undefined ? Infinity : instantOf(spec.endAt, 'endAt', setting)
  const only = spec.only === undefined ? undefined : regionsOf(spec.only, setting)
  const rule = bounded(filtered(anyOf(rules), regionsOf(spec.exclude, setting), only), from, to)
  refuseIdle(spec, rules, rule)
  return {
    next: (after) => dateOf(rule.next(after.getTime())),
    previous: (before) => dateOf(rule.previous(before.getTime())),
    describe: () => describeSpec(spec, context.seed),
  }
}

/** Each rule must fire at some time, and something must remain of all of them. */
function refuseIdle(spec: TimetableSpec, rules: readonly Rule[], whole: Rule): void {
  const names = ruleNames.filter((name) => spec[name] !== undefined)
  const idle = rules.find((rule) => rule.next(0) === undefined && rule.previous(0) === undefined)
  if (idle) throw optionError(names.join(' and '), 'rules that fire at some time; no date fits one of them', spec)
  if (whole.next(0) === undefined)
    throw optionError(
      'schedule',
      'a spec that fires at some time; startAt, endAt, exclude and only leave nothing',
      spec,
    )
}

function policyOf(dst: Partial<DstPolicy> = {}): DstPolicy {
  const policy = { gap: 'after', overlap: 'first', ...dst } as const
  if (!['after', 'shift', 'skip'].includes(policy.gap))
    throw optionError('dst.gap', "'after', 'shift' or 'skip'", policy.gap)
  if (!['first', 'last', 'both'].includes(policy.overlap))
    throw optionError('dst.overlap', "'first', 'last' or 'both'", policy.overlap)
  return policy
}

function dateOf(instant: number | undefined): Date | undefined {
  return instant === undefined ? undefined : new Date(instant)
}
