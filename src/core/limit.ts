import type { Wire } from './codec.ts'
import { type Duration, milliseconds } from './duration.ts'
import { LegworkError, optionError, show } from './errors.ts'

/** How often: `'100/1m'` is a hundred in any minute, spread evenly. */
export type Rate = `${number}/${Extract<Duration, string>}`

export interface RateOptions {
  readonly count: number
  readonly per: Duration
  /**
   * Spread evenly: no window of this length, wherever it begins, has more than `count`. `false` lets all of them begin
   * together; a new window begins with the first job after the last is over. Default true.
   */
  readonly smooth?: boolean
}

/** What a limit allows: what can be changed at run time. */
export interface LimitRule {
  /** Most jobs that run at once, over all processes. */
  readonly running?: number | null
  /** How often a job may begin, over all processes; every attempt counts. */
  readonly rate?: Rate | RateOptions | null
}

/** One limit of a job. `In` is the input as the caller gives it. */
export interface LimitOptions<In = unknown> extends LimitRule {
  /** What is limited. Definitions that name the same limit share it. Default: the name of the job. */
  readonly name?: string
  /**
   * One limit per value: of the job's key, or of what this returns. A job without a value is not limited. `'worker'`: so many
   * `running` in each process, others take the rest.
   */
  readonly per?: 'key' | 'worker' | ((input: Wire<In>) => string | undefined)
  /** How much of the rate one job takes. Default 1. */
  readonly cost?: number | ((input: Wire<In>) => number)
  /** Jobs that wait take turns between the values of this, a tenant for instance, instead of first come, first served. */
  readonly fair?: (input: Wire<In>) => string | undefined
  /** How many turns a value of `fair` gets while others get one. Default 1. */
  readonly weight?: Readonly<Record<string, number>> | ((share: string) => number)
}

/** A number is `running`, text is `rate`. */
export type Limit<In = unknown> = number | Rate | LimitOptions<In>

export interface BreakerOptions {
  /** What may break down. Definitions that name the same breaker share it. */
  readonly name: string
  /** The share of failed attempts at which it opens, above 0 and up to 1. Default 0.5. */
  readonly failures?: number
  /** It does not open before so many attempts have ended in a window. Default 10. */
  readonly min?: number
  /** How long attempts are counted before the count begins anew. Default `'1m'`. */
  readonly window?: Duration
  /** How long it stays open before it lets a few jobs through to find out. Default `'30s'`. */
  readonly openFor?: Duration
  /** How many have to succeed then, one beside the other at most, before it closes. Default 1. */
  readonly probes?: number
}

/** As the database stores it. */
export type StoredRule = Readonly<Record<string, number | boolean | string | null>>

/** A limit or breaker of a definition, checked. */
export interface LimitPlan {
  readonly name: string
  /** What this definition says about it; undefined when it only names it. */
  readonly rule: StoredRule | undefined
  /** What holds when nobody says anything. */
  readonly fallback: StoredRule
  readonly per: 'key' | ((input: never) => string | undefined) | undefined
  readonly cost: number | ((input: never) => number)
  readonly fair: ((input: never) => string | undefined) | undefined
  readonly weight: Readonly<Record<string, number>> | ((share: string) => number)
}

/** What one job asks of one limiter. */
export interface Ask {
  readonly name: string
  readonly instance: string
  readonly cost: number
  readonly share: string | null
  readonly weight: number
}

export const breakerPrefix = 'breaker:'
export const queuePrefix = 'queue:'
/** Before the name of a job: its limit `per: 'worker'`. */
export const workerPrefix = 'worker:'

/** The limit of whatever has no plan of its own: a queue, or a job that is limited at run time only. */
export function plainPlan(name: string): LimitPlan {
  return { name, rule: undefined, fallback: {}, per: undefined, cost: 1, fair: undefined, weight: {} }
}

/** Checks the limits of a definition. @throws LW_OPTION_INVALID */
export function limitPlans<In>(
  job: string,
  limit: Limit<In> | readonly Limit<In>[] | undefined,
  breaker: string | BreakerOptions | readonly (string | BreakerOptions)[] | undefined,
): readonly LimitPlan[] {
  const plans = [
    ...listOf(limit)
      .filter((each) => !isPerWorker(each))
      .map((each) => limitPlan(job, each)),
    ...listOf(breaker).map(breakerPlan),
  ]
  const twice = plans.find((plan, place) => plans.findIndex(({ name }) => name === plan.name) < place)
  if (twice)
    throw optionError('limit', `a list in which each has a name of its own; two are named ${show(twice.name)}`, limit)
  return Object.freeze(plans)
}

