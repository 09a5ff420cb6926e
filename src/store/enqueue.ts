import { fullOf } from '../core/bound.ts'
import type { Connection } from './connection.ts'
import { comeAfter } from './queries/after.ts'
import {
  type Enqueued,
  enqueue,
  enqueueByFunction,
  enqueuedOf,
  enqueuePayload,
  enqueuePlain,
  enqueueStatement,
  mergeCoalesced,
  type NewJob,
} from './queries/enqueue.ts'
import { enqueueRuled, isRuled } from './queries/unique.ts'
import { openTransaction } from './transaction/own.ts'
import type { Transaction } from './transaction/transaction.ts'

/** A statement's parameter must stay far below the 256 MB a jsonb may have. */
const largestEnqueue = 10_000

/** On the engine's own connection. */
export function enqueueHere(connection: Connection, jobs: readonly NewJob[]): Promise<Enqueued[]> {
  const comesAfter = jobs.some((job) => job.after !== undefined)
  if (jobs.some(isRuled)) return connection.transaction((tx) => enqueueIn(openTransaction(tx), jobs))
  if (jobs.length <= largestEnqueue && !comesAfter) return enqueueAlone(connection, jobs)
  return connection.transaction(async (tx) => {
    const added = await inChunks(jobs, (chunk) => enqueue(tx, chunk))
    if (comesAfter) await putAfter(openTransaction(tx), jobs, added)
    return added
  })
}

/** Nearly always one statement; what may be merged into a job that waits needs a transaction, once its queue has bounds. */
async function enqueueAlone(connection: Connection, jobs: readonly NewJob[]): Promise<Enqueued[]> {
  const added = await enqueuePlain(connection, jobs)
  if (added) return added
  if (!jobs.some((job) => job.merge)) return enqueueByFunction(connection, jobs)
  return connection.transaction((tx) => enqueueByFunction(tx, jobs))
}

/** In whatever library's transaction. */
export async function enqueueIn(tx: Transaction, jobs: readonly NewJob[]): Promise<Enqueued[]> {
  const added = await inChunks(jobs, (chunk) =>
    chunk.some(isRuled) ? enqueueRuled(tx, chunk) : enqueueUnruled(tx, chunk),
  )
  if (jobs.some((job) => job.after !== undefined)) await putAfter(tx, jobs, added)
  return added
}

async function enqueueUnruled(tx: Transaction, jobs: readonly NewJob[]): Promise<Enqueued[]> {
  const added = enqueuedOf(await tx.query(enqueueStatement.text, [enqueuePayload(jobs)]), jobs)
  return mergeCoalesced(tx, jobs, added)
}

async function putAfter(tx: Transaction, jobs: readonly NewJob[], added: readonly Enqueued[]): Promise<void> {
  const dependent = added.flatMap(({ id, created }, place) => {
    const after = jobs[place]?.after
    return created && after ? [{ id, after }] : []
  })
  if (dependent.length > 0) await comeAfter(tx, dependent)
}

async function inChunks(
  jobs: readonly NewJob[],
  add: (chunk: readonly NewJob[]) => Promise<Enqueued[]>,
): Promise<Enqueued[]> {
  const all: Enqueued[] = []
  for (let at = 0; at < jobs.length; at += largestEnqueue) all.push(...(await add(jobs.slice(at, at + largestEnqueue))))
  return all
}

/** What adds jobs. @throws LW_QUEUE_FULL when a bound refuses them */
export async function bounded<T>(adding: Promise<T>): Promise<T> {
  try {
    return await adding
  } catch (error) {
    throw fullOf(error) ?? error
  }
}
