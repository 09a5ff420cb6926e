import { randomUUID } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import { hostname } from 'node:os'
import { Batcher } from '../core/batcher.ts'
import { type Clock, pause, systemClock } from '../core/clock.ts'
import { LegworkError, optionError, show } from '../core/errors.ts'
import type { Emitter } from '../core/events.ts'
import { checkName } from '../core/limit.ts'
import {
  endOf,
  resultOf,
  type Lead,
  leaseOf,
  type LockArguments,
  type LockOfAttempt,
  type LockPlan,
  lockPlanOf,
  lostWith,
  type TakeLock,
} from '../core/lock.ts'
import type { LockCall } from '../store/queries/locks.ts'
import type { Store } from '../store/store.ts'
import { waitAborted, waitForLock, waitTimedOut } from './acquire.ts'
import { Health } from './health.ts'
import { Candidate } from './leader.ts'
import { Lease } from './lease.ts'

export interface LocksParts {
  readonly store: Store
  readonly clock: Clock
  readonly events: Emitter
  /** Tells all processes that somebody may have this lock now. */
  readonly tellFreed: (name: string) => void
  /** Calls `look` with the names of locks that became free. Returns how to stop. */
  readonly onFreed: (look: (names: readonly string[]) => void) => () => void
}

/** Most locks that one statement renews. */
const largestBatch = 1_000

/** All locks of this process: those it has, those it waits for, and where it leads or stands by. */
export class Locks {
  readonly #parts: LocksParts
  readonly #leases = new Set<Lease>()
  readonly #candidates = new Set<Candidate>()
  readonly #calls = new Set<Promise<unknown>>()
  readonly #asking = new Set<Promise<unknown>>()
  readonly #closing = new AbortController()
  readonly #renewals: Batcher<LockCall, boolean>
  #abandoned = false

