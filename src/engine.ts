import { addBatch } from './batch.ts'
import { planBulk, runBulk, startBulk } from './bulk.ts'
import type { Change } from './core/change.ts'
import type { JobCall } from './core/call.ts'
import { type ChangedBy, changeOf, pauseOf, type PauseSetting, type SettingChange } from './changes.ts'
import type { AnyJob } from './core/definition.ts'
import type { BatchOptions, BulkKind, BulkOptions, BulkRef, CloseOptions, EnqueueOptions, WorkOptions } from './api.ts'
import type { Clock } from './core/clock.ts'
import { milliseconds } from './core/duration.ts'
import { LegworkError } from './core/errors.ts'
import type { SignalTokenOptions } from './core/durable.ts'
import { Emitter, type EngineEvents, type EventName } from './core/events.ts'
import type { LeadArguments, Leader, LockArguments } from './core/lock.ts'
import { text } from './core/text.ts'
import { prepare, prepareAll } from './enqueue.ts'
import { forkAll } from './fork.ts'
import { type Bounds, createBounds } from './bounds.ts'
import { type Breakers, createBreakers, createLimits, type Limits } from './limits.ts'
import { createKeys, type Keys } from './keys.ts'
import type { Locks } from './lock/locks.ts'
import { createLocks } from './locks.ts'
import { Hub } from './live/hub.ts'
import { type BatchRef, createBatchRef } from './live/batch.ts'
import type { ForkOptions } from './live/fork.ts'
import { checkedId } from './live/id.ts'
import { createRef, definitionOf, type JobRef, type RefParts } from './live/ref.ts'
import { Results } from './live/results.ts'
import { createHandler, type HandlerOptions } from './http/handler.ts'
import { Producer } from './producer.ts'
import type { AccessParts } from './schedule-access.ts'
import type { Scheduler } from './schedule/scheduler.ts'
import type { Schedules } from './schedule-api.ts'
import { createSchedules } from './schedules.ts'
import { definitionNamed } from './settings.ts'
import { createToken, type Tokens, useToken } from './tokens.ts'
import { stopOnSignals } from './signals.ts'
import type { Enqueued, NewJob } from './store/queries/enqueue.ts'
import type { JobFilter, JobPage, ListOptions } from './store/queries/list.ts'
import type { QueueStatus } from './store/queries/queues.ts'
import type { LockStatus } from './store/queries/locks.ts'
import type { Retention } from './store/queries/upkeep.ts'
import type { WorkerRecord } from './store/queries/workers.ts'
import type { Store } from './store/store.ts'
import type { Transaction } from './store/transaction/transaction.ts'
import type { Middleware } from './worker/executor.ts'
import type { Worker } from './worker/worker.ts'
import { createWorker } from './working.ts'

export interface EngineParts extends Pick<AccessParts, 'schedules' | 'calendars'>, HandlerOptions {
  readonly store: Store
  readonly clock: Clock
  readonly tokens: Tokens
  readonly definitions: ReadonlyMap<string, AnyJob>
  readonly retention: Retention
  readonly use: readonly Middleware[]
}

/** Wires the parts of one process; the work is theirs. It is open when it is made: see open.ts. */
export class Engine {
  readonly #parts: EngineParts
  readonly #refs: RefParts
  readonly #events = new Emitter()
  readonly #hub: Hub
  readonly #producer: Producer
  readonly #locks: Locks
  readonly limits: Limits
  readonly bounds: Bounds
  readonly breakers: Breakers
  readonly keys: Keys
  readonly schedules: Schedules
  readonly fetch: (request: Request) => Promise<Response>
  readonly #scheduler: Scheduler
  #worker: Worker | undefined
  #closing: Promise<void> | undefined
  #enqueuing = 0
  readonly #enqueued: (() => void)[] = []
  #forgetSignals: (() => void) | undefined

