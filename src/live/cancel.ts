import { membersOf } from '../store/members.ts'
import type { Store } from '../store/store.ts'
import type { Hub } from './hub.ts'
import { notFound } from './results.ts'

interface CancelParts {
  readonly store: Store
  readonly hub: Hub
}

/** Cancels one job and, if it ends by that, its children; tells whoever needs to know. False when it had ended already. */
export async function cancelJob(parts: CancelParts, id: string, reason: string): Promise<boolean> {
  const { store, hub } = parts
  const { outcome, isParent, woken } = await store.cancel(id, reason)
  if (outcome === 'none' && !(await store.find(id))) throw notFound(id)
  if (outcome === 'asked') hub.tell({ cancel: [id], changed: [id], woken })
  if (outcome === 'cancelled') hub.tell({ ended: [id], woken })
  if (isParent) await cancelChildren(parts, id, reason)
  return outcome !== 'none'
}

/** Cancels the unfinished children of a job that end with it. */
export async function cancelChildren(parts: CancelParts, parent: string, reason: string): Promise<void> {
  for (const batch of await parts.store.openBatches(parent)) await cancelMembers(parts, batch, reason)
}

/** Cancels the members of a batch that have not ended; returns how many. */
export async function cancelMembers(parts: CancelParts, batch: string, reason: string): Promise<number> {
  let count = 0
  for await (const { state, job } of membersOf(parts.store, batch))
    if (state === undefined && (await cancelJob(parts, job, reason))) count++
  return count
}
