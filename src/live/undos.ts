import { LegworkError, optionError } from '../core/errors.ts'
import type { Store } from '../store/store.ts'
import type { Hub } from './hub.ts'
import { notFound } from './results.ts'

interface UndoParts {
  readonly store: Store
  readonly hub: Hub
}

/** What a person says of an undo that failed. */
export type UndoResolution = 'retry' | 'skip' | 'done'

/** Settles one failed undo of a job; with the last one the job ends as compensated. */
export async function resolveUndo(parts: UndoParts, id: string, step: string, how: UndoResolution): Promise<void> {
  if (!['retry', 'skip', 'done'].includes(how)) throw optionError('how', "'retry', 'skip' or 'done'", how)
  const { store, hub } = parts
  const resolved = await store.resolveUndo(id, step, how)
  if (resolved === 'absent') throw await notFailed(parts, id)
  const { known, open, woken } = resolved
  if (!known) {
    const rule = open.length === 0 ? 'a step whose undo has failed; none has' : `one of ${open.join(', ')}`
    throw optionError('step', rule, step)
  }
  if (how === 'retry' && woken.length === 0)
    throw new LegworkError(
      'LW_JOB_STATE',
      `Job ${id} cannot run again: another unfinished job holds its unique key. Nothing was changed.`,
    )
  hub.tell({ woken, changed: [id], ...(open.length === 0 && { ended: [id] }) })
}

async function notFailed({ store }: UndoParts, id: string): Promise<LegworkError> {
  const job = await store.find(id)
  if (!job) return notFound(id)
  return new LegworkError('LW_JOB_STATE', `Job ${id} (${job.name}) has no undo to resolve: it is ${job.state}.`, {
    hint: 'Undos are resolved when the job has ended as compensation_failed.',
    details: { id, state: job.state },
  })
}
