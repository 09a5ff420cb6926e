import type { BatchOptions } from './api.ts'
import type { JobCall } from './core/call.ts'
import { optionError } from './core/errors.ts'
import { prepareCall } from './enqueue.ts'
import type { Producer } from './producer.ts'

/** Adds a batch and returns its id. Every input is checked before anything is stored. */
export async function addBatch(
  producer: Producer,
  jobs: readonly JobCall[],
  { onFinished, onSucceeded, onFailed }: BatchOptions,
): Promise<string> {
  if (!Array.isArray(jobs) || jobs.length === 0)
    throw optionError('jobs of a batch', 'a list of at least one job with its input', jobs)
  const rows = await Promise.all(jobs.map(async (call: JobCall) => prepareCall(call)))
  const follow = {
    ...(onFinished && { finished: await prepareCall(onFinished) }),
    ...(onSucceeded && { succeeded: await prepareCall(onSucceeded) }),
    ...(onFailed && { failed: await prepareCall(onFailed) }),
  }
  return producer.addBatch(rows, follow)
}
