import { forkJobs, type ForkOptions } from './live/fork.ts'
import type { RefParts } from './live/ref.ts'
import type { JobFilter, JobPage } from './store/queries/list.ts'
import type { Store } from './store/store.ts'

/** Jobs that are read at once. */
const page = 500

/** Forks all jobs that fit; returns how many. */
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