/** Most that run at once in one process: the limit `per: 'worker'`; undefined without one. @throws LW_OPTION_INVALID */
export function workerLimit<In>(limit: Limit<In> | readonly Limit<In>[] | undefined): number | undefined {
  const own = listOf(limit).filter(isPerWorker)
  for (const { running, per: _, ...rest } of own) {
    wholeNumber(running, 'limit.running')
    if (Object.keys(rest).length > 0)
      throw optionError("limit with per: 'worker'", 'running alone', { running, per: 'worker', ...rest })
  }
  return own.length === 0 ? undefined : Math.min(...own.map(({ running }) => Number(running)))
}

function isPerWorker<In>(limit: Limit<In>): limit is LimitOptions<In> & { readonly per: 'worker' } {
  return typeof limit === 'object' && limit !== null && limit.per === 'worker'
}

/** A rule as the database stores it. @throws LW_OPTION_INVALID */
export function storedRule({ running, rate }: LimitRule, option = 'limit'): StoredRule {
  if (running !== undefined && running !== null) wholeNumber(running, `${option}.running`)
  return {
    ...(running !== undefined && { running }),
    ...(rate !== undefined && (rate === null ? { count: null, per: null } : storedRate(rate, `${option}.rate`))),
  }
}

/** The rule that each limit of these definitions is declared with: `strong` where one of them says what it is. */
export function declarationsOf(plans: Iterable<LimitPlan>): Map<string, { rule: StoredRule; strong: boolean }> {
  const found = new Map<string, { rule: StoredRule; strong: boolean }>()
  for (const { name, rule, fallback } of plans) {
    const known = found.get(name)
    if (!rule) {
      if (!known) found.set(name, { rule: fallback, strong: false })
      continue
    }
    if (known?.strong && JSON.stringify(known.rule) !== JSON.stringify(rule))
      throw new LegworkError('LW_OPTION_INVALID', `Two jobs say different things about the limit ${show(name)}.`, {
        hint: 'Say it at one of them, and give only the name at the others.',
      })
    found.set(name, { rule, strong: true })
  }
  return found
}

/** What a job asks for. The functions of a plan are the user's: what they throw is the job's failure. */
export function asksOf(plans: readonly LimitPlan[], key: string | undefined, input: () => unknown): Ask[] {
  return plans.flatMap((plan) => {
    const instance = instanceOf(plan, key, input)
    if (instance === undefined) return []
    const share = plan.fair?.(input() as never) ?? null
    const cost = typeof plan.cost === 'number' ? plan.cost : plan.cost(input() as never)
    if (!(cost > 0 && cost < 1e9)) throw optionError(`cost of the limit ${show(plan.name)}`, 'a number above 0', cost)
    return [{ name: plan.name, instance, cost, share, weight: share === null ? 1 : weightOf(plan, share) }]
  })
}

function instanceOf({ per, name }: LimitPlan, key: string | undefined, input: () => unknown): string | undefined {
  if (per === undefined) return ''
  const instance: unknown = per === 'key' ? key : per(input() as never)
  if (instance !== undefined && (typeof instance !== 'string' || instance.length > 500 || instance.includes('\0')))
    throw optionError(`result of per of the limit ${show(name)}`, 'text of at most 500 characters', instance)
  return instance
}

function weightOf({ weight, name }: LimitPlan, share: string): number {
  const found = typeof weight === 'function' ? weight(share) : Object.hasOwn(weight, share) ? weight[share] : 1
  if (found === undefined || !(found > 0 && found < 1e9))
    throw optionError(`weight of ${show(share)} in the limit ${show(name)}`, 'a number above 0', found)
  return found
}

