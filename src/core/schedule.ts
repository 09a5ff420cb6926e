import { type TimetableSpec, wireSpec } from './calendar/spec.ts'
import type { AnyJob, Contract } from './definition.ts'
import { type Duration, milliseconds } from './duration.ts'
import { optionError } from './errors.ts'
import type { Firing } from './firing.ts'
import type { Overrides } from './overrides.ts'
import type { Priority } from './priority.ts'

/** What happens at an instant while an earlier run of the schedule is unfinished. */
export type Overlap = 'skip' | 'bufferOne' | 'bufferAll' | 'cancelRunning' | 'terminateRunning' | 'allow'

/** What happens to instants that passed while no process could fire. */
export type CatchUp = 'none' | 'last' | 'all'

/** How a schedule fires, beyond the instants themselves. */
export interface SchedulePolicies {
  /**
   * While an earlier run is unfinished, its retries included: `'skip'` this instant; `'bufferOne'` or `'bufferAll'`: run
   * afterwards; `'cancelRunning'`: cancel it and run when it has stopped; `'terminateRunning'`: end it and run now;
   * `'allow'` both. Default `'skip'`.
   */
  readonly overlap?: Overlap
  /** Which runs count as earlier ones: those of this schedule, or all jobs of the name with the same key. Default `'schedule'`. */
  readonly overlapScope?: 'schedule' | 'key'
  /** How many runs `'bufferAll'` lets wait. Default 100. */
  readonly bufferLimit?: number
  /**
   * Of the instants that were missed by more than a minute: run none, the last one, or all, one after the other and 100 at
   * most. Default `'last'`.
   */
  readonly catchUp?: CatchUp
  /** How old a missed instant may be to be caught up. Default 1 hour when it fires more often than hourly, else 1 day. */
  readonly catchUpWindow?: Duration
  /** A job that has not started so long after its instant, or the end of its window, is dropped. Default: none. */
  readonly startDeadline?: Duration
  /**
   * Fires at a moment within so much of its instant, before the next one, where little else does. Not with `jitter` or an
   * `anchor`. Default: at the instant.
   */
  readonly window?: Duration
  /** Fires up to so much later, always the same for the same instant, and before the next one. Default none. */
  readonly jitter?: Duration
  /** It ends after so many runs. Default: none. */
  readonly maxRuns?: number
  /** It is paused when so many runs in a row have failed for good. Default: never. */
  readonly pauseAfterFailures?: number
  /** Of `every`: counted from the epoch, or from when the last run ended, so that runs never overlap. Default `'epoch'`. */
  readonly anchor?: 'epoch' | 'lastCompletion'
}

/** What the job gets, as by `enqueue`. */
export interface ScheduledJobOptions extends Omit<Overrides, 'startWithin'> {
  readonly queue?: string
  readonly priority?: Priority
  readonly key?: string
  /** Added to the definition's own. */
  readonly tags?: readonly string[]
  readonly headers?: Readonly<Record<string, string>>
}

/** The input of each run, or a function of the firing: then only processes that have this schedule in their code fire it. */
export type ScheduledInput<In> = unknown extends In
  ? object | string | number | boolean | null | ((firing: Firing) => unknown)
  : In | ((firing: Firing) => In | Promise<In>)

export type ScheduleOptions<In> = TimetableSpec &
  SchedulePolicies &
  ScheduledJobOptions & { readonly job: Contract<In, unknown> } & (undefined extends In
    ? { readonly input?: ScheduledInput<NoInfer<In>> }
    : { readonly input: ScheduledInput<NoInfer<In>> })

/** Checked policies; milliseconds. What is left out has its default. */
export interface Policy {
  readonly overlap: Overlap
  readonly overlapScope: 'schedule' | 'key'
  readonly bufferLimit: number
  readonly catchUp: CatchUp
  readonly catchUpWindow?: number
  readonly startDeadline?: number
  readonly window?: number
  readonly jitter?: number
  readonly maxRuns?: number
  readonly pauseAfterFailures?: number
  /** Milliseconds from the end of a run to the next one. */
  readonly fixedDelay?: number
}

/** A rule that enqueues jobs at nominal instants: plain frozen data. */
export interface Schedule {
  readonly id: string
  readonly spec: TimetableSpec
  readonly policy: Policy
  readonly job: AnyJob
  readonly input: unknown
  readonly options: ScheduledJobOptions
}

/**
 * Defines a schedule. Registers nothing: pass it to `legwork({ schedules })`.
 * @param id stable and unique, at most 200 characters
 * @throws LW_OPTION_INVALID naming the option, the rule and the value
 * @example export const summary = schedule('daily-summary', { cron: '0 2 * * *', timezone: 'Europe/Berlin', job: dailySummary })
 */
