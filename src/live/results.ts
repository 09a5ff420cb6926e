import { type Clock, pause } from '../core/clock.ts'
import { LegworkError } from '../core/errors.ts'
import type { Ended } from '../store/queries/find.ts'
import type { Store } from '../store/store.ts'
import type { Hub } from './hub.ts'

export interface WaitOptions {
  /** Milliseconds after which the wait fails with LW_WAIT_TIMEOUT; the job goes on. Default: no limit. */
  readonly timeout?: number
  readonly signal?: AbortSignal
}

interface Waiter {
  readonly resolve: (ended: Ended) => void
  readonly reject: (error: unknown) => void
}

/** Between hints the rows are looked at this often, all waits in one statement. */
const pollEvery = 1_000

/**
 * Waits for jobs to end. All waits of a process share one query, made when a hint names a job that is waited for,
 * and once a second as long as anybody waits.
 */
export class Results {
  readonly #store: Store
  readonly #clock: Clock
  readonly #waiters = new Map<string, Set<Waiter>>()
  readonly #unsubscribe: () => void
  #wanted = new Set<string>()
  #looking = false
  #stopPolling: (() => void) | undefined

  constructor(store: Store, clock: Clock, hub: Hub) {
    this.#store = store
    this.#clock = clock
    this.#unsubscribe = hub.subscribe(
      (hint) => (hint.many ? this.#lookAtAll() : this.#look((hint.ended ?? []).filter((id) => this.#waiters.has(id)))),
      () => this.#lookAtAll(),
    )
  }

  /** How the job ended. @throws LW_WAIT_TIMEOUT, LW_WAIT_ABORTED, LW_JOB_NOT_FOUND, LW_CLOSED */
  async wait(id: string, { timeout, signal }: WaitOptions = {}): Promise<Ended> {
    if (signal?.aborted) throw aborted(id, signal)
    const over = new AbortController()
    let waiter: Waiter | undefined
    const onAbort = () => waiter?.reject(aborted(id, signal))
    try {
      return await new Promise<Ended>((resolve, reject) => {
        waiter = { resolve, reject }
        this.#add(id, waiter)
        signal?.addEventListener('abort', onAbort, { once: true })
        if (timeout !== undefined) {
          void pause(this.#clock, timeout, over.signal).then((how) => how === 'elapsed' && reject(late(id, timeout)))
        }
        this.#look([id])
      })
    } finally {
      over.abort()
      signal?.removeEventListener('abort', onAbort)
      if (waiter) this.#remove(id, waiter)
    }
  }

  close(): void {
    this.#unsubscribe()
    this.#stopPolling?.()
    for (const [id, waiters] of this.#waiters) {
      for (const waiter of waiters)
        waiter.reject(new LegworkError('LW_CLOSED', `The engine was closed while job ${id} was waited for.`))
    }
  }

  #add(id: string, waiter: Waiter): void {
    this.#waiters.set(id, (this.#waiters.get(id) ?? new Set<Waiter>()).add(waiter))
    this.#stopPolling ??= this.#clock.every(pollEvery, () => this.#lookAtAll())
  }

  #remove(id: string, waiter: Waiter): void {
    const waiters = this.#waiters.get(id)
    waiters?.delete(waiter)
    if (waiters?.size === 0) this.#waiters.delete(id)
    if (this.#waiters.size > 0) return
    this.#stopPolling?.()
    this.#stopPolling = undefined
  }

  #lookAtAll(): void {
    this.#look([...this.#waiters.keys()])
  }

  /** Asks for these, together with everything else that is wanted by the time the query goes out. */
  #look(ids: readonly string[]): void {
    for (const id of ids) this.#wanted.add(id)
    if (this.#wanted.size === 0) return
    if (this.#looking) return
    this.#looking = true
    void this.#query().finally(() => {
      this.#looking = false
      this.#look([])
    })
  }

  async #query(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
    const ids = [...this.#wanted]
    this.#wanted = new Set()
    try {
      const { ended, missing } = await this.#store.ended(ids)
      for (const row of ended) for (const waiter of this.#waiters.get(row.id) ?? []) waiter.resolve(row)
      for (const id of missing) for (const waiter of this.#waiters.get(id) ?? []) waiter.reject(notFound(id))
    } catch (error) {
      if (error instanceof LegworkError && error.code === 'LW_DATABASE_UNREACHABLE') return // the poll asks again
      for (const id of ids) for (const waiter of this.#waiters.get(id) ?? []) waiter.reject(error)
    }
  }
}

export function notFound(id: string): LegworkError {
  return new LegworkError('LW_JOB_NOT_FOUND', `There is no job ${id}.`, {
    hint: 'The id is wrong, its transaction was rolled back, or its history was pruned.',
    details: { id },
  })
}

function late(id: string, timeout: number): LegworkError {
  return new LegworkError('LW_WAIT_TIMEOUT', `Job ${id} did not end within ${timeout} ms.`, {
    hint: 'The job goes on; ask again later.',
    details: { id, timeout },
  })
}

function aborted(id: string, signal: AbortSignal | undefined): LegworkError {
  return new LegworkError('LW_WAIT_ABORTED', `The wait for job ${id} was aborted.`, {
    cause: signal?.reason,
    details: { id },
  })
}
