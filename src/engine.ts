import type { AnyJob } from './core/definition.ts'
import type { CloseOptions, EnqueueOptions, Legwork, LegworkOptions, WorkOptions } from './api.ts'
import { Batcher } from './core/batcher.ts'
import { type Clock, systemClock } from './core/clock.ts'
import { milliseconds } from './core/duration.ts'
import { LegworkError, optionError, show } from './core/errors.ts'
import { Emitter, type EngineEvents, type EventName } from './core/events.ts'
import { nearest } from './core/suggest.ts'
import { prepare } from './enqueue.ts'
import { Hub } from './live/hub.ts'
import { cancelJob, createRef, type JobRef, type RefParts } from './live/ref.ts'
import { Results } from './live/results.ts'
import { announce, definitionMap, retentionOf, workerOptions } from './settings.ts'
import { stopOnSignals } from './signals.ts'
import { openStore } from './store/open.ts'
import type { Enqueued, NewJob } from './store/queries/enqueue.ts'
import type { JobFilter, JobPage, ListOptions } from './store/queries/list.ts'
import type { QueueStatus } from './store/queries/queues.ts'
import type { Retention } from './store/queries/upkeep.ts'
import type { WorkerRecord } from './store/queries/workers.ts'
import type { Store } from './store/store.ts'
import { transactionOf } from './store/transaction/transaction.ts'
import type { Middleware } from './worker/executor.ts'
import { Worker } from './worker/worker.ts'

/**
 * Opens the engine: connects, brings the schema up to date, and is ready to enqueue. It runs jobs once `work` is called.
 * @throws LW_JOB_NAME_TAKEN, LW_OPTION_INVALID, LW_DATABASE_LOCKED, LW_DATABASE_UNREACHABLE, LW_SCHEMA_NEWER
 * @example const lw = await legwork({ jobs: [hello] })
 */
export async function legwork(options: LegworkOptions): Promise<Legwork> {
  const definitions = definitionMap(options.jobs)
  const retention = retentionOf(options.retention)
  const store = await openStore(options.database)
  try {
    await store.migrate()
    await announce(store, definitions)
    const engine: Legwork = new Engine({
      store,
      definitions,
      retention,
      clock: options.clock ?? systemClock,
      use: options.use ?? [],
    })
    return engine
  } catch (error) {
    await store.close()
    throw error
  }
}

interface EngineParts {
  readonly store: Store
  readonly clock: Clock
  readonly definitions: ReadonlyMap<string, AnyJob>
  readonly retention: Retention
  readonly use: readonly Middleware[]
}

/** Callers that share a statement; more would make the first of them wait too long. */
const largestGroup = 1_000
const page = 500

/** Wires the parts; the work is theirs. */
class Engine {
  readonly #parts: EngineParts
  readonly #refs: RefParts
  readonly #events = new Emitter()
  readonly #hub: Hub
  readonly #batcher: Batcher<NewJob, Enqueued>
  #worker: Worker | undefined
  #closing: Promise<void> | undefined
  #forgetSignals: (() => void) | undefined

  constructor(parts: EngineParts) {
    const { store, clock } = parts
    this.#parts = parts
    this.#hub = new Hub(store, (error) => this.#events.emit('error', { during: 'sending a hint', error }))
    this.#refs = { store, clock, hub: this.#hub, results: new Results(store, clock, this.#hub) }
    this.#batcher = new Batcher((jobs) => store.enqueue(jobs), largestGroup, isUndone)
    this.#hub.open()
  }

  async enqueue(job: AnyJob | string, input?: unknown, options: EnqueueOptions = {}): Promise<JobRef<never>> {
    const definition = this.#definition(job)
    const row = await prepare(definition, input, options)
    const [added] = options.tx === undefined ? await this.#batcher.add([row]) : await this.#inside(options.tx, [row])
    return this.#added(definition, [row], added ? [added] : [])[0] as JobRef<never>
  }

  async enqueueMany(
    job: AnyJob,
    inputs: readonly unknown[],
    options: EnqueueOptions | ((input: never, index: number) => EnqueueOptions) = {},
  ): Promise<JobRef<never>[]> {
    const definition = this.#definition(job)
    const each = typeof options === 'function' ? options : () => options
    const rows = await Promise.all(
      inputs.map((input, index) => prepare(definition, input, each(input as never, index))),
    )
    if (rows.length === 0) return []
    const tx = typeof options === 'function' ? undefined : options.tx
    const added = tx === undefined ? await this.#open().store.enqueue(rows) : await this.#inside(tx, rows)
    return this.#added(definition, rows, added) as JobRef<never>[]
  }

