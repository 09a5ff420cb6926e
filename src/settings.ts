import type { LegworkOptions, QueueWork, WorkOptions } from './api.ts'
import { boundPlans } from './core/bound.ts'
import { jsonSchemaOf } from './core/codec.ts'
import { type AnyJob, labelList } from './core/definition.ts'
import { milliseconds, positive } from './core/duration.ts'
import { LegworkError, optionError, show } from './core/errors.ts'
import { checkName, declarationsOf, plainPlan, queuePrefix, storedRule, workerPrefix } from './core/limit.ts'
import { priorityNamed } from './core/priority.ts'
import { nearest } from './core/suggest.ts'
import type { Retention } from './store/queries/upkeep.ts'
import type { Store } from './store/store.ts'
import { version } from './version.ts'
import type { QueueShare } from './worker/directory.ts'
import type { Middleware } from './worker/executor.ts'
import type { Kept } from './worker/reserve.ts'
import type { WorkerOptions } from './worker/options.ts'

/** Checks the options of `work` and fills in the defaults. */
export function workerOptions(
  options: WorkOptions,
  retention: Retention,
  middleware: readonly Middleware[],
): WorkerOptions {
  const concurrency = options.concurrency ?? 10
  if (!Number.isInteger(concurrency) || concurrency < 1 || concurrency > 10_000) {
    throw optionError('concurrency', 'a whole number from 1 to 10000', concurrency)
  }
  return {
    concurrency,
    queues: queueShares(options.queues, concurrency),
    reserve: keptPlaces(options.reserve, concurrency),
    aging: options.aging === undefined ? undefined : positive(options.aging, 'aging'),
    labels: labelList(options.labels ?? [], 'labels'),
    lease: positive(options.lease ?? '10s', 'lease'),
    poll: positive(options.poll ?? '1s', 'poll'),
    grace: milliseconds(options.grace ?? '1s', 'grace'),
    retention: retention,
    middleware: middleware,
    version,
  }
}

/** The definitions by name; of several versions the first, which has the others. @throws LW_OPTION_INVALID, LW_JOB_NAME_TAKEN */
export function definitionMap(jobs: readonly AnyJob[]): Map<string, AnyJob> {
  if (!Array.isArray(jobs)) throw optionError('jobs', 'a list of definitions made with job()', jobs)
  const map = new Map<string, AnyJob>()
  for (const job of jobs) {
    if (typeof job?.name !== 'string' || typeof job.handle !== 'function')
      throw optionError('jobs', 'a list of definitions made with job()', job)
    const first = map.get(job.name)
    map.set(job.name, first ? withOlder(first, job) : job)
  }
  return map
}

/** @throws LW_JOB_UNKNOWN */
export function definitionNamed(definitions: ReadonlyMap<string, AnyJob>, name: string): AnyJob {
  const found = definitions.get(name)
  if (found) return found
  const guess = nearest(name, definitions.keys())
  throw new LegworkError('LW_JOB_UNKNOWN', `No job named ${show(name)} was given to legwork().`, {
    hint:
      guess === undefined ? `Known: ${[...definitions.keys()].join(', ') || 'none'}.` : `Did you mean ${show(guess)}?`,
    details: { name, ...(guess !== undefined && { nearest: guess }) },
  })
}

function withOlder(first: AnyJob, job: AnyJob): AnyJob {
  const { name, version: own } = job
  if (first.version === undefined || own === undefined)
    throw new LegworkError('LW_JOB_NAME_TAKEN', `Two jobs are named ${show(name)}.`, {
      hint: 'Give each its own name; or each a version, if they are versions of one job.',
    })
  if (own === first.version || first.older.has(own))
    throw new LegworkError('LW_JOB_NAME_TAKEN', `Two jobs are named ${show(name)} and have the version ${show(own)}.`, {
      hint: 'Give each its own version.',
    })
  return { ...first, older: new Map([...first.older, [own, job]]) }
}

