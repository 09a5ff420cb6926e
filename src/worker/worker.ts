import { pinsOf } from './versions.ts'
import { hostname } from 'node:os'
import { type Cancel, type Clock, pause, systemClock } from '../core/clock.ts'
import type { Durability } from '../core/durable.ts'
import type { AnyJob } from '../core/definition.ts'
import type { Emitter } from '../core/events.ts'
import type { LockOfAttempt } from '../core/lock.ts'
import type { LaneName } from '../store/queries/lanes.ts'
import type { Store } from '../store/store.ts'
import { Admission } from './admission.ts'
import { ClaimLoop } from './claim-loop.ts'
import { Directory } from './directory.ts'
import { groupsOf } from './groups.ts'
import { Heartbeat } from './heartbeat.ts'
import { Maintenance, type MaintenanceParts } from './maintenance.ts'
import { processToken } from './process.ts'
import type { WorkerOptions } from './options.ts'
import { Moves } from './moves.ts'
import { Reserve } from './reserve.ts'
import { Runner } from './runner.ts'
import { lastSuccess } from './last-success.ts'
import { slowDown } from './slow-down.ts'
import { Holdings } from './running.ts'
import type { Written } from './flusher.ts'
import { Writer } from './writer.ts'

export interface WorkerParts {
  readonly store: Store
  readonly clock: Clock
  readonly events: Emitter
  readonly definitions: ReadonlyMap<string, AnyJob>
  readonly options: WorkerOptions
  readonly lock: LockOfAttempt
  /** Makes what remembers the steps of durable jobs for this worker. */
  readonly durable: (workerId: () => number) => Durability
  /** Told of everything this worker changes, for hints to others. */
  readonly onWritten: (written: Omit<Written, 'dueIn'>) => void
  /** Fires schedules, and looks after them. */
  readonly schedules: Pick<MaintenanceParts, 'fireDue' | 'renewSchedules'>
  /** This job has failed or was cancelled, and has children that may have to end with it. */
  readonly onDeadParent: (id: string) => Promise<void>
}

/**
 * Runs jobs in this process: claims what fits, runs each handler, writes the outcomes, keeps its leases alive.
 * Wires the parts beside it; `start` and `stop` may be called in any order and more than once.
 */
export class Worker {
  readonly #parts: WorkerParts
  readonly #holdings = new Holdings()
  readonly #directory: Directory
  readonly #writer: Writer
  readonly #durability: Durability
  readonly #runner: Runner
  readonly #admission: Admission
  readonly #loop: ClaimLoop
  readonly #heartbeat: Heartbeat
  readonly #maintenance: Maintenance
  readonly #timers = new Set<Cancel>()
  /** The jobs with a handler whose needs this worker meets: only these are claimed. */
  readonly #names: readonly string[]
  #installation = ''
  #state: 'new' | 'running' | 'stopping' | 'stopped' = 'new'
  #stopping: Promise<void> | undefined
  /** Jobs have been settled, or others have come. */
  readonly #moves = new Moves()

