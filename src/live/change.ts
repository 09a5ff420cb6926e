import { type Change, type Patch, patchOf } from '../core/change.ts'
import type { AnyJob } from '../core/definition.ts'
import { LegworkError } from '../core/errors.ts'
import type { Changed } from '../store/queries/change.ts'
import type { Store } from '../store/store.ts'
import type { Hub } from './hub.ts'
import { definitionOfJob } from './definition.ts'
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
  const known =
    definition ??
    (Object.hasOwn(change, 'input') ? await definitionOfJob(parts, id, 'Its input cannot be checked here.') : undefined)
  const [answer] = await patchJobs(parts, [id], await patchOf(change, known))
  const outcome = answer?.outcome ?? 'missing'
  if (outcome === 'missing') throw notFound(id)
  if (outcome === 'changed') return
  const job = await parts.store.find(id)
  const state = outcome === 'running' && job?.state !== 'waiting' ? 'running' : (job?.state ?? 'gone')
  throw new LegworkError('LW_JOB_STATE', `Job ${id} (${job?.name ?? 'unknown'}) cannot be changed: it is ${state}.`, {
    hint: 'Jobs can be changed until a worker takes them.',
    details: { id, state },
  })
}

/** Changes those of the jobs that wait, and tells whoever needs to know. */
export async function patchJobs(
  { store, hub }: Pick<ChangeParts, 'store' | 'hub'>,
  ids: readonly string[],
  patch: Patch,
): Promise<Changed[]> {
  const answers = await store.change(ids, patch)
  const changed = answers.filter(({ outcome }) => outcome === 'changed')
  const due = Math.min(...changed.map((one) => one.due ?? Infinity))
  hub.tell({
    changed: changed.map(({ id }) => id),
    woken: changed.flatMap(({ lane }) => lane ?? []),
    ...(due < Infinity && { due }),
  })
  return answers
}
