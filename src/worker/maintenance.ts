import type { Cancel, Clock } from '../core/clock.ts'
import type { AnyJob } from '../core/definition.ts'
import type { Emitter } from '../core/events.ts'
import type { LaneName } from '../store/queries/lanes.ts'
import type { Retention } from '../store/queries/upkeep.ts'
import type { Store } from '../store/store.ts'
import { processToken } from './process.ts'

export interface MaintenanceParts {
  readonly store: Store
  readonly clock: Clock
  readonly events: Emitter
  readonly definitions: () => Iterable<AnyJob>
  readonly slots: () => readonly number[]
  readonly workerId: () => number
  /** Whether this process may call others dead. */
  readonly maySeeDead: () => boolean
  readonly lease: number
  readonly retention: Retention
  /** Lanes in which jobs became ready, and jobs that ended. */
  readonly onMoved: (woken: readonly LaneName[], ended: readonly string[]) => void
  /** Fires schedules; the milliseconds until the next one is due, as far as that is known. */
  readonly fireDue: () => Promise<number | undefined>
  /** Notes which schedules this process knows, and looks whether time zones have changed. */
  readonly renewSchedules: () => Promise<void>
  /** A job has failed or was cancelled when nobody could tell its children. */
  readonly onDeadParent: (id: string) => Promise<void>
}

const stageBatch = 1_000
/** Late jobs that one transaction ends. */
const expireBatch = 500
/** Limiters that one statement lets in at. */
const limitBatch = 100
const tidyEvery = 2_000
const maintainEvery = 600_000
/** Soon, but not while a worker is about to begin. */
const maintainFirst = 3_000
const defaultCrashLimit = 5

/**
 * The chores of every worker process: due jobs become ready, dead workers' jobs come back, keys and counters are kept
 * in order, history is pruned. Any number of processes may do them at once; the statements skip what another has locked.
 */
export class Maintenance {
  readonly #parts: MaintenanceParts
  readonly #timers = new Set<Cancel>()
  #due: Cancel | undefined
  #dueAt = Infinity
  #busy = new Map<string, Promise<void>>()
  readonly #again = new Map<string, () => Promise<void>>()
  #stopped = true

  constructor(parts: MaintenanceParts) {
    this.#parts = parts
  }

  start(poll: number): void {
    const { clock, store, lease } = this.#parts
    this.#stopped = false
    this.#timers.add(clock.every(poll, () => this.stage()))
    this.#timers.add(clock.every(Math.min(tidyEvery, lease), () => this.tidy()))
    this.#timers.add(clock.every(maintainEvery, () => this.maintain()))
    this.#timers.add(clock.after(maintainFirst, () => this.maintain()))
    this.stage()
    // others are not called dead before we have listened for a while; on an embedded database nobody else is there
    if (store.exclusive) this.tidy()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    for (const cancel of this.#timers) cancel()
    this.#timers.clear()
    this.#due?.()
    await this.idle()
  }

  async idle(): Promise<void> {
    while (this.#busy.size > 0) await Promise.all(this.#busy.values())
  }

  /** Makes due jobs ready now, and looks for the next ones in time. */
  stage(): void {
    this.#chore('staging due jobs', () => this.#stage(), true)
  }

  tidy(): void {
    this.#chore('rescuing and sweeping', () => this.#tidy())
  }

  maintain(): void {
    this.#chore('keeping history', () => this.#maintain())
  }

  /** A job will be due in `ms`: do not wait for the poll. */
  expect(ms: number): void {
    const at = this.#parts.clock.now() + Math.max(0, ms)
    if (this.#stopped || at >= this.#dueAt) return
    this.#due?.()
    this.#dueAt = at
    this.#due = this.#parts.clock.after(Math.max(0, ms), () => {
      this.#dueAt = Infinity
      this.stage()
    })
  }

  async #stage(): Promise<void> {
    const { store, slots, onMoved, fireDue } = this.#parts
    const firing = await fireDue()
    if (firing !== undefined) this.expect(firing)
    for (const slot of slots()) {
      for (let more = true; more && !this.#stopped;) {
        const staged = await store.stage(slot, stageBatch)
        if (staged.woken.length > 0) onMoved(staged.woken, [])
        more = staged.more
      }
      const next = await store.nextDue(slot)
      if (next !== undefined) this.expect(next)
    }
    for (let more = true; more && !this.#stopped;) {
      const letIn = await store.letIn(limitBatch)
      if (letIn.woken.length > 0) onMoved(letIn.woken, [])
      if (letIn.dueIn !== undefined) this.expect(letIn.dueIn)
      more = letIn.more
    }
  }

  async #tidy(): Promise<void> {
    const { store, slots, onMoved, events } = this.#parts
    if (this.#parts.maySeeDead()) {
      const rescued = await store.rescue(this.#rescueRequest())
      const { workers, returned, poisoned, cancelled } = rescued
      if (workers.length > 0) events.emit('rescued', { workers, returned, poisoned, cancelled })
      onMoved(rescued.woken, [...rescued.poisoned, ...rescued.cancelled])
    }
    for (const slot of slots()) {
      await this.#expire(slot)
      onMoved(await store.sweep(slot), [])
    }
  }

  /** What nobody claims because its queue is paused or full, or it waits for a key or a limit. */
  async #expire(slot: number): Promise<void> {
    const { store, workerId, events, onMoved } = this.#parts
    for (let more = true; more && !this.#stopped;) {
      const expired = await store.expire(slot, workerId(), expireBatch)
      for (const job of expired.jobs) events.emit('cancelled', { ...job, reason: 'expired' })
      onMoved(
        expired.woken,
        expired.jobs.map(({ id }) => id),
      )
      more = expired.more
    }
  }

  async #maintain(): Promise<void> {
    const { store, slots, retention, onDeadParent, renewSchedules } = this.#parts
    await renewSchedules()
    await store.maintain(retention)
    for (const slot of slots()) for (const parent of await store.deadParents(slot)) await onDeadParent(parent)
  }

  #rescueRequest(): Parameters<Store['rescue']>[0] {
    const { workerId, lease, definitions, store } = this.#parts
    const limits = Object.fromEntries([...definitions()].map((definition) => [definition.name, definition.crashes]))
    const blocking = new Set(
      [...definitions()].flatMap(({ name, keyFailure }) => (keyFailure === 'block' ? [name] : [])),
    )
    const onlyProcess = store.exclusive ? processToken : undefined
    return { rescuer: workerId(), lease, onlyProcess, limits, defaultLimit: defaultCrashLimit, blocking }
  }

  /**
   * One at a time of each kind; a failure is reported and the next tick tries again. Staging that is asked for while it is
   * under way is done once more: it may have looked before what it was asked for.
   */
  #chore(name: string, work: () => Promise<void>, isRepeated = false): void {
    if (this.#stopped) return
    if (this.#busy.has(name)) {
      if (isRepeated) this.#again.set(name, work)
      return
    }
    const run = work()
      .catch((error: unknown) => this.#parts.events.emit('error', { during: name, error }))
      .finally(() => {
        this.#busy.delete(name)
        const again = this.#again.get(name)
        this.#again.delete(name)
        if (again) this.#chore(name, again)
      })
    this.#busy.set(name, run)
  }
}
