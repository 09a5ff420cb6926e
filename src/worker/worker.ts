import { hostname } from 'node:os'
import { type Cancel, type Clock, pause, systemClock } from '../core/clock.ts'
import type { AnyJob } from '../core/definition.ts'
import { LegworkError } from '../core/errors.ts'
import type { Emitter } from '../core/events.ts'
import type { ClaimedJob } from '../store/queries/claim.ts'
import type { QueueRow } from '../store/queries/lanes.ts'
import type { LaneName } from '../store/queries/settle.ts'
import type { Retention } from '../store/queries/upkeep.ts'
import type { Store } from '../store/store.ts'
import { ClaimLoop } from './claim-loop.ts'
import { execute, type Middleware } from './executor.ts'
import { cancelHeld, Heartbeat } from './heartbeat.ts'
import { createIsolation, type Isolation } from './isolate/isolation.ts'
import { Lanes } from './lanes.ts'
import { Maintenance } from './maintenance.ts'
import { type Held, Holdings } from './running.ts'
import { Writer, type Written } from './writer.ts'

export interface WorkerOptions {
  readonly concurrency: number
  /** Queues to serve with their own limits; undefined for all queues. */
  readonly queues: ReadonlyMap<string, number> | undefined
  readonly lease: number
  readonly poll: number
  readonly grace: number
  readonly retention: Retention
  readonly middleware: readonly Middleware[]
  readonly version: string
}

export interface WorkerParts {
  readonly store: Store
  readonly clock: Clock
  readonly events: Emitter
  readonly definitions: ReadonlyMap<string, AnyJob>
  readonly options: WorkerOptions
  /** Told of everything this worker changes, for hints to others. */
  readonly onWritten: (written: Omit<Written, 'dueIn'>) => void
}

/** How many isolated handlers run at once, of each kind. */
const isolatedPlaces = 8

/**
 * Runs jobs in this process: claims what fits, runs each handler, writes the outcomes, keeps its leases alive.
 * `start` and `stop` may be called in any order and more than once.
 */
export class Worker {
  readonly #parts: WorkerParts
  readonly #holdings = new Holdings()
  readonly #writer: Writer
  readonly #loop: ClaimLoop
  readonly #heartbeat: Heartbeat
  readonly #maintenance: Maintenance
  readonly #lanes = new Map<number, Lanes>([[0, new Lanes(0)]])
  readonly #queues = new Map<number, QueueRow>()
  readonly #waiting: Held[] = []
  readonly #timers = new Set<Cancel>()
  #isolation: Isolation | undefined
  #running = 0
  #suspectRuns = false
  #state: 'new' | 'running' | 'stopping' | 'stopped' = 'new'
  #stopping: Promise<void> | undefined
  #discovering: Promise<void> | undefined

