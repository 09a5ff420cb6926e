import type { AnyJob } from './core/definition.ts'
import type { Hub } from './live/hub.ts'
import type { BlockedKey } from './store/queries/keys.ts'
import type { Store } from './store/store.ts'

/** Keys of jobs with `keyFailure: 'block'`. */
export interface Keys {
  /** The keys of which nothing runs, because a job has failed for good; of one job or all, the oldest first, at most 1,000. */
  blocked(job?: AnyJob | string): Promise<BlockedKey[]>
  /**
   * Leaves the job that failed as it is and lets the next one of its key go on. `ref.retry()` of that job is the other way:
   * it runs before those that wait.
   * @returns false when the key was not blocked
   */
  unblock(job: AnyJob | string, key: string): Promise<boolean>
}

export function createKeys({ store, hub }: { readonly store: Store; readonly hub: Hub }): Keys {
  return {
    blocked: (job) => store.blockedKeys(job === undefined ? undefined : nameOf(job)),
    unblock: async (job, key) => {
      const woken = await store.unblockKey(nameOf(job), key)
      if (woken?.length) hub.tell({ woken })
      return woken !== undefined
    },
  }
}

function nameOf(job: AnyJob | string): string {
  return typeof job === 'string' ? job : job.name
}