export function schedule<In>(id: string, options: ScheduleOptions<In>): Schedule {
  const all = { ...options } as Readonly<Record<string, unknown>>
  if (typeof id !== 'string' || !/^[^\0]{1,200}$/su.test(id) || id.trim() !== id || !id.isWellFormed())
    throw optionError('id', 'text of 1 to 200 characters without spaces at the ends', id)
  const unknown = Object.keys(options ?? {}).find((name) => !known.has(name))
  if (unknown !== undefined)
    throw optionError(`${unknown} of schedule ${id}`, `one of ${[...known].join(', ')}`, all[unknown])
  const job = options.job as AnyJob | undefined
  if (typeof job?.handle !== 'function') throw optionError('job', 'a definition made with job()', job)
  return Object.freeze({
    id,
    spec: Object.freeze(wireSpec(pick(all, specNames))),
    policy: Object.freeze(policyOf(options)),
    job,
    input: options.input,
    options: Object.freeze(pick(all, jobNames)),
  })
}

const specNames = [
  'cron',
  'dialect',
  'every',
  'phase',
  'at',
  'calendar',
  'rrule',
  'timezone',
  'dst',
  'exclude',
  'only',
  'startAt',
  'endAt',
]
const policyNames = [
  'overlap',
  'overlapScope',
  'bufferLimit',
  'catchUp',
  'catchUpWindow',
  'startDeadline',
  'window',
  'jitter',
  'maxRuns',
  'pauseAfterFailures',
  'anchor',
]
const jobNames = ['queue', 'priority', 'key', 'tags', 'headers', 'retry', 'timeout']
const known: ReadonlySet<string> = new Set([...specNames, ...policyNames, ...jobNames, 'job', 'input'])

function pick(from: Readonly<Record<string, unknown>>, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(names.flatMap((name) => (from[name] === undefined ? [] : [[name, from[name]]])))
}

function policyOf(given: SchedulePolicies & TimetableSpec): Policy {
  const { overlap = 'skip', overlapScope = 'schedule', catchUp = 'last', bufferLimit = 100 } = given
  return {
    overlap: oneOf(overlap, 'overlap', overlaps),
    overlapScope: oneOf(overlapScope, 'overlapScope', ['schedule', 'key']),
    bufferLimit: whole(bufferLimit, 'bufferLimit', 1_000),
    catchUp: oneOf(catchUp, 'catchUp', ['none', 'last', 'all']),
    ...span(given, 'catchUpWindow'),
    ...span(given, 'startDeadline'),
    ...windowOf(given),
    ...span(given, 'jitter'),
    ...(given.maxRuns !== undefined && { maxRuns: whole(given.maxRuns, 'maxRuns', 1e9) }),
    ...(given.pauseAfterFailures !== undefined && {
      pauseAfterFailures: whole(given.pauseAfterFailures, 'pauseAfterFailures', 100),
    }),
    ...anchorOf(given),
  }
}

const overlaps: readonly Overlap[] = ['skip', 'bufferOne', 'bufferAll', 'cancelRunning', 'terminateRunning', 'allow']

function anchorOf(given: SchedulePolicies & TimetableSpec): Pick<Policy, 'fixedDelay'> {
  if (oneOf(given.anchor ?? 'epoch', 'anchor', ['epoch', 'lastCompletion']) === 'epoch') return {}
  const { every } = given
  const others = specNames
    .filter((name) => name !== 'every' && name !== 'timezone')
    .filter((name) => Object.hasOwn(given, name))
  if (every === undefined || others.length > 0)
    throw optionError('anchor', "'epoch', unless every is the only rule", given.anchor)
  return { fixedDelay: milliseconds(every, 'every') }
}

function windowOf(given: SchedulePolicies): Pick<Policy, 'window'> {
  if (given.window === undefined) return {}
  if (given.jitter !== undefined)
    throw optionError(
      'window',
      'left out where jitter is given: both say when in a span of time it fires',
      given.window,
    )
  if (given.anchor === 'lastCompletion')
    throw optionError(
      'window',
      "left out where anchor is 'lastCompletion': no instant is known beforehand",
      given.window,
    )
  return span(given, 'window')
}

function oneOf<T extends string>(value: T, option: string, allowed: readonly T[]): T {
  if (!allowed.includes(value)) throw optionError(option, `one of ${allowed.join(', ')}`, value)
  return value
}

function whole(value: number, option: string, most: number): number {
  if (!Number.isInteger(value) || value < 1 || value > most)
    throw optionError(option, `a whole number from 1 to ${most}`, value)
  return value
}

function span<N extends 'catchUpWindow' | 'startDeadline' | 'window' | 'jitter'>(
  given: SchedulePolicies,
  name: N,
): { readonly [K in N]?: number } {
  const value = given[name]
  if (value === undefined) return {}
  const ms = milliseconds(value, name)
  if (ms === 0) throw optionError(name, 'longer than nothing', value)
  return { [name]: ms } as { readonly [K in N]?: number }
}
