import { type Change, type Patch, patchOf } from '../core/change.ts'
import type { AnyJob } from '../core/definition.ts'
import { LegworkError } from '../core/errors.ts'
import type { Store } from '../store/store.ts'
import type { Hub } from './hub.ts'
import { notFound } from './results.ts'

interface ChangeParts {
  readonly store: Store
  readonly hub: Hub
  readonly definitions: ReadonlyMap<string, AnyJob>
}

/** Checks a change of one job and carries it out. @throws LW_JOB_STATE, LW_JOB_NOT_FOUND, and what patchOf throws */
export async function changeJob(
  parts: ChangeParts,
  id: string,
  change: Change,
  definition: AnyJob | undefined,
): Promise<void> {
  const known = definition ?? (Object.hasOwn(change, 'input') ? await definitionOf(parts, id) : undefined)
  const outcome = await patchJob(parts, id, await patchOf(change, known))
  if (outcome === 'missing') throw notFound(id)
  if (outcome === 'changed') return
  const job = await parts.store.find(id)
  const state = outcome === 'running' && job?.state !== 'waiting' ? 'running' : (job?.state ?? 'gone')
  throw new LegworkError('LW_JOB_STATE', `Job ${id} (${job?.name ?? 'unknown'}) cannot be changed: it is ${state}.`, {
    hint: 'Jobs can be changed until a worker takes them.',
    details: { id, state },
  })
}

/** Changes one job if it waits, and tells whoever needs to know. */
export async function patchJob(
  { store, hub }: Pick<ChangeParts, 'store' | 'hub'>,
  id: string,
  patch: Patch,
): Promise<'changed' | 'running' | 'ended' | 'missing'> {
  const { outcome, lane, due } = await store.change(id, patch)
  if (outcome === 'changed')
    hub.tell({ changed: [id], ...(lane && { woken: [lane] }), ...(due !== undefined && { due }) })
  return outcome
}

async function definitionOf({ store, definitions }: ChangeParts, id: string): Promise<AnyJob> {
  const job = await store.find(id)
  if (!job) throw notFound(id)
  const found = definitions.get(job.name)
  if (found) return found
  throw new LegworkError('LW_JOB_UNKNOWN', `No job named ${JSON.stringify(job.name)} was given to legwork().`, {
    hint: 'Its input cannot be checked here.',
    details: { name: job.name },
  })
}