function limitPlan<In>(job: string, limit: Limit<In>): LimitPlan {
  const given: LimitOptions<In> =
    typeof limit === 'number' ? { running: limit } : typeof limit === 'string' ? { rate: limit } : limit
  if (typeof given !== 'object' || given === null)
    throw optionError('limit', "a number, a rate like '100/1m', or options", limit)
  const { name, per, cost = 1, fair, weight = {} } = given
  if (name !== undefined) checkName(name, 'limit.name')
  if (per !== undefined && per !== 'key' && typeof per !== 'function')
    throw optionError('limit.per', "'key', 'worker' or a function of the input", per)
  if (per === 'key' && typeof given.running === 'number')
    throw optionError(
      'limit.running',
      "left out with per: 'key', for jobs with the same key run one at a time; to let several run, leave key out and give a function as per",
      given.running,
    )
  if (typeof cost !== 'function' && !(cost > 0)) throw optionError('limit.cost', 'a number above 0 or a function', cost)
  if (fair !== undefined && typeof fair !== 'function') throw optionError('limit.fair', 'a function of the input', fair)
  const rule = storedRule(given)
  const isSilent = Object.keys(rule).length === 0
  if (isSilent && name === undefined)
    throw optionError('limit', 'told what it allows: running, rate, or the name of another', limit)
  const own = per === undefined ? job : per === 'key' ? `${job} per key` : `${job} per value`
  return { name: name ?? own, rule: isSilent ? undefined : rule, fallback: {}, per, cost, fair, weight }
}

const breakerDefaults = { failures: 0.5, min: 10, window: 60_000, openFor: 30_000, probes: 1 } as const

function breakerPlan(given: string | BreakerOptions): LimitPlan {
  const { name, ...rest } = typeof given === 'string' ? { name: given } : given
  checkName(name, 'breaker')
  const plain = { ...plainPlan(`${breakerPrefix}${name}`), fallback: breakerDefaults }
  return typeof given === 'string' ? plain : { ...plain, rule: breakerRule(rest) }
}

function breakerRule({ failures, min, window, openFor, probes }: Omit<BreakerOptions, 'name'>): StoredRule {
  if (failures !== undefined && !(failures > 0 && failures <= 1))
    throw optionError('breaker.failures', 'above 0 and up to 1', failures)
  if (min !== undefined) wholeNumber(min, 'breaker.min')
  if (probes !== undefined) wholeNumber(probes, 'breaker.probes')
  return {
    failures: failures ?? breakerDefaults.failures,
    min: min ?? breakerDefaults.min,
    window: window === undefined ? breakerDefaults.window : atLeastOne(window, 'breaker.window'),
    openFor: openFor === undefined ? breakerDefaults.openFor : atLeastOne(openFor, 'breaker.openFor'),
    probes: probes ?? breakerDefaults.probes,
  }
}

function storedRate(rate: Rate | RateOptions, option: string): StoredRule {
  if (typeof rate === 'string') {
    const [count, per, ...more] = (rate as string).split('/')
    if (per === undefined || more.length > 0) throw optionError(option, "text like '100/1m' or { count, per }", rate)
    return storedRate({ count: Number(count), per: per as Duration }, option)
  }
  if (typeof rate !== 'object' || rate === null) throw optionError(option, "text like '100/1m' or { count, per }", rate)
  wholeNumber(rate.count, `${option}.count`)
  if (rate.smooth !== undefined && typeof rate.smooth !== 'boolean')
    throw optionError(`${option}.smooth`, 'true or false', rate.smooth)
  return { count: rate.count, per: atLeastOne(rate.per, `${option}.per`), smooth: rate.smooth ?? true }
}

function atLeastOne(duration: Duration, option: string): number {
  const ms = milliseconds(duration, option)
  if (ms < 1) throw optionError(option, 'at least 1 ms', duration)
  return ms
}

function wholeNumber(value: unknown, option: string): void {
  if (!Number.isInteger(value) || Number(value) < 1 || Number(value) > 1_000_000_000)
    throw optionError(option, 'a whole number from 1', value)
}

export function checkName(name: unknown, option: string): asserts name is string {
  if (typeof name !== 'string' || !/^[^\0]{1,200}$/su.test(name) || name.trim() !== name || !name.isWellFormed())
    throw optionError(option, 'text of 1 to 200 characters without spaces at the ends', name)
}

function listOf<T>(value: T | readonly T[] | undefined): readonly T[] {
  return value === undefined ? [] : Array.isArray(value) ? value : [value as T]
}