  ref<Result>(id: string, job?: AnyJob): JobRef<Result> {
    if (!/^\d{1,19}$/.test(id)) throw optionError('id', 'the id of a job, digits as text', id)
    return createRef(this.#refs, job, id, true)
  }

  list(options: ListOptions = {}): Promise<JobPage> {
    return this.#open().store.list(options)
  }

  async cancel(filter: JobFilter, reason = 'cancelled by request'): Promise<number> {
    const live = filter.state ?? (['scheduled', 'blocked', 'ready', 'running'] as const)
    return this.#eachPage({ ...filter, state: live }, async (ids) => {
      let count = 0
      for (const id of ids) if (await cancelJob(this.#refs, id, reason)) count++
      return count
    })
  }

  async redrive(filter: JobFilter = {}): Promise<number> {
    return this.#eachPage({ ...filter, state: filter.state ?? 'dead' }, async (ids) => {
      const { ids: back, woken } = await this.#open().store.redrive(ids)
      this.#hub.tell({ woken, changed: back })
      return back.length
    })
  }

  queues(): Promise<QueueStatus[]> {
    return this.#open().store.queueStatus()
  }

  async pause(queue: string, reason?: string): Promise<void> {
    await this.#open().store.pauseQueue(queue, reason)
    await this.#queuesChanged()
  }

  async resume(queue: string): Promise<void> {
    await this.#open().store.resumeQueue(queue)
    await this.#queuesChanged()
  }

  workers(): Promise<WorkerRecord[]> {
    return this.#open().store.workers(200)
  }

  on<N extends EventName>(event: N, listener: (event: EngineEvents[N]) => void): () => void {
    return this.#events.on(event, listener)
  }

  async work(options: WorkOptions = {}): Promise<void> {
    const { store, clock, definitions } = this.#open()
    if (this.#worker) return
    const events = this.#events
    const worker = new Worker({
      store,
      clock,
      events,
      definitions,
      options: workerOptions(options, this.#parts.retention, this.#parts.use),
      onWritten: (written) => {
        this.#hub.tell({ ended: written.ended, changed: [...written.fed, ...written.returned], woken: written.woken })
      },
    })
    this.#worker = worker
    this.#hub.subscribe(
      (hint) => {
        if (hint.woken?.length) worker.wake(hint.woken)
        if (hint.enqueued?.length) worker.wakeNamed(hint.enqueued)
        if (hint.cancel?.length) worker.cancel(hint.cancel, 'cancelled by request')
        if (hint.queues) void worker.discover()
        if (hint.due !== undefined) worker.expect(hint.due)
      },
      () => void worker.discover(),
    )
    await worker.start()
    const stop = options.stopOnSignal ?? '25s'
    if (stop !== false) this.#forgetSignals = stopOnSignals(() => this.close({ timeout: stop }))
  }

  async idle(): Promise<void> {
    await this.#batcher.drained()
    await this.#worker?.idle()
  }

  close(options: CloseOptions = {}): Promise<void> {
    this.#closing ??= this.#close(milliseconds(options.timeout ?? '25s', 'timeout'))
    return this.#closing
  }

  async #close(timeout: number): Promise<void> {
    try {
      await this.#batcher.drained()
      await this.#worker?.stop(timeout)
      this.#refs.results.close()
      await this.#hub.close()
    } finally {
      this.#forgetSignals?.()
      await this.#parts.store.close()
    }
  }

  #open(): EngineParts {
    if (this.#closing)
      throw new LegworkError('LW_CLOSED', 'The engine has been closed.', { hint: 'Call legwork() again.' })
    return this.#parts
  }

  #definition(job: AnyJob | string): AnyJob {
    const { definitions } = this.#open()
    if (typeof job !== 'string') return job
    const found = definitions.get(job)
    if (found) return found
    const guess = nearest(job, definitions.keys())
    throw new LegworkError('LW_JOB_UNKNOWN', `No job named ${show(job)} was given to legwork().`, {
      hint:
        guess === undefined
          ? `Known: ${[...definitions.keys()].join(', ') || 'none'}.`
          : `Did you mean ${show(guess)}?`,
      details: { name: job, ...(guess !== undefined && { nearest: guess }) },
    })
  }

  #inside(tx: unknown, rows: readonly NewJob[]): Promise<Enqueued[]> {
    return this.#open().store.enqueue(rows, transactionOf(tx))
  }

  /** Tells the workers and gives the refs. In a transaction the news may come before the commit: then the poll finds the job. */
  #added(definition: AnyJob, rows: readonly NewJob[], added: readonly Enqueued[]): JobRef[] {
    const created = added.flatMap(({ id, created }, place) =>
      created ? [{ id, name: definition.name, queue: rows[place]?.queue ?? '' }] : [],
    )
    if (created.length > 0) {
      const soonest = Math.min(
        ...rows.map((row) => row.delayMs ?? (row.runAt ? row.runAt.getTime() - this.#parts.clock.now() : 0)),
      )
      this.#hub.tell(
        soonest > 0 ? { due: soonest } : { enqueued: rows.map(({ queue, priority }) => ({ queue, priority })) },
      )
      this.#events.emit('enqueued', { jobs: created })
    }
    return added.map(({ id, created: isNew }) => createRef(this.#refs, definition, id, isNew))
  }

  async #queuesChanged(): Promise<void> {
    this.#hub.tell({ queues: true })
    await this.#worker?.discover()
  }

  /** Runs `work` over all ids that fit now, oldest first, a page at a time; a job that changes meanwhile is not met twice. */
  async #eachPage(filter: JobFilter, work: (ids: readonly string[]) => Promise<number>): Promise<number> {
    let count = 0
    for (let after: string | undefined, more = true; more;) {
      const found: JobPage = await this.#open().store.list({
        ...filter,
        order: 'oldest',
        limit: page,
        ...(after !== undefined && { after }),
      })
      count += await work(found.jobs.map((job) => job.id))
      after = found.next
      more = after !== undefined
    }
    return count
  }
}

/** Whether a failed enqueue certainly left nothing in the database. */
function isUndone(error: unknown): boolean {
  return !(error instanceof LegworkError && (error.code === 'LW_DATABASE_UNREACHABLE' || error.code === 'LW_CLOSED'))
}
