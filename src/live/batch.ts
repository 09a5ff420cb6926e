import type { Settled } from '../core/call.ts'
import { type Clock, pause } from '../core/clock.ts'
import { type Duration, milliseconds } from '../core/duration.ts'
import { LegworkError } from '../core/errors.ts'
import { membersOf } from '../store/members.ts'
import type { BatchStatus } from '../store/queries/batches.ts'
import type { Store } from '../store/store.ts'
import { cancelMembers } from './cancel.ts'
import type { Hub } from './hub.ts'
import type { RefParts } from './ref.ts'

/** A set of jobs that were added together. */
export interface BatchRef {
  readonly id: string
  /** How many have ended, and how. @throws LW_JOB_NOT_FOUND */
  status(): Promise<BatchStatus>
  /** Resolves when all of its jobs have ended. @throws LW_WAIT_TIMEOUT, LW_WAIT_ABORTED, LW_JOB_NOT_FOUND */
  done(options?: { readonly timeout?: Duration; readonly signal?: AbortSignal }): Promise<BatchStatus>
  /** What became of the jobs that have ended, in the order in which they were given. Outputs as JSON values. */
  results(): AsyncGenerator<Settled<unknown>>
  /** Cancels the jobs that have not ended; returns how many. */
  cancel(reason?: string): Promise<number>
}

const lookEvery = 1_000

export function createBatchRef(parts: RefParts, id: string): BatchRef {
  return {
    id,
    status: () => status(parts.store, id),
    done: ({ timeout, signal } = {}) =>
      done(parts, id, timeout === undefined ? Infinity : milliseconds(timeout, 'timeout'), signal),
    results: () => results(parts.store, id),
    cancel: (reason = 'cancelled by request') => cancelMembers(parts, id, reason),
  }
}

async function status(store: Store, id: string): Promise<BatchStatus> {
  const found = await store.batch(id)
  if (!found) throw new LegworkError('LW_JOB_NOT_FOUND', `There is no batch ${id}.`, { details: { id } })
  return found
}

/** Looks whenever jobs have ended, and once a second. */
async function done(
  { store, clock, hub }: { readonly store: Store; readonly clock: Clock; readonly hub: Hub },
  id: string,
  timeout: number,
  signal: AbortSignal | undefined,
): Promise<BatchStatus> {
  const until = clock.now() + timeout
  let wake: () => void = () => undefined
  const unsubscribe = hub.subscribe((hint) => (hint.many || hint.ended?.length ? wake() : undefined))
  try {
    for (;;) {
      const ended = new AbortController()
      wake = () => ended.abort()
      if (signal?.aborted) throw aborted(id, signal)
      const found = await status(store, id)
      if (found.pending === 0) return found
      const left = until - clock.now()
      if (left <= 0) throw late(id, timeout)
      const either = signal ? AbortSignal.any([ended.signal, signal]) : ended.signal
      await pause(clock, Math.min(lookEvery, left), either)
    }
  } finally {
    unsubscribe()
  }
}

async function* results(store: Store, id: string): AsyncGenerator<Settled<unknown>> {
  for await (const { job, state, reason, output, error } of membersOf(store, id)) {
    if (state === 'completed')
      yield { id: job, state, output: output === null ? undefined : (JSON.parse(output) as unknown) }
    else if (state) yield { id: job, state, reason: reason ?? undefined, error: error ?? undefined }
  }
}

function late(id: string, timeout: number): LegworkError {
  return new LegworkError('LW_WAIT_TIMEOUT', `Batch ${id} was not over within ${timeout} ms.`, {
    hint: 'Its jobs go on; ask again later.',
    details: { id, timeout },
  })
}

function aborted(id: string, signal: AbortSignal): LegworkError {
  return new LegworkError('LW_WAIT_ABORTED', `The wait for batch ${id} was aborted.`, { cause: signal.reason })
}
