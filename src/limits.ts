import { type ChangedBy, changeOf, type SettingChange, unknownRule } from './changes.ts'
import { type Duration } from './core/duration.ts'
import { optionError } from './core/errors.ts'
import type { Emitter } from './core/events.ts'
import {
  breakerPrefix,
  checkName,
  type LimitRule,
  type RateOptions,
  type StoredRule,
  storedRule,
  workerPrefix,
} from './core/limit.ts'
import type { Hub } from './live/hub.ts'
import type { LimitRow } from './store/queries/limit-settings.ts'
import type { Store } from './store/store.ts'

/** How a limit stands now, over all processes and all its instances. */
export interface LimitStatus {
  readonly name: string
  /** Most at once; undefined without such a cap. */
  readonly limit: number | undefined
  readonly rate: Required<RateOptions> | undefined
  /** Jobs that have a place in it. */
  readonly running: number
  /** Jobs that are blocked by it. */
  readonly waiting: number
  /** Nobody begins before: a job has asked it to slow down. */
  readonly slowedUntil: Date | undefined
  /** Whether it was changed at run time. */
  readonly changed: boolean
  /** Counts the changes at run time. */
  readonly version: number
}

export interface BreakerStatus {
  readonly name: string
  /** `half-open`: it was open, and lets a few jobs through to find out. */
  readonly state: 'closed' | 'open' | 'half-open'
  readonly reason: string | undefined
  /** When it lets the first through; undefined when it is not open, or until it is closed by hand. */
  readonly openUntil: Date | undefined
  readonly succeeded: number
  readonly failed: number
  readonly waiting: number
}

/**
 * Limits at run time. A limit is named as its definition says, else like its job; that of a queue is `queue:<name>`, and that of
 * a job in each process `worker:<name>`.
 */
export interface Limits {
  /**
   * Changes a limit, or makes one for a job or a queue that had none, in all processes within a second. What is left out
   * stays as code says; null gives it up.
   * @throws LW_OPTION_INVALID
   */
  set(name: string, rule: LimitRule, options?: ChangedBy): Promise<LimitStatus>
  /** Back to what code says. @throws LW_LIMIT_UNKNOWN */
  reset(name: string, options?: ChangedBy): Promise<LimitStatus>
  /** @throws LW_LIMIT_UNKNOWN */
  get(name: string): Promise<LimitStatus>
  list(): Promise<LimitStatus[]>
  /** The changes at run time, newest first. */
  history(name: string): Promise<SettingChange<LimitRule>[]>
}

/** Breakers by hand, and how they stand. */
export interface Breakers {
  /** No job that needs it begins, in any process, until `close`. */
  open(name: string, reason?: string, options?: ChangedBy): Promise<void>
  /** Jobs begin again at once, and the count begins anew. */
  close(name: string, options?: ChangedBy): Promise<void>
  list(): Promise<BreakerStatus[]>
  history(name: string): Promise<SettingChange<{ open: boolean; reason?: string }>[]>
}

export interface LimitsParts {
  readonly store: Store
  readonly hub: Hub
  readonly events: Emitter
}

export function createLimits({ store, hub }: LimitsParts): Limits {
  const get = async (name: string): Promise<LimitStatus> => {
    const [row] = isLimit(name) ? await store.limits(name) : []
    if (!row) throw unknownRule('limit', name, await store.limits(), 'set() makes one')
    return limitStatus(row)
  }
  const change = async (name: string, rule: StoredRule | null, by: string | undefined): Promise<LimitStatus> => {
    await store.setRule('limit', name, rule, by)
    hub.tellHere({ queues: true, due: 0 })
    return get(name)
  }
  return {
    get,
    set: async (name, rule, { by } = {}) => {
      checkName(name, 'name')
      if (name.startsWith(workerPrefix) && rule.rate !== undefined)
        throw optionError('rate', 'left out: a limit in each process has running alone', rule.rate)
      return change(name, storedRule(rule), by)
    },
    reset: async (name, { by } = {}) => {
      await get(name)
      return change(name, null, by)
    },
    list: async () => (await store.limits()).filter((row) => isLimit(row.name)).map(limitStatus),
    history: async (name) => (await store.settingHistory('limit', name)).map((row) => changeOf(row, ruleOf)),
  }
}

export function createBreakers({ store, hub, events }: LimitsParts): Breakers {
  const turn = async (name: string, open: boolean, reason: string | undefined, by: string | undefined) => {
    checkName(name, 'name')
    await store.setBreaker(name, open, reason, by)
    hub.tellHere({ due: 0 })
  }
  return {
    open: async (name, reason, { by } = {}) => {
      await turn(name, true, reason, by)
      events.emit('breaker_opened', { breaker: name, reason: reason ?? 'opened by hand', openFor: Infinity })
    },
    close: async (name, { by } = {}) => {
      await turn(name, false, undefined, by)
      events.emit('breaker_closed', { breaker: name })
    },
    list: async () => (await store.limits()).filter((row) => !isLimit(row.name)).map(breakerStatus),
    history: async (name) => (await store.settingHistory('breaker', name)).map((row) => changeOf(row, openingOf)),
  }
}

function isLimit(name: string): boolean {
  return !name.startsWith(breakerPrefix)
}

function limitStatus(row: LimitRow): LimitStatus {
  const { running: limit, rate } = ruleOf(row.rule)
  const { name, running, waiting, version } = row
  const full = typeof rate === 'object' && rate ? { smooth: true, ...rate } : undefined
  return {
    name,
    limit: limit ?? undefined,
    rate: full,
    running,
    waiting,
    slowedUntil: row.shutUntil,
    changed: row.chosen !== null,
    version,
  }
}

function breakerStatus(row: LimitRow): BreakerStatus {
  const isOpen = row.shutByHand || row.shutUntil !== undefined
  return {
    name: row.name.slice(breakerPrefix.length),
    state: isOpen ? 'open' : row.trial ? 'half-open' : 'closed',
    reason: row.shutReason,
    openUntil: row.shutUntil,
    succeeded: row.ok,
    failed: row.bad,
    waiting: row.waiting,
  }
}

/** A stored rule in the words of the options. */
function ruleOf({ running, count, per, smooth }: StoredRule): LimitRule {
  const rate = typeof count === 'number' ? { count, per: per as Duration, smooth: smooth !== false } : null
  return {
    ...(running !== undefined && { running: running as number | null }),
    ...(count !== undefined && { rate }),
  }
}

function openingOf({ open, reason }: StoredRule): { open: boolean; reason?: string } {
  return { open: open === true, ...(typeof reason === 'string' && { reason }) }
}