  constructor(parts: LocksParts) {
    this.#parts = parts
    setMaxListeners(0, this.#closing.signal) // each call that waits listens
    const renew = (calls: readonly LockCall[]) => this.#ask(() => parts.store.renewLocks(calls))
    this.#renewals = new Batcher(renew, largestBatch, () => false)
  }

  readonly lock: TakeLock = (name: string, ...rest) => this.#take(name, rest, [])

  readonly lockOfAttempt: LockOfAttempt =
    (stop, over) =>
    (name, ...rest) =>
      this.#take(name, rest, [stop, over], over)

  readonly leader: Lead = (name: string, ...rest) => {
    const [options, work] = rest.length === 1 ? [{}, rest[0]] : rest
    checkName(name, 'name')
    if (typeof work !== 'function') throw optionError('work', 'a function', work)
    const { health } = options
    if (health !== undefined && typeof health !== 'function') throw optionError('health', 'a function', health)
    const { clock, events } = this.#parts
    const lease = leaseOf(options.lease)
    const acquire = (over: AbortSignal) => this.#acquire({ name, who: randomUUID(), lease }, undefined, over)
    const candidate = new Candidate({ name, lease, health: new Health(health), work, clock, events, acquire })
    this.#candidates.add(candidate)
    void candidate.ended.then(() => this.#candidates.delete(candidate))
    return candidate
  }

  /** Leads no more, and stands by no more: another process may begin while this one still ends its jobs. */
  standDown(): void {
    for (const candidate of this.#candidates) void candidate.stop()
  }

  /** Waits for what runs under a lock until `timeout` (real time), then aborts it. Nobody waits for a lock any more. */
  async close(timeout: number): Promise<void> {
    this.standDown()
    this.#closing.abort(new LegworkError('LW_CLOSED', 'The engine was closed while a lock was waited for.'))
    const ends = Promise.allSettled([...this.#calls, ...[...this.#candidates].map(({ ended }) => ended)])
    if (await endsWithin(ends, timeout)) return
    for (const lease of this.#leases)
      lease.abort(
        new LegworkError('LW_SHUTDOWN', `The engine is closing: the lock ${show(lease.call.name)} must be freed.`),
      )
    await endsWithin(ends, 1_000)
    for (const lease of this.#leases) lease.forget() // what does not end keeps its lock until the lease is over
  }

  /** As if the process had been killed. */
  abandon(): void {
    this.#abandoned = true
    for (const lease of this.#leases) lease.forget()
    this.#closing.abort(new LegworkError('LW_CLOSED', 'The process was abandoned.'))
  }

  /** Resolves when it asks the database nothing. */
  async calm(): Promise<void> {
    while (this.#asking.size > 0 || this.#renewals.busy) {
      await this.#renewals.drained()
      await Promise.allSettled(this.#asking)
    }
  }

  async #take<T>(name: string, rest: LockArguments<T>, stops: readonly AbortSignal[], over?: AbortSignal): Promise<T> {
    const { lease, timeout, work, signal: given } = lockPlanOf(name, rest)
    const signal = AbortSignal.any(given ? [given, ...stops] : [...stops])
    const call = { name, who: randomUUID(), lease }
    const run = this.#acquire(call, timeout, signal).then((held) => this.#under(held, signal, work, over))
    this.#calls.add(run)
    const forget = () => this.#calls.delete(run)
    over?.addEventListener('abort', forget, { once: true })
    return run.finally(forget)
  }

  async #under<T>(
    lease: Lease,
    signal: AbortSignal,
    work: LockPlan<T>['work'],
    over: AbortSignal | undefined,
  ): Promise<T> {
    const lock = { name: lease.call.name, token: lease.token }
    const free = () => lease.free().catch((error: unknown) => this.#report(error))
    const freeEarly = () => void free()
    over?.addEventListener('abort', freeEarly, { once: true })
    const ended = await endOf(() => work({ ...lock, signal: AbortSignal.any([lease.signal, signal]) }))
    over?.removeEventListener('abort', freeEarly)
    const held = await free()
    if (held === false) throw lostWith(lock, lease.signal.reason, ended)
    return resultOf(ended)
  }

  async #acquire(call: LockCall, timeout: number | undefined, signal: AbortSignal): Promise<Lease> {
    const over = new AbortController()
    const tooLong = () => over.abort(waitTimedOut(call.name, timeout ?? 0))
    const aborted = () => over.abort(waitAborted(call.name, signal))
    const closed = () => over.abort(this.#closing.signal.reason)
    const cancel = timeout === undefined || timeout === 0 ? undefined : this.#parts.clock.after(timeout, tooLong)
    signal.addEventListener('abort', aborted)
    this.#closing.signal.addEventListener('abort', closed)
    if (signal.aborted) aborted()
    if (this.#closing.signal.aborted) closed()
    try {
      return await this.#wait(call, timeout === 0 ? tooLong : undefined, over.signal)
    } finally {
      cancel?.()
      signal.removeEventListener('abort', aborted)
      this.#closing.signal.removeEventListener('abort', closed)
    }
  }

  /** @param once called after one try in vain; undefined for a call that gets in line */
  async #wait(call: LockCall, once: (() => void) | undefined, over: AbortSignal): Promise<Lease> {
    const { clock, store } = this.#parts
    const request = { ...call, waits: once === undefined, host: hostname(), pid: process.pid }
    const take = async () => {
      const token = await this.#ask(() => store.takeLock(request))
      if (token === undefined) once?.()
      return token
    }
    const onFreed = (look: () => void) => this.#parts.onFreed((names) => names.includes(call.name) && look())
    over.throwIfAborted()
    try {
      const lease = this.#hold(call, await waitForLock({ clock, take, onFreed }, call.lease, over))
      if (!over.aborted) return lease
      lease.forget()
      this.#leases.delete(lease)
      throw over.reason
    } catch (error) {
      await this.#free(call).catch((own: unknown) => this.#report(own))
      throw error
    }
  }

  #hold(call: LockCall, token: bigint): Lease {
    const lease: Lease = new Lease(call, token, {
      clock: this.#parts.clock,
      renew: async (own) => (await this.#renewals.add([own]))[0] === true,
      free: (own) => this.#free(own).finally(() => this.#leases.delete(lease)),
    })
    this.#leases.add(lease)
    return lease
  }

  async #free(call: LockCall): Promise<boolean> {
    const { mine, wanted } = await this.#ask(() => this.#parts.store.freeLock(call))
    if (wanted) this.#parts.tellFreed(call.name)
    return mine
  }

  /** A statement; an abandoned process sends none, and nothing in it goes on. */
  #ask<T>(statement: () => Promise<T>): Promise<T> {
    if (this.#abandoned) return new Promise(() => undefined)
    const asking = statement().finally(() => this.#asking.delete(asking))
    this.#asking.add(asking)
    return asking
  }

  #report(error: unknown): undefined {
    this.#parts.events.emit('error', { during: 'freeing a lock', error })
  }
}

async function endsWithin(work: Promise<unknown>, ms: number): Promise<boolean> {
  const timer = new AbortController()
  const late = pause(systemClock, ms, timer.signal).then(() => false)
  const how = await Promise.race([work.then(() => true), late])
  timer.abort()
  return how
}
