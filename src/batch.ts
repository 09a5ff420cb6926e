import type { BatchOptions } from './api.ts'
import type { JobCall } from './core/call.ts'
import type { AnyJob } from './core/definition.ts'
import { optionError } from './core/errors.ts'
import { prepare } from './enqueue.ts'
import type { Producer } from './producer.ts'
import type { NewJob } from './store/queries/enqueue.ts'

/** Adds a batch and returns its id. Every input is checked before anything is stored. */
export async function addBatch(
  producer: Producer,
  jobs: readonly JobCall[],
  { onFinished, onSucceeded, onFailed }: BatchOptions,
): Promise<string> {
  if (!Array.isArray(jobs) || jobs.length === 0)
    throw optionError('jobs of a batch', 'a list of at least one job with its input', jobs)
  const rows = await Promise.all(jobs.map((call: JobCall) => rowOf(call)))
  const follow = {
    ...(onFinished && { finished: await rowOf(onFinished) }),
    ...(onSucceeded && { succeeded: await rowOf(onSucceeded) }),
    ...(onFailed && { failed: await rowOf(onFailed) }),
  }
  return producer.addBatch(rows, follow)
}

async function rowOf(call: JobCall): Promise<NewJob> {
  const job = call?.job as AnyJob | undefined
  if (typeof job?.handle !== 'function')
    throw optionError('job of a batch', 'what definition.with(input) returns', call)
  return prepare(job, call.input, {})
}
