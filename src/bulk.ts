import type { BulkKind, BulkOptions, BulkRef, BulkResult } from './api.ts'
import { type Patch, patchOf } from './core/change.ts'
import { type AnyJob, job } from './core/definition.ts'
import { optionError } from './core/errors.ts'
import type { State } from './core/states.ts'
import { cancelJob } from './live/cancel.ts'
import { patchJobs } from './live/change.ts'
import type { JobRef, RefParts } from './live/ref.ts'
import { pagesOf } from './pages.ts'
import type { JobFilter } from './store/queries/list.ts'
import type { JobRecord } from './store/queries/find.ts'

/** The name of the job that carries out a bulk operation. */
const bulkName = 'legwork.bulk'

/** A bulk operation, checked: plain data, so that a job can carry it. */
export interface BulkPlan {
  readonly kind: BulkKind
  readonly filter: JobFilter
  readonly reason: string
  readonly patch: Patch
}

const defaultStates: Readonly<Record<BulkKind, State | readonly State[]>> = {
  cancel: ['scheduled', 'blocked', 'ready', 'running', 'waiting'],
  redrive: 'dead',
  change: ['scheduled', 'blocked', 'ready'],
}

/** Checks an operation. @throws LW_OPTION_INVALID, LW_INPUT_INVALID */
export async function planBulk(
  parts: RefParts,
  kind: BulkKind,
  filter: JobFilter,
  options: BulkOptions,
): Promise<BulkPlan> {
  if (!Object.hasOwn(defaultStates, kind)) throw optionError('kind', "'cancel', 'redrive' or 'change'", kind)
  const { reason = 'cancelled by request', change } = options
  if ((kind === 'change') !== (change !== undefined))
    throw optionError('change', kind === 'change' ? 'given' : "left out, but for a bulk 'change'", change)
  const { name } = filter
  const only = typeof name === 'string' ? name : name?.length === 1 ? name[0] : undefined
  const definition = only === undefined ? undefined : parts.definitions.get(only)
  const patch = change === undefined ? {} : await patchOf(change, definition)
  return { kind, filter: { ...filter, state: filter.state ?? defaultStates[kind] }, reason, patch }
}

/**
 * Carries out a plan on all jobs that fit now, oldest first, a page at a time; a job that changes meanwhile is not met twice.
 * Returns how many were changed and how many met. @throws the reason of `signal`, between two statements
 */
export async function runBulk(
  parts: RefParts,
  plan: BulkPlan,
  { signal, onPage }: { readonly signal?: AbortSignal; readonly onPage?: (so: BulkResult) => void } = {},
): Promise<BulkResult> {
  let so = { done: 0, met: 0 }
  for await (const found of pagesOf(parts.store, plan.filter)) {
    signal?.throwIfAborted()
    const jobs = found.filter(({ name }) => name !== bulkName || plan.filter.name !== undefined)
    so = { done: so.done + (await apply(parts, plan, jobs, signal)), met: so.met + jobs.length }
    onPage?.(so)
  }
  return so
}

/** Counts the jobs that fit and adds the job that carries the operation out, if it is not only a dry run. */
export async function startBulk(
  parts: RefParts,
  kind: BulkKind,
  filter: JobFilter,
  options: BulkOptions,
  add: (job: AnyJob, input: BulkInput) => Promise<JobRef<BulkResult>>,
): Promise<BulkRef> {
  const plan = await planBulk(parts, kind, filter, options)
  const count = await parts.store.count(plan.filter)
  if (options.dryRun === true) return { count } as BulkRef
  return Object.assign(await add(contract, { ...plan, count }), { count })
}

interface BulkInput extends BulkPlan {
  readonly count: number
}

const contract = job(bulkName, { retry: 5, tags: ['legwork'] })

/** The job that carries out bulk operations, for the workers of this engine. */
export function bulkJob(parts: RefParts): AnyJob {
  return contract.handle(({ input, progress, signal }) => {
    const plan = input as BulkInput // nobody but startBulk makes one
    const percent = (met: number) => (plan.count === 0 ? 100 : (100 * met) / plan.count)
    const onPage = ({ done, met }: BulkResult) => progress(percent(met), `${done} of ${met}`)
    return runBulk(parts, revived(plan), { signal, onPage })
  })
}

/** Dates have become text on their way through the job's row. */
function revived(plan: BulkPlan): BulkPlan {
  const { createdAfter, createdBefore, ...rest } = plan.filter
  return {
    ...plan,
    filter: {
      ...rest,
      ...(createdAfter && { createdAfter: new Date(createdAfter) }),
      ...(createdBefore && { createdBefore: new Date(createdBefore) }),
    },
  }
}

async function apply(
  parts: RefParts,
  { kind, reason, patch }: BulkPlan,
  jobs: readonly JobRecord[],
  signal: AbortSignal | undefined,
): Promise<number> {
  const ids = jobs.map(({ id }) => id)
  if (kind === 'redrive') return redrive(parts, ids)
  if (kind === 'change')
    return (await patchJobs(parts, ids, patch)).filter(({ outcome }) => outcome === 'changed').length
  let count = 0
  for (const id of ids) {
    signal?.throwIfAborted() // a transaction each: a page of them is too long to wait for an abort
    if (await cancelJob(parts, id, reason)) count++
  }
  return count
}

async function redrive({ store, hub }: RefParts, jobs: readonly string[]): Promise<number> {
  const { ids, woken } = await store.redrive(jobs)
  hub.tell({ woken, changed: ids })
  return ids.length
}
