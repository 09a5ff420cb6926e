import type { Clock } from '../core/clock.ts'
import type { AnyJob } from '../core/definition.ts'
import { LegworkError } from '../core/errors.ts'
import type { Emitter } from '../core/events.ts'
import type { ClaimedJob } from '../store/queries/claim.ts'
import { execute, type ExecutorParts, type Middleware } from './executor.ts'
import { createIsolation, type Isolation } from './isolate/isolation.ts'
import type { Held, Holdings } from './running.ts'
import { Stop } from './stop.ts'
import type { Writer } from './writer.ts'

export interface RunnerParts {
  readonly clock: Clock
  readonly events: Emitter
  readonly writer: Writer
  readonly holdings: Holdings
  readonly definitions: ReadonlyMap<string, AnyJob>
  readonly middleware: readonly Middleware[]
  readonly concurrency: number
  readonly grace: number
  readonly queueName: (queueId: number) => string
  readonly installation: () => string
  /** Resolves when the database knows which suspect runs. */
  readonly markSuspect: (id: string | undefined) => Promise<void>
  /** A place has become free. */
  readonly onFinished: () => void
}

/** How many isolated handlers run at once, of each kind. */
const isolatedPlaces = 8

/** Runs claimed jobs, so many at once, and gives each outcome to the writer. */
export class Runner {
  readonly #parts: RunnerParts
  readonly #executor: ExecutorParts
  readonly #waiting: Held[] = []
  #isolation: Isolation | undefined
  #running = 0
  #suspectRuns = false
  #closed = false

  constructor(parts: RunnerParts) {
    const { clock, events, writer, middleware, grace, installation } = parts
    this.#parts = parts
    this.#executor = { clock, events, writer, middleware, grace, installation, isolation: () => this.#isolated() }
  }

  /** Starts these jobs as soon as there is room, in order. */
  take(jobs: readonly ClaimedJob[]): void {
    for (const job of jobs) {
      const event = { id: job.id, name: job.name, queue: this.#parts.queueName(job.queueId) }
      const held: Held = { job, event, stop: new Stop(), startedAt: undefined, settling: false, lost: false }
      this.#parts.holdings.add(held)
      this.#waiting.push(held)
    }
    if (this.#closed) this.handBackWaiting()
    else this.#pump()
  }

  /** Begins nothing more. Claimed jobs that have not begun go back at once, also those that a claim under way still brings. */
  handBackWaiting(): void {
    this.#closed = true
    for (const held of this.#waiting.splice(0)) this.#parts.writer.settle(held, { kind: 'released' })
  }

  /** Asks all running handlers to stop. */
  abortAll(): void {
    for (const held of this.#parts.holdings.all())
      held.stop.abort(new LegworkError('LW_SHUTDOWN', 'The worker is stopping.'))
  }

  /** Handlers that ignore their signal run on, but their jobs go back now and what they do is fenced out. */
  leaveBehind(): void {
    for (const held of this.#parts.holdings.all()) this.#parts.writer.settle(held, { kind: 'released' })
  }

  async close(): Promise<void> {
    await this.#isolation?.close()
  }

  /** Suspects (they were running when a worker died) run one at a time: so the next crash says which one it was. */
  #pump(): void {
    while (!this.#closed && this.#running < this.#parts.concurrency) {
      const place = this.#waiting.findIndex((held) => held.lost || held.job.crashes === 0 || !this.#suspectRuns)
      const [held] = place < 0 ? [] : this.#waiting.splice(place, 1)
      if (!held) return
      if (held.lost) this.#parts.holdings.remove(held)
      else void this.#run(held)
    }
  }

  async #run(held: Held): Promise<void> {
    this.#running++
    try {
      await (held.job.crashes > 0 ? this.#runSuspect(held) : this.#execute(held))
    } finally {
      this.#running--
      this.#pump()
      this.#parts.onFinished()
    }
  }

  /** If it kills this worker too, the database must know that it was this one; if it cannot be told, the job waits. */
  async #runSuspect(held: Held): Promise<void> {
    this.#suspectRuns = true
    try {
      if (await this.#noted(held.job.id)) await this.#execute(held)
      else this.#parts.writer.settle(held, { kind: 'released' })
      await this.#noted(undefined)
    } finally {
      this.#suspectRuns = false
    }
  }

  async #noted(id: string | undefined): Promise<boolean> {
    try {
      await this.#parts.markSuspect(id)
      return true
    } catch (error) {
      this.#parts.events.emit('error', { during: 'noting a suspect', error })
      return false
    }
  }

  async #execute(held: Held): Promise<void> {
    const { definitions, holdings, writer } = this.#parts
    const definition = definitions.get(held.job.name)
    if (!definition) return // cannot be: the claim asks for known names only
    const outcome = await execute(held, definition, this.#executor)
    if (holdings.get(held.job.id) === held) writer.settle(held, outcome)
  }

  #isolated(): Isolation {
    this.#isolation ??= createIsolation({ maxThreads: isolatedPlaces, maxProcesses: isolatedPlaces })
    return this.#isolation
  }
}
