import { cancelJob } from './live/cancel.ts'
import { forkJobs, type ForkOptions } from './live/fork.ts'
import type { RefParts } from './live/ref.ts'
import type { JobFilter, JobPage } from './store/queries/list.ts'
import type { Store } from './store/store.ts'

/** Jobs that a bulk operation reads at once. */
const page = 500

export function cancelAll(parts: RefParts, filter: JobFilter, reason: string): Promise<number> {
  const live = filter.state ?? (['scheduled', 'blocked', 'ready', 'running', 'waiting'] as const)
  return eachPage(parts.store, { ...filter, state: live }, async (ids) => {
    let count = 0
    for (const id of ids) if (await cancelJob(parts, id, reason)) count++
    return count
  })
}

export function redriveAll(parts: RefParts, filter: JobFilter): Promise<number> {
  return eachPage(parts.store, { ...filter, state: filter.state ?? 'dead' }, async (ids) => {
    const { ids: back, woken } = await parts.store.redrive(ids)
    parts.hub.tell({ woken, changed: back })
    return back.length
  })
}

export async function forkAll(parts: RefParts, filter: JobFilter, options: Pick<ForkOptions, 'from'>): Promise<number> {
  const wanted = { ...filter, state: filter.state ?? ('dead' as const) }
  const [newest] = (await parts.store.list({ ...wanted, limit: 1 })).jobs
  const isOld = (id: string) => newest !== undefined && BigInt(id) <= BigInt(newest.id) // a fork may fit the filter too
  return eachPage(parts.store, wanted, (ids) => forkJobs(parts, ids.filter(isOld), options))
}

/** Runs `work` over all ids that fit now, oldest first, a page at a time; a job that changes meanwhile is not met twice. */
async function eachPage(
  store: Store,
  filter: JobFilter,
  work: (ids: readonly string[]) => Promise<number>,
): Promise<number> {
  let count = 0
  for (let after: string | undefined, more = true; more;) {
    const found: JobPage = await store.list({
      ...filter,
      order: 'oldest',
      limit: page,
      ...(after !== undefined && { after }),
    })
    count += await work(found.jobs.map((job) => job.id))
    after = found.next
    more = after !== undefined
  }
  return count
}
