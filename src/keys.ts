import { type ChangedBy, changeOf, type SettingChange } from './changes.ts'
import type { AnyJob } from './core/definition.ts'
import type { StoredRule } from './core/limit.ts'
import { text } from './core/text.ts'
import type { Hub } from './live/hub.ts'
import type { BlockedKey } from './store/queries/keys.ts'
import type { Store } from './store/store.ts'

/** Whether a key was blocked, and by which job. */
export interface KeySetting {
  readonly blocked: boolean
  readonly job?: string
}

/** Keys of jobs with `keyFailure: 'block'`. */
export interface Keys {
  /** The keys of which nothing runs, because a job has failed for good; of one job or all, the oldest first, at most 1,000. */
  blocked(job?: AnyJob | string): Promise<BlockedKey[]>
  /**
   * Leaves the job that failed as it is and lets the next one of its key go on. `ref.retry()` of that job is the other way:
   * it runs before those that wait.
   * @returns false when the key was not blocked
   */
  unblock(job: AnyJob | string, key: string, options?: ChangedBy): Promise<boolean>
  /** When the key was unblocked and by whom, newest first. */
  history(job: AnyJob | string, key: string): Promise<SettingChange<KeySetting>[]>
}

export function createKeys({ store, hub }: { readonly store: Store; readonly hub: Hub }): Keys {
  return {
    blocked: (job) => store.blockedKeys(job === undefined ? undefined : nameOf(job)),
    unblock: async (job, key, { by } = {}) => {
      const isUnblocked = await store.unblockKey(nameOf(job), key, text(by, 'by'))
      if (isUnblocked) hub.tellHere({ queues: true })
      return isUnblocked
    },
    history: async (job, key) => {
      const rows = await store.keyHistory(nameOf(job), key)
      return rows.map((row) => changeOf(row, keySetting))
    },
  }
}

function nameOf(job: AnyJob | string): string {
  return typeof job === 'string' ? job : job.name
}

function keySetting({ blocked, job }: StoredRule): KeySetting {
  return { blocked: blocked === true, ...(typeof job === 'string' && { job }) }
}
