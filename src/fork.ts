import { forkJobs, type ForkOptions } from './live/fork.ts'
import type { RefParts } from './live/ref.ts'
import { pagesOf } from './pages.ts'
import type { JobFilter } from './store/queries/list.ts'

/** Forks all jobs that fit; returns how many. */
export async function forkAll(parts: RefParts, filter: JobFilter, options: Pick<ForkOptions, 'from'>): Promise<number> {
  const wanted = { ...filter, state: filter.state ?? ('dead' as const) }
  const [newest] = (await parts.store.list({ ...wanted, limit: 1 })).jobs
  const isOld = (id: string) => newest !== undefined && BigInt(id) <= BigInt(newest.id) // a fork may fit the filter too
  let count = 0
  for await (const jobs of pagesOf(parts.store, wanted))
    count += await forkJobs(parts, jobs.map(({ id }) => id).filter(isOld), options)
  return count
}
