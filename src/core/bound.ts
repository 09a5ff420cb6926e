import type { Duration } from './duration.ts'
import { LegworkError, optionError, show } from './errors.ts'
import { checkName, type Rate, type RateOptions, type StoredRule, storedRule } from './limit.ts'

/** What becomes of a job for which there is no room. */
export type WhenFull = 'reject' | 'shed' | 'delay' | 'coalesce'

/** How much a queue takes: what can be changed at run time. */
export interface BoundRule {
  /** Most unfinished jobs, those that run included. */
  readonly depth?: number | null
  /** How many are accepted in a period. It begins with the first job; `smooth` spreads nothing here and is left out. */
  readonly rate?: Rate | Omit<RateOptions, 'smooth'> | null
  /**
   * `'reject'` throws LW_QUEUE_FULL and says when to try again; `'shed'` ends the oldest ready job of the lowest priority,
   * unless all are more important; `'delay'` takes the job and puts it off; `'coalesce'` gives the input to the waiting job of the
   * same name and key, and rejects where there is none. Default `'reject'`.
   */
  readonly whenFull?: WhenFull
}

/** One bound of a queue. */
export interface BoundOptions extends BoundRule {
  /** Default: the name of the queue, with `per` the queue and what it is for: `'mail per tenant'`. */
  readonly name?: string
  /** One bound for each value of the key, or of a header. A job without a value is not bounded. */
  readonly per?: 'key' | { readonly header: string }
}

/** A bound of a queue, checked. */
export interface BoundPlan {
  readonly queue: string
  readonly name: string
  readonly rule: StoredRule
}

const policies: readonly WhenFull[] = ['reject', 'shed', 'delay', 'coalesce']

/** Checks the bounds of a queue. @throws LW_OPTION_INVALID */
export function boundPlans(queue: string, bound: BoundOptions | readonly BoundOptions[]): readonly BoundPlan[] {
  const plans = (Array.isArray(bound) ? bound : [bound as BoundOptions]).map((each) => boundPlan(queue, each))
  const twice = plans.find((plan, place) => plans.findIndex(({ name }) => name === plan.name) < place)
  if (twice)
    throw optionError(
      `queues.${queue}.bound`,
      `a list in which each has a name of its own; two are named ${show(twice.name)}`,
      bound,
    )
  return plans
}

function boundPlan(queue: string, given: BoundOptions): BoundPlan {
  const option = `queues.${queue}.bound`
  if (typeof given !== 'object' || given === null || (given.depth === undefined && given.rate === undefined))
    throw optionError(option, 'an object with a depth, a rate or both', given)
  const by = byOf(given.per, `${option}.per`)
  const name = given.name ?? (by === undefined ? queue : `${queue} per ${by.replace('header:', '')}`)
  checkName(name, `${option}.name`)
  return { queue, name, rule: { ...storedBound(given, option), ...(by !== undefined && { by }) } }
}

function byOf(per: BoundOptions['per'], option: string): string | undefined {
  if (per === undefined || per === 'key') return per
  const header: unknown = (per as { header?: unknown } | null)?.header
  if (typeof header !== 'string' || header === '') throw optionError(option, "'key' or { header: name }", per)
  return `header:${header}`
}

/** A bound as the database stores it. @throws LW_OPTION_INVALID */
export function storedBound({ depth, rate, whenFull }: BoundRule, option = 'bound'): StoredRule {
  const {
    running,
    smooth: _smooth,
    ...rule
  } = storedRule({ ...(depth !== undefined && { running: depth }), ...(rate !== undefined && { rate }) }, option)
  if (whenFull !== undefined && !policies.includes(whenFull))
    throw optionError(`${option}.whenFull`, "'reject', 'shed', 'delay' or 'coalesce'", whenFull)
  if (whenFull === 'shed' && rate !== undefined && rate !== null)
    throw optionError(
      `${option}.whenFull`,
      "'reject', 'delay' or 'coalesce' beside a rate: what was accepted stays so",
      whenFull,
    )
  return { ...(running !== undefined && { depth: running }), ...rule, ...(whenFull !== undefined && { whenFull }) }
}

/** A stored bound in the words of the options. */
export function boundRuleOf({ depth, count, per, whenFull }: StoredRule): BoundRule {
  return {
    ...(depth !== undefined && { depth: depth as number | null }),
    ...(count !== undefined && { rate: count === null ? null : { count: Number(count), per: per as Duration } }),
    ...(whenFull !== undefined && { whenFull: whenFull as WhenFull }),
  }
}

/** What a full bound did because of a job that was added. */
export interface BoundNote {
  readonly bound: string
  readonly value: string | null
  readonly outcome: 'shed' | 'delayed' | 'coalesced'
  /** The one that was shed. */
  readonly job?: { readonly id: string; readonly name: string }
}

/** What the database says of a bound that is full. */
interface Fullness {
  readonly bound: string
  readonly queue: string
  readonly value: string | null
  readonly depth: number | null
  readonly held: number
  readonly accepted: number | null
  readonly retryAfter: number
}

/** The libraries hand the server's error on, itself or as a cause. */
export function fullOf(error: unknown): LegworkError | undefined {
  if (!(error instanceof Error)) return undefined
  const json = /legwork: the bound is full: (\{.*\})/u.exec(error.message)?.[1]
  return json === undefined ? fullOf(error.cause) : full(JSON.parse(json) as Fullness, error)
}

/** What is known of a refusal; undefined when the error is another one. */
export function refusalOf(error: unknown): Fullness | undefined {
  if (!(error instanceof LegworkError) || error.code !== 'LW_QUEUE_FULL') return undefined
  return error.details as unknown as Fullness
}

function full(fullness: Fullness, cause: Error): LegworkError {
  const { bound, queue, value, depth, held, retryAfter } = fullness
  const whose = value === null ? '' : ` for ${show(value)}`
  const why =
    depth !== null && held >= depth ? `${held} of at most ${depth} jobs are unfinished` : 'its rate is used up'
  return new LegworkError(
    'LW_QUEUE_FULL',
    `Queue ${show(queue)} takes no more${whose}: by its bound ${show(bound)}, ${why}.`,
    {
      hint: `Nothing was enqueued; try again in ${retryAfter} ms.`,
      cause,
      details: { ...fullness },
    },
  )
}