  constructor(parts: WorkerParts) {
    this.#parts = parts
    const { store, clock, events, options, definitions } = parts
    const workerId = () => this.#heartbeat.id
    this.#writer = new Writer({
      store,
      events,
      workerId,
      holdings: this.#holdings,
      onWritten: (written) => this.#written(written),
      onLost: (held) => this.#heartbeat.lose(held, 'another worker has it, or it was cut off from the database'),
    })
    this.#loop = new ClaimLoop({
      store,
      events,
      workerId,
      holdings: this.#holdings,
      lanes: () => [...this.#lanes.values()],
      names: [...definitions.values()].filter((definition) => definition.handler).map((definition) => definition.name),
      concurrency: options.concurrency,
      queueLimit: (queueId) => this.#limitOf(queueId),
      onClaimed: (jobs) => this.#take(jobs),
    })
    this.#heartbeat = new Heartbeat({
      store,
      clock,
      events,
      holdings: this.#holdings,
      lease: options.lease,
      claiming: () => this.#loop.inFlight,
      isStopping: () => this.#state === 'stopping',
      info: {
        pid: process.pid,
        host: hostname(),
        version: options.version,
        concurrency: options.concurrency,
        queues: options.queues && [...options.queues.keys()],
      },
    })
    this.#maintenance = new Maintenance({
      store,
      clock,
      events,
      workerId,
      definitions: () => definitions.values(),
      slots: () => [...this.#lanes.keys()],
      maySeeDead: () => this.#heartbeat.steady,
      lease: options.lease,
      retention: options.retention,
      onWoken: (lanes) => this.#announce({ woken: lanes }),
    })
  }

  get id(): number {
    return this.#heartbeat.id
  }

  /** Registers and begins to claim. */
  async start(): Promise<void> {
    if (this.#state !== 'new') return
    this.#state = 'running'
    const { clock, options } = this.#parts
    await this.#heartbeat.register()
    await this.discover()
    this.#timers.add(clock.every(Math.max(100, options.lease / 4), () => void this.#heartbeat.beat()))
    this.#timers.add(clock.every(options.poll, () => void this.discover()))
    this.#maintenance.start(options.poll)
    this.#loop.start()
  }

  /**
   * Stops claiming, lets running jobs finish until `timeout`, then aborts them; what has not finished is handed back
   * at once and its attempt is not counted.
   */
  stop(timeout: number): Promise<void> {
    this.#stopping ??= this.#stop(timeout)
    return this.#stopping
  }

  /** There may be work in these lanes. */
  wake(lanes: readonly LaneName[]): void {
    for (const name of lanes) this.#lanesOf(name.queueId)?.heat(name)
    if (lanes.some((name) => !this.#queues.has(name.queueId))) void this.discover()
    this.#loop.wake()
  }

  /** New jobs wait in these lanes, told by the names of their queues. */
  wakeNamed(lanes: readonly { readonly queue: string; readonly priority: number }[]): void {
    const ids = new Map([...this.#queues.values()].map((queue) => [queue.name, queue.id]))
    this.wake(lanes.map(({ queue, priority }) => ({ queueId: ids.get(queue) ?? -1, priority })))
  }

  /** A hint got lost or a tick has come: look everywhere. */
  wakeAll(): void {
    for (const lanes of this.#lanes.values()) lanes.heatAll()
    this.#loop.wake()
  }

  /** A job will be due in `ms`. */
  expect(ms: number): void {
    this.#maintenance.expect(ms)
  }

  /** Somebody asked to cancel these jobs; true for those that run here. */
  cancel(ids: readonly string[], reason: string): void {
    for (const id of ids) {
      const held = this.#holdings.get(id)
      if (held) cancelHeld(held, reason)
    }
  }

  /** Reads which queues there are and whether they are paused, finds new priorities, then looks for work. */
  discover(): Promise<void> {
    this.#discovering ??= this.#discover()
      .catch((error: unknown) => this.#parts.events.emit('error', { during: 'reading the queues', error }))
      .finally(() => {
        this.#discovering = undefined
      })
    return this.#discovering
  }

  /** Resolves when nothing is claimed, running or being written, and no job is ready or due: for tests and one-shot runs. */
  async idle(): Promise<void> {
    for (;;) {
      await this.#maintenance.idle()
      await this.#loop.idle()
      await this.#writer.drained()
      if (this.#holdings.size > 0) await this.#nextSettle()
      else if (await this.#quiet()) return
    }
  }

  /** One heartbeat and one round of chores now; for tests. */
  async tick(): Promise<void> {
    await this.#heartbeat.beat()
    this.#maintenance.tidy()
    this.#maintenance.stage()
    await this.#maintenance.idle()
    await this.discover()
  }

  async #quiet(): Promise<boolean> {
    this.#maintenance.stage()
    await this.#maintenance.idle()
    await this.discover()
    this.wakeAll()
    await this.#loop.idle()
    return this.#holdings.size === 0
  }

  #nextSettle(): Promise<void> {
    return new Promise((resolve) => this.#settled.push(resolve))
  }
  #settled: (() => void)[] = []

  async #discover(): Promise<void> {
    const { store, options } = this.#parts
    if (this.#state !== 'running') return
    for (const queue of await store.queues()) this.#queues.set(queue.id, queue)
    const served = [...this.#queues.values()].filter((queue) => !options.queues || options.queues.has(queue.name))
    for (const { slot } of served) if (!this.#lanes.has(slot)) this.#lanes.set(slot, new Lanes(slot))
    for (const lanes of this.#lanes.values()) {
      lanes.serve(served.filter((queue) => queue.slot === lanes.slot && !queue.paused))
      for (const found of await store.probeLanes(lanes.slot, lanes.gaps())) lanes.heat(found)
    }
    this.wakeAll()
  }

  #lanesOf(queueId: number): Lanes | undefined {
    const queue = this.#queues.get(queueId)
    return queue && this.#lanes.get(queue.slot)
  }

  #limitOf(queueId: number): number {
    const name = this.#queues.get(queueId)?.name ?? ''
    return this.#parts.options.queues?.get(name) ?? Infinity
  }

  #take(jobs: readonly ClaimedJob[]): void {
    for (const job of jobs) {
      const event = { id: job.id, name: job.name, queue: this.#queues.get(job.queueId)?.name ?? '' }
      const held: Held = { job, event, abort: new AbortController(), startedAt: undefined, lost: false }
      this.#holdings.add(held)
      this.#waiting.push(held)
    }
    if (this.#state !== 'running') this.#handBackWaiting()
    this.#pump()
  }

  /** Starts waiting jobs while there is room. Suspects (they crashed a worker before) run one at a time. */
  #pump(): void {
    while (this.#running < this.#parts.options.concurrency) {
      const place = this.#waiting.findIndex((held) => held.lost || held.job.crashes === 0 || !this.#suspectRuns)
      const [held] = place < 0 ? [] : this.#waiting.splice(place, 1)
      if (!held) return
      if (held.lost) this.#holdings.remove(held)
      else void this.#run(held)
    }
  }

  async #run(held: Held): Promise<void> {
    const { definitions, clock, events, options } = this.#parts
    const definition = definitions.get(held.job.name)
    if (!definition) return // cannot be: the claim asks for known names only
    const suspect = held.job.crashes > 0
    this.#running++
    if (suspect) this.#suspectRuns = true
    try {
      const parts = { clock, events, writer: this.#writer, middleware: options.middleware, isolation: () => this.#isolated(), grace: options.grace }
      const outcome = await execute(held, definition, parts)
      if (this.#holdings.get(held.job.id) === held) this.#writer.settle(held, outcome)
    } finally {
      this.#running--
      if (suspect) this.#suspectRuns = false
      this.#pump()
      this.#loop.finished()
    }
  }

  #isolated(): Isolation {
    this.#isolation ??= createIsolation({ maxThreads: isolatedPlaces, maxProcesses: isolatedPlaces })
    return this.#isolation
  }

  #written(written: Written): void {
    if (written.dueIn !== undefined) this.#maintenance.expect(written.dueIn)
    this.#announce(written)
    for (const resolve of this.#settled.splice(0)) resolve()
    this.#loop.wake()
  }

  #announce(written: Partial<Written>): void {
    const full = { ended: [], returned: [], fed: [], woken: [], ...written }
    if (full.woken.length > 0) this.wake(full.woken)
    if (full.ended.length + full.returned.length + full.fed.length + full.woken.length > 0) this.#parts.onWritten(full)
  }

  async #stop(timeout: number): Promise<void> {
    const wasRunning = this.#state === 'running'
    this.#state = 'stopping'
    if (!wasRunning) return void (this.#state = 'stopped')
    const { store, options, events } = this.#parts
    try {
      await this.#loop.stop()
      this.#handBackWaiting()
      if (!(await this.#emptied(timeout))) {
        for (const held of this.#holdings.all()) held.abort.abort(new LegworkError('LW_SHUTDOWN', 'The worker is stopping.'))
        if (!(await this.#emptied(options.grace * 2))) this.#leaveBehind()
      }
      await this.#writer.drained()
    } finally {
      for (const cancel of this.#timers) cancel()
      await this.#maintenance.stop()
      await this.#isolation?.close()
      await store.endWorker(this.#heartbeat.id).catch((error: unknown) => events.emit('error', { during: 'signing off', error }))
      this.#state = 'stopped'
    }
  }

  /** Claimed jobs that have not begun go back at once. */
  #handBackWaiting(): void {
    for (const held of this.#waiting.splice(0)) this.#writer.settle(held, { kind: 'released' })
  }

  /** Handlers that ignore their signal run on, but their jobs go back now and what they do is fenced out. */
  #leaveBehind(): void {
    for (const held of this.#holdings.all()) this.#writer.settle(held, { kind: 'released' })
  }

  /** Waits until no job is held any more; false when `ms` of real time have passed first: a shutdown has a deadline outside. */
  async #emptied(ms: number): Promise<boolean> {
    const timer = new AbortController()
    const late = pause(systemClock, ms, timer.signal)
    try {
      while (this.#holdings.size > 0) {
        const how = await Promise.race([late, this.#nextSettle()])
        if (how === 'elapsed') return false
      }
      return true
    } finally {
      timer.abort()
    }
  }
}
