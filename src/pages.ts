import type { JobFilter, JobPage } from './store/queries/list.ts'
import type { Store } from './store/store.ts'

/** Jobs that are read at once. */
const page = 500

/** All jobs that fit now, oldest first, a page at a time; a job that changes meanwhile is not met twice. */
export async function* pagesOf(store: Store, filter: JobFilter): AsyncGenerator<JobPage['jobs']> {
  for (let after: string | undefined, more = true; more;) {
    const found = await store.list({
      ...filter,
      order: 'oldest',
      limit: page,
      ...(after !== undefined && { after }),
    })
    yield found.jobs
    after = found.next
    more = after !== undefined
  }
}