/** Writes what this process knows, for plain-SQL producers and tools. */
export async function announce(
  store: Store,
  definitions: ReadonlyMap<string, AnyJob>,
  queues: LegworkOptions['queues'],
): Promise<void> {
  const all = [...definitions.values()]
  await store.ensureQueues([...new Set(['default', ...all.map((definition) => definition.queue)])])
  const schema = (value: Record<string, unknown> | undefined) => (value ? JSON.stringify(value) : null)
  await store.define(
    all.map((definition) => ({
      name: definition.name,
      queue: definition.queue,
      priority: definition.priority,
      startWithin: definition.startWithin,
      inputSchema: schema(jsonSchemaOf(definition.inputSchema, 'input')),
      outputSchema: schema(jsonSchemaOf(definition.outputSchema, 'output')),
      needs: definition.needs,
    })),
  )
  await announceLimits(store, all, queues)
  const plans = Object.entries(queues ?? {}).flatMap(([queue, { bound }]) => {
    checkName(queue, 'queues')
    return bound === undefined ? [] : boundPlans(queue, bound)
  })
  await store.declareBounds(Object.keys(queues ?? {}), plans)
}

async function announceLimits(
  store: Store,
  definitions: readonly AnyJob[],
  queues: LegworkOptions['queues'] = {},
): Promise<void> {
  const ofQueues = Object.entries(queues).flatMap(([queue, { limit }]) => {
    if (limit === undefined) return []
    checkName(queue, 'queues')
    const given = typeof limit === 'number' ? { running: limit } : typeof limit === 'string' ? { rate: limit } : limit
    return [{ ...plainPlan(`${queuePrefix}${queue}`), rule: storedRule(given, `queues.${queue}.limit`) }]
  })
  const ofWorkers = definitions.flatMap(({ name, perWorker: running }) =>
    running === undefined ? [] : [{ ...plainPlan(`${workerPrefix}${name}`), rule: { running } }],
  )
  const plans = [...definitions.flatMap((definition) => definition.limits), ...ofQueues, ...ofWorkers]
  const declared = declarationsOf(plans)
  const without = definitions
    .flatMap(({ name }) => [name, `${workerPrefix}${name}`])
    .filter((name) => !declared.has(name))
  await store.declareLimits(
    [...declared].map(([name, { rule, strong }]) => ({ name, rule, strong })),
    without,
  )
}

export function retentionOf(given: LegworkOptions['retention'] = {}): Retention {
  const { count } = given
  if (count !== undefined && (!Number.isInteger(count) || count < 0))
    throw optionError('retention.count', 'a whole number from 0', count)
  return {
    done: milliseconds(given.age ?? '7d', 'retention.age'),
    dead: milliseconds(given.dead ?? '90d', 'retention.dead'),
    count,
  }
}

function queueShares(queues: WorkOptions['queues'], concurrency: number): ReadonlyMap<string, QueueShare> | undefined {
  if (queues === undefined) return undefined
  if (Array.isArray(queues)) return new Map(queues.map((name: string) => [name, { limit: Infinity, weight: 1 }]))
  return new Map(
    Object.entries(queues as Record<string, number | QueueWork>).map(([name, given]) => {
      const isNumber = typeof given === 'number'
      const { concurrency: limit = Infinity, weight = 1 } = isNumber ? { concurrency: given } : given
      const option = `queues.${name}${isNumber ? '' : '.concurrency'}`
      if (limit !== Infinity && (!Number.isInteger(limit) || limit < 1))
        throw optionError(option, 'a whole number from 1', limit)
      if (!(weight > 0 && weight <= 1_000)) throw optionError(`queues.${name}.weight`, 'above 0 and up to 1000', weight)
      return [name, { limit: limit === Infinity ? Infinity : Math.min(limit, concurrency), weight }]
    }),
  )
}

function keptPlaces(reserve: WorkOptions['reserve'] = {}, concurrency: number): Kept[] {
  const kept = Object.entries(reserve).map(([name, places]) => {
    if (!Number.isInteger(places) || places < 0) throw optionError(`reserve.${name}`, 'a whole number from 0', places)
    return { priority: priorityNamed(name, 'reserve'), places }
  })
  const sum = kept.reduce((total, { places }) => total + places, 0)
  if (sum >= concurrency) throw optionError('reserve', `fewer places than concurrency, ${concurrency}`, reserve)
  return kept.filter(({ places }) => places > 0)
}
