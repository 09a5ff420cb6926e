import { type ChangedBy, changeOf, type SettingChange, unknownRule } from './changes.ts'
import { type BoundRule, boundRuleOf, storedBound, type WhenFull } from './core/bound.ts'
import { checkName, type RateOptions } from './core/limit.ts'
import type { BoundRow } from './store/queries/bounds.ts'
import type { Store } from './store/store.ts'

/** A bound, and what it has done since it is there. */
export interface BoundStatus {
  readonly name: string
  readonly queue: string
  readonly depth: number | undefined
  readonly rate: Omit<RateOptions, 'smooth'> | undefined
  readonly whenFull: WhenFull
  /** What there is one bound for each of: `'key'`, or a header. */
  readonly per: 'key' | { readonly header: string } | undefined
  /** Jobs that were added, those that were put off included. */
  readonly accepted: number
  readonly delayed: number
  /** Waiting jobs that were ended to make room. */
  readonly shed: number
  readonly coalesced: number
  /**
   * Jobs that were refused, as the processes have counted them: soon after the refusal, and not what plain SQL was refused, for
   * nothing of that remains.
   */
  readonly rejected: number
  /** Whether it was changed at run time. */
  readonly changed: boolean
  /** Counts the changes at run time. */
  readonly version: number
}

/** How a bound stands for one of its values. */
export interface BoundUsage {
  /** Of the key or the header; undefined where the bound is one for all. */
  readonly value: string | undefined
  readonly unfinished: number
  /** Jobs accepted in the period that runs, with those that were put off to later ones; undefined without a rate. */
  readonly accepted: number | undefined
  /** When that period ends; undefined when none runs. */
  readonly until: Date | undefined
}

/** Bounds at run time. That of a queue as a whole has its name. */
export interface Bounds {
  /**
   * Changes a bound, or makes one for a queue that had none; it holds for whoever adds a job next. What is left out stays as
   * code says; null gives it up.
   * @throws LW_OPTION_INVALID
   */
  set(name: string, rule: BoundRule, options?: ChangedBy): Promise<BoundStatus>
  /** Back to what code says. @throws LW_LIMIT_UNKNOWN */
  reset(name: string, options?: ChangedBy): Promise<BoundStatus>
  /** @throws LW_LIMIT_UNKNOWN */
  get(name: string): Promise<BoundStatus>
  list(): Promise<BoundStatus[]>
  /** How it stands for each of its values, the fullest first, at most 1,000. @throws LW_LIMIT_UNKNOWN */
  usage(name: string): Promise<BoundUsage[]>
  /** The changes at run time, newest first. */
  history(name: string): Promise<SettingChange<BoundRule>[]>
}

export function createBounds(store: Store): Bounds {
  const get = async (name: string): Promise<BoundStatus> => {
    const [row] = await store.bounds(name)
    if (!row) throw unknownRule('bound', name, await store.bounds(), 'set() makes one for a queue')
    return statusOf(row)
  }
  return {
    get,
    set: async (name, rule, { by } = {}) => {
      checkName(name, 'name')
      await store.setRule('bound', name, storedBound(rule), by)
      return get(name)
    },
    reset: async (name, { by } = {}) => {
      await get(name)
      await store.setRule('bound', name, null, by)
      return get(name)
    },
    list: async () => (await store.bounds()).map(statusOf),
    usage: async (name) => {
      await get(name)
      const rows = await store.boundUsage(name, 1_000)
      return rows.map(({ value, unfinished, accepted, until }) => ({
        value: value === '' ? undefined : value,
        unfinished,
        accepted: accepted ?? undefined,
        until: until ?? undefined,
      }))
    },
    history: async (name) => (await store.settingHistory('bound', name)).map((row) => changeOf(row, boundRuleOf)),
  }
}

function statusOf({ rule, chosen, ...row }: BoundRow): BoundStatus {
  const { depth, rate, whenFull = 'reject' } = boundRuleOf(rule)
  const by = rule['by'] as string | undefined
  const { name, queue, version, accepted, delayed, shed, coalesced, rejected } = row
  return {
    name,
    queue,
    depth: depth ?? undefined,
    rate: typeof rate === 'object' && rate ? rate : undefined,
    whenFull,
    per: by === undefined || by === 'key' ? by : { header: by.slice('header:'.length) },
    accepted,
    delayed,
    shed,
    coalesced,
    rejected,
    changed: chosen !== null,
    version,
  }
}