  constructor(parts: WorkerParts) {
    const { store, clock, events, options, definitions } = parts
    const { queues, aging } = options
    this.#parts = parts
    this.#names = [...parts.definitions.values()]
      .filter((job) => job.handler && job.needs.every((need) => options.labels.includes(need)))
      .map((job) => job.name)
    const reserved = options.reserve.length > 0
    const groups = (chosen: ReadonlyMap<string, number>) => groupsOf(this.#names, definitions, chosen, reserved)
    this.#directory = new Directory({ store, clock, events, queues, groups, aging, onNews: () => this.#loop.wake() })
    this.#writer = this.#createWriter()
    this.#durability = parts.durable(() => this.id)
    this.#runner = this.#createRunner()
    this.#admission = this.#createAdmission()
    this.#loop = this.#createLoop()
    this.#heartbeat = this.#createHeartbeat()
    this.#maintenance = this.#createMaintenance()
  }

  get id(): number {
    return this.#heartbeat.id
  }

  /** Registers and begins to claim. */
  async start(): Promise<void> {
    if (this.#state !== 'new') return
    this.#state = 'running'
    const { clock, options } = this.#parts
    this.#installation = await this.#parts.store.installation()
    await this.#heartbeat.register()
    this.#timers.add(clock.every(Math.max(100, options.lease / 4), () => void this.#heartbeat.beat()))
    this.#timers.add(clock.every(options.poll, () => void this.discover()))
    this.#maintenance.start(options.poll)
    this.#loop.start()
    await this.discover()
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
    this.#directory.heat(lanes)
    this.#loop.wake()
  }

  /** New jobs wait in these lanes, told by the names of their queues. */
  wakeNamed(lanes: readonly { readonly queue: string; readonly priority: number }[]): void {
    this.#directory.heatNamed(lanes)
    this.#loop.wake()
  }

  /** A job will be due in `ms`. */
  expect(ms: number): void {
    this.#maintenance.expect(ms)
  }

  /** Somebody says that these jobs are to be cancelled: the rows tell whether, and why. */
  lookAfter(ids: readonly string[]): void {
    this.#heartbeat.lookAfter(ids)
  }

  /** Reads which queues there are, then looks everywhere for work. */
  discover(): Promise<void> {
    return this.#directory.read()
  }

  /** The connection was lost for a while, perhaps with the server. */
  reconnected(): Promise<void> {
    this.#directory.restart()
    return this.discover()
  }

  /** Resolves when nothing is claimed, running or being written, and no job it could run is ready or due. `patient`: batches may fill. */
  async idle(patient = false): Promise<void> {
    for (;;) {
      await this.#maintenance.idle()
      await this.#loop.idle()
      await this.#writer.drained()
      // what is claimed from here on comes back to this line
      if (!patient) this.#runner.gatherNoMore()
      if (this.#holdings.size > 0) await this.#moves.next()
      else if (await this.#quiet()) return
    }
  }

  /** Whether it holds jobs. */
  get busy(): boolean {
    return this.#holdings.size > 0
  }

  /** Resolves when no statement is under way: at most handlers run. */
  async calm(): Promise<void> {
    await this.#maintenance.idle()
    await this.#directory.idle()
    await this.#loop.idle()
    await this.#durability.drained()
    await this.#writer.drained()
    await this.#heartbeat.idle()
  }

  /** Ends as a killed process does: nothing more is claimed, written or told. Statements under way still take effect. */
  async abandon(): Promise<void> {
    this.#state = 'stopped'
    for (const cancel of this.#timers) cancel()
    const written = this.#writer.abandon()
    this.#runner.handBackWaiting() // to nobody: the writer is gone
    await Promise.all([written, this.#loop.stop(), this.#maintenance.stop()])
    await this.calm()
    await this.#runner.close()
  }

  async #quiet(): Promise<boolean> {
    this.#maintenance.stage()
    await this.#maintenance.idle()
    await this.discover()
    await this.#loop.idle()
    return this.#holdings.size === 0
  }

  #written(written: Written): void {
    if (written.dueIn !== undefined) this.#maintenance.expect(written.dueIn)
    this.#announce(written)
    this.#moves.moved()
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
    const { store, options, events } = this.#parts
    try {
      if (!wasRunning) return
      this.#runner.handBackWaiting()
      await this.#loop.stop()
      if (!(await this.#emptied(timeout))) {
        this.#runner.abortAll()
        if (!(await this.#emptied(options.grace * 2))) this.#runner.leaveBehind()
      }
      await this.#writer.drained()
    } finally {
      for (const cancel of this.#timers) cancel()
      await this.#maintenance.stop()
      await this.#runner.close()
      if (wasRunning)
        await store.endWorker(this.id).catch((error: unknown) => events.emit('error', { during: 'signing off', error }))
      this.#state = 'stopped'
    }
  }

  /** Waits until no job is held any more; false when `ms` of real time have passed first: a shutdown has a deadline outside. */
  async #emptied(ms: number): Promise<boolean> {
    const timer = new AbortController()
    const late = pause(systemClock, ms, timer.signal)
    try {
      while (this.#holdings.size > 0) {
        const how = await Promise.race([late, this.#moves.next()])
        if (how === 'elapsed') return false
      }
      return true
    } finally {
      timer.abort()
    }
  }

  #createWriter(): Writer {
    const { store, events } = this.#parts
    return new Writer({
      store,
      events,
      workerId: () => this.id,
      holdings: this.#holdings,
      onWritten: (written) => this.#written(written),
      onLost: (held) => this.#heartbeat.lose(held, 'another worker has it, or it was cut off from the database'),
    })
  }

  #createRunner(): Runner {
    const { clock, events, definitions, options, lock } = this.#parts
    const { middleware, concurrency, grace } = options
    const given = { clock, events, definitions, middleware, concurrency, grace }
    return new Runner({
      ...given,
      lock,
      writer: this.#writer,
      holdings: this.#holdings,
      onFinished: () => this.#loop.finished(),
      installation: () => this.#installation,
      durable: (attempt) => this.#durability.begin(attempt),
      markSuspect: (id) => this.#parts.store.markSuspect(this.id, id),
      slowDown: (held, ms, name) => slowDown(this.#parts.store, this.id, held, ms, name),
      lastSuccess: (schedule) => lastSuccess(this.#parts.store, schedule),
    })
  }

  #createAdmission(): Admission {
    const { store, definitions } = this.#parts
    return new Admission({
      store,
      definitions,
      holdings: this.#holdings,
      workerId: () => this.id,
      queueName: (id) => this.#directory.nameOf(id),
      limits: () => this.#directory.limits,
      run: (held) => {
        this.#runner.take(held)
        this.#moves.moved()
      },
      onMoved: (woken, dueIn) => {
        if (dueIn !== undefined) this.expect(dueIn)
        this.#announce({ woken })
      },
    })
  }

  #createLoop(): ClaimLoop {
    const { store, clock, events, options } = this.#parts
    const { concurrency, reserve } = options
    return new ClaimLoop({
      store,
      clock,
      events,
      workerId: () => this.id,
      holdings: this.#holdings,
      lanes: () => this.#directory.lanes,
      pins: pinsOf(this.#parts.definitions),
      concurrency,
      reserve: reserve.length > 0 ? new Reserve(reserve, concurrency) : undefined,
      queueLimit: (queueId) => this.#directory.limitOf(queueId),
      gathered: () => this.#runner.gathered,
      onClaimed: (jobs) => this.#admission.take(jobs),
    })
  }

  #createHeartbeat(): Heartbeat {
    const { store, clock, events, options } = this.#parts
    const { concurrency, version, lease, queues, labels } = options
    return new Heartbeat({
      store,
      clock,
      events,
      lease,
      holdings: this.#holdings,
      claiming: () => this.#loop.inFlight,
      isStopping: () => this.#state === 'stopping',
      info: {
        pid: process.pid,
        host: hostname(),
        process: processToken,
        version,
        concurrency,
        names: this.#names,
        pins: pinsOf(this.#parts.definitions),
        queues: queues && [...queues.keys()],
        labels,
      },
    })
  }

  #createMaintenance(): Maintenance {
    const { store, clock, events, definitions, options, schedules, onDeadParent } = this.#parts
    const given = { ...schedules, store, clock, events, onDeadParent }
    return new Maintenance({
      ...given,
      workerId: () => this.id,
      definitions: () => definitions.values(),
      slots: () => this.#directory.slots,
      maySeeDead: () => this.#heartbeat.steady,
      lease: options.lease,
      retention: options.retention,
      onMoved: (woken, ended) => this.#announce({ woken, ended }),
    })
  }
}
