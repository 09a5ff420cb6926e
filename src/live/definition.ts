import type { AnyJob } from '../core/definition.ts'
import { LegworkError, show } from '../core/errors.ts'
import type { Store } from '../store/store.ts'
import { notFound } from './results.ts'

interface Known {
  readonly store: Store
  readonly definitions: ReadonlyMap<string, AnyJob>
}

/** The definition of a job that is known by its id only. @throws LW_JOB_NOT_FOUND, LW_JOB_UNKNOWN with this hint */
export async function definitionOfJob({ store, definitions }: Known, id: string, hint: string): Promise<AnyJob> {
  const job = await store.find(id)
  if (!job) throw notFound(id)
  const found = definitions.get(job.name)
  if (found) return found
  throw new LegworkError('LW_JOB_UNKNOWN', `No job named ${show(job.name)} was given to legwork().`, {
    hint,
    details: { name: job.name },
  })
}