  /** @param changed whether the schedules of this process have changed those in the database */
  constructor(parts: EngineParts, changed: boolean) {
    const { store, clock, definitions } = parts
    this.#parts = parts
    this.#hub = new Hub(store, (error) => this.#events.emit('error', { during: 'sending a hint', error }))
    this.#refs = {
      store,
      clock,
      definitions,
      hub: this.#hub,
      results: new Results(store, clock, this.#hub),
      prepare: (definition, input) => prepare(definition, input, {}),
    }
    this.#producer = new Producer({ store, clock, hub: this.#hub, events: this.#events })
    const settings = { store, hub: this.#hub, events: this.#events }
    this.limits = createLimits(settings)
    this.bounds = createBounds(store)
    this.breakers = createBreakers(settings)
    this.keys = createKeys(settings)
    this.#locks = createLocks({ ...settings, clock })
    const scheduling = createSchedules({ ...parts, refs: this.#refs, events: this.#events })
    this.schedules = scheduling.operations
    this.#scheduler = scheduling.scheduler
    this.fetch = createHandler(this, parts)
    this.#hub.open()
    if (changed) this.#hub.tell({ schedules: true })
  }

  /** Thousands a second pass here: what needs no waiting beforehand goes straight to the producer. */
  enqueue(job: AnyJob | string, input?: unknown, options: EnqueueOptions = {}): Promise<JobRef<never>> {
    try {
      const definition = this.#definition(job)
      const row = prepare(definition, input, options)
      const added =
        row instanceof Promise || options.tx !== undefined
          ? this.#finishing(async () => this.#add(await row, options.tx))
          : this.#producer.add(row)
      return added.then((found) => this.#refsOf(definition, found)[0] as JobRef<never>)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async enqueueMany(
    job: AnyJob,
    inputs: readonly unknown[],
    options: EnqueueOptions | ((input: never, index: number) => EnqueueOptions) = {},
  ): Promise<JobRef<never>[]> {
    const definition = this.#definition(job)
    const each = typeof options === 'function' ? options : () => options
    const tx = typeof options === 'function' ? undefined : options.tx
    return this.#finishing(async () => {
      const rows = await prepareAll(definition, inputs, each)
      if (rows.length === 0) return []
      const added = await (tx === undefined ? this.#producer.addMany(rows) : this.#producer.addInside(tx, rows))
      return this.#refsOf(definition, added) as JobRef<never>[]
    })
  }

  async addBatch(jobs: readonly JobCall[], options: BatchOptions = {}): Promise<BatchRef> {
    this.#open()
    return this.#finishing(async () => createBatchRef(this.#refs, await addBatch(this.#producer, jobs, options)))
  }

  batch(id: string): BatchRef {
    return createBatchRef(this.#refs, checkedId(id, 'the id of a batch, digits as text'))
  }

  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    return this.#open().store.transaction(work)
  }

  ref<Result>(id: string, job?: AnyJob): JobRef<Result> {
    return createRef(this.#refs, job, checkedId(id, 'the id of a job, digits as text'), true)
  }

  async list(options: ListOptions = {}): Promise<JobPage> {
    return this.#open().store.list(options)
  }

  async cancel(filter: JobFilter, reason?: string): Promise<number> {
    return this.#bulkNow('cancel', filter, { ...(reason !== undefined && { reason }) })
  }

  async redrive(filter: JobFilter = {}): Promise<number> {
    return this.#bulkNow('redrive', filter)
  }

  async change(filter: JobFilter, change: Change): Promise<number> {
    return this.#bulkNow('change', filter, { change })
  }

  async bulk(kind: BulkKind, filter: JobFilter, options: BulkOptions = {}): Promise<BulkRef & { count: number }> {
    this.#open()
    const queue = options.queue ?? 'default'
    return startBulk(this.#refs, kind, filter, options, (job, input) => this.enqueue(job, input, { queue }))
  }

  async fork(filter: JobFilter, options: Pick<ForkOptions, 'from'>): Promise<number> {
    this.#open()
    return forkAll(this.#refs, filter, options)
  }

  async signalToken(ref: JobRef | string, topic: string, options?: SignalTokenOptions): Promise<string> {
    const id = checkedId(typeof ref === 'string' ? ref : ref.id, 'a ref, or the id of a job, digits as text')
    return createToken(this.#refs, this.#open().tokens, id, definitionOf(ref), topic, options)
  }

  async signalWithToken(token: string, data?: unknown): Promise<void> {
    return useToken(this.#refs, this.#open().tokens, token, data)
  }

  async queues(): Promise<QueueStatus[]> {
    return this.#open().store.queueStatus()
  }

  async pause(queue: string, reason?: string, { by }: ChangedBy = {}): Promise<void> {
    await this.#open().store.pauseQueue(queue, reason, text(by, 'by'))
    await this.#worker?.discover()
  }

  async resume(queue: string, { by }: ChangedBy = {}): Promise<void> {
    await this.#open().store.resumeQueue(queue, text(by, 'by'))
    await this.#worker?.discover()
  }

  async pauseHistory(queue: string): Promise<SettingChange<PauseSetting>[]> {
    return (await this.#open().store.settingHistory('pause', queue)).map((row) => changeOf(row, pauseOf))
  }

  async lock<T>(name: string, ...rest: LockArguments<T>): Promise<T> {
    this.#open()
    return this.#locks.lock(name, ...rest)
  }

  leader(name: string, ...rest: LeadArguments): Leader {
    this.#open()
    return this.#locks.leader(name, ...rest)
  }

  async locks(): Promise<LockStatus[]> {
    return this.#open().store.locks()
  }

  async workers(): Promise<WorkerRecord[]> {
    return this.#open().store.workers(200)
  }

  on<N extends EventName>(event: N, listener: (event: EngineEvents[N]) => void): () => void {
    return this.#events.on(event, listener)
  }

  async work(options: WorkOptions = {}): Promise<void> {
    this.#open()
    if (this.#worker) return
    const given = options.stopOnSignal ?? '25s'
    const stop = given !== false && milliseconds(given, 'stopOnSignal')
    const parts = { ...this.#parts, lock: this.#locks.lockOfAttempt, scheduler: this.#scheduler }
    const worker = createWorker(parts, this.#refs, this.#events, options)
    this.#worker = worker
    await worker.start()
    if (stop !== false) this.#forgetSignals = stopOnSignals(() => this.close({ timeout: stop }))
  }

  async idle(patient = false): Promise<void> {
    await this.#producer.drained()
    await this.#worker?.idle(patient)
  }

  close(options: CloseOptions = {}): Promise<void> {
    this.#closing ??= this.#close(milliseconds(options.timeout ?? '25s', 'timeout'))
    return this.#closing
  }

  get busy(): boolean {
    return this.#worker?.busy ?? false
  }

  async calm(): Promise<void> {
    await this.#producer.drained()
    await this.#worker?.calm()
    await this.#locks.calm()
  }

  abandon(): Promise<void> {
    this.#closing ??= this.#abandon()
    return this.#closing
  }

  async #abandon(): Promise<void> {
    this.#forgetSignals?.()
    this.#locks.abandon()
    await this.#worker?.abandon()
    this.#refs.results.close()
    await this.#hub.close()
    await this.#parts.store.close()
  }

  async #close(timeout: number): Promise<void> {
    try {
      while (this.#enqueuing > 0) await new Promise<void>((resolve) => this.#enqueued.push(resolve))
      if (this.#producer.busy) await this.#producer.drained() // otherwise the worker stops within this call
      this.#producer.close()
      this.#locks.standDown()
      await this.#worker?.stop(timeout)
      await this.#locks.close(timeout)
      this.#refs.results.close()
      await this.#hub.close()
    } finally {
      this.#forgetSignals?.()
      await this.#parts.store.close()
    }
  }

  /** Counts what `close` has to wait for: an enqueue that was called before is not turned away. */
  async #finishing<T>(work: () => Promise<T>): Promise<T> {
    this.#enqueuing++
    try {
      return await work()
    } finally {
      if (--this.#enqueuing === 0) for (const resolve of this.#enqueued.splice(0)) resolve()
    }
  }

  #open(): EngineParts {
    if (this.#closing)
      throw new LegworkError('LW_CLOSED', 'The engine has been closed.', { hint: 'Call legwork() again.' })
    return this.#parts
  }

  #definition(job: AnyJob | string): AnyJob {
    const { definitions } = this.#open()
    return typeof job === 'string' ? definitionNamed(definitions, job) : job
  }

  #add(row: NewJob, tx: unknown): Promise<Enqueued[]> {
    return tx === undefined ? this.#producer.add(row) : this.#producer.addInside(tx, [row])
  }

  #refsOf(definition: AnyJob, added: readonly Enqueued[]): JobRef[] {
    return added.map(({ id, created, conflict }) => createRef(this.#refs, definition, id, created, conflict))
  }

  async #bulkNow(kind: BulkKind, filter: JobFilter, options: BulkOptions = {}): Promise<number> {
    this.#open()
    return (await runBulk(this.#refs, await planBulk(this.#refs, kind, filter, options))).done
  }
}
