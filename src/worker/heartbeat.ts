import { LegworkError } from '../core/errors.ts'
import type { Emitter } from '../core/events.ts'
import type { Store } from '../store/store.ts'
import type { WorkerInfo } from '../store/queries/workers.ts'
import type { Clock } from '../core/clock.ts'
import type { Held, Holdings } from './running.ts'

export interface HeartbeatParts {
  readonly store: Store
  readonly clock: Clock
  readonly events: Emitter
  readonly holdings: Holdings
  readonly info: WorkerInfo
  /** Milliseconds without a heartbeat after which a worker is dead. */
  readonly lease: number
  /** Claims whose answer has not come back yet. */
  readonly claiming: () => ReadonlySet<number>
  readonly isStopping: () => boolean
}

/**
 * Keeps the worker alive in the database's eyes, and its view of its jobs true: what was taken away is aborted, what
 * is to be cancelled is told, what the database says we hold and we do not is given back.
 */
export class Heartbeat {
  readonly #parts: HeartbeatParts
  #id = 0
  #lastBeat = 0
  /** Since when every beat has come through in time: only then is the silence of others their own. */
  #steadySince = 0
  #beating: Promise<void> | undefined
  readonly #looks = new Set<Promise<void>>()
  /** Jobs that were running at the previous beat: only they are worth a look. */
  #seen = new Set<Held>()

  constructor(parts: HeartbeatParts) {
    this.#parts = parts
  }

  get id(): number {
    return this.#id
  }

  async register(): Promise<void> {
    this.#id = await this.#parts.store.registerWorker(this.#parts.info)
    this.#lastBeat = this.#steadySince = this.#parts.clock.now()
  }

  /** Whether this worker has been in touch long enough to call a silent one dead (and not the database slow). */
  get steady(): boolean {
    const { store, clock, lease } = this.#parts
    const now = clock.now()
    // A process that has just woken up may get here before its own beat: then nobody else has had time to beat either.
    return store.exclusive || (now - this.#lastBeat <= lease && now - this.#steadySince >= lease)
  }

  /** Resolves when it asks the database nothing. */
  async idle(): Promise<void> {
    await this.#beating
    await Promise.all(this.#looks)
  }

  /** One beat; a second call while one is under way waits for that one. */
  beat(): Promise<void> {
    this.#beating ??= this.#beat().finally(() => {
      this.#beating = undefined
    })
    return this.#beating
  }

  /** Marks running jobs as lost: aborts them and keeps their outcomes from being written. */
  lose(held: readonly Held[], why: string): void {
    const { holdings, events } = this.#parts
    for (const job of held) {
      if (job.lost) continue
      const error = new LegworkError('LW_LEASE_LOST', `This worker no longer owns job ${job.job.id}: ${why}.`)
      holdings.lose(job, error)
      events.emit('lost', job.event)
    }
  }

  /** Somebody asked to cancel these jobs: asks the database for those that run here, and why. */
  lookAfter(ids: readonly string[]): void {
    const { holdings, events } = this.#parts
    const look = this.#lookAt(ids.flatMap((id) => holdings.get(id) ?? []))
      .catch((error: unknown) => events.emit('error', { during: 'looking after cancelled jobs', error })) // the next beat looks again
      .finally(() => this.#looks.delete(look))
    this.#looks.add(look)
  }

  async #beat(): Promise<void> {
    const { store, clock, events, holdings, lease, isStopping } = this.#parts
    try {
      const alive = await store.beatWorker(this.#id, holdings.size, isStopping() ? 'stopping' : 'running')
      const now = clock.now()
      if (now - this.#lastBeat > lease) this.#steadySince = now
      this.#lastBeat = now
      if (!alive) return await this.#rise()
      await this.#lookAfterJobs()
      await this.#returnStrays()
    } catch (error) {
      events.emit('error', { during: 'heartbeat', error })
      if (clock.now() - this.#lastBeat > lease)
        this.lose(holdings.all(), 'the database has not answered for longer than the lease')
    }
  }

  /** We were declared dead and our jobs went to others: begin again as a new worker. */
  async #rise(): Promise<void> {
    this.lose(this.#parts.holdings.all(), 'it was silent for longer than its lease, and its jobs were given to others')
    await this.register()
  }

  async #lookAfterJobs(): Promise<void> {
    const { holdings } = this.#parts
    const old = holdings.all().filter((held) => this.#seen.has(held) && !held.lost)
    this.#seen = new Set(holdings.all())
    await this.#lookAt(old)
  }

  async #lookAt(jobs: readonly Held[]): Promise<void> {
    for (const slot of new Set(jobs.map((held) => held.job.slot))) {
      const own = jobs.filter((held) => held.job.slot === slot).map(({ job }) => ({ id: job.id, claim: job.claim }))
      const looks = await this.#parts.store.lookAfter(slot, this.#id, own)
      for (const look of looks) this.#heed(look)
    }
  }

  #heed(look: { id: string; mine: boolean; cancel: boolean; reason: string | null }): void {
    const held = this.#parts.holdings.get(look.id)
    if (!held || held.settling) return // its outcome is on the way
    if (!look.mine) return this.lose([held], 'another worker has it')
    if (look.cancel) cancelHeld(held, look.reason ?? 'cancelled')
  }

  /** A claim whose answer got lost left jobs in our name that nobody runs. */
  async #returnStrays(): Promise<void> {
    const { store, holdings, claiming } = this.#parts
    const leases = await store.leasesOf(this.#id)
    const strays = leases.filter(({ batch }) => !holdings.knows(batch) && !claiming().has(batch))
    // A lease row disappears with the flush that settles its last job: only what is still there next time is a stray.
    const again = strays.filter(({ batch }) => this.#suspected.has(batch))
    this.#suspected = new Set(strays.map(({ batch }) => batch))
    if (again.length > 0)
      await store.returnStrays(
        this.#id,
        again.map(({ batch }) => batch),
      )
  }
  #suspected = new Set<number>()
}

/** Tells a running job that its cancel was asked for. */
function cancelHeld(held: Held, reason: string): void {
  held.stop.abort(
    new LegworkError('LW_JOB_CANCELLED', `Job ${held.job.id} (${held.job.name}) was cancelled: ${reason}.`, {
      details: { reason },
    }),
  )
}
