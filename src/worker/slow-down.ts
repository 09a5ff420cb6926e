import { LegworkError, show } from '../core/errors.ts'
import type { Store } from '../store/store.ts'
import type { Held } from './running.ts'

/** A running job asks its limits, or the one of this name, to let nobody begin for `ms`. */
export async function slowDown(
  store: Store,
  workerId: number,
  { job }: Held,
  ms: number,
  name: string | undefined,
): Promise<void> {
  const found = await store.slowDown(workerId, job, ms, name)
  if (found === undefined)
    throw new LegworkError('LW_LEASE_LOST', `Job ${job.id} (${job.name}) is not this worker's any more.`)
  if (found > 0) return
  const what = name === undefined ? 'no limit with a rate, and no breaker' : `no limit or breaker named ${show(name)}`
  throw new LegworkError('LW_LIMIT_UNKNOWN', `Job ${job.id} (${job.name}) has ${what}: nothing slows down.`, {
    hint: 'Give its definition a limit with a rate, or a breaker.',
  })
}
