import { definitionFor } from './versions.ts'
import type { Clock } from '../core/clock.ts'
import type { Durability } from '../core/durable.ts'
import type { AnyJob } from '../core/definition.ts'
import { LegworkError } from '../core/errors.ts'
import type { Emitter } from '../core/events.ts'
import type { Outcome } from '../core/outcome.ts'
import { Gatherer, Group } from './gatherer.ts'
import { execute, type ExecutorParts, type Middleware } from './executor.ts'
import { createIsolation, type Isolation } from './isolate/isolation.ts'
import type { Held, Holdings } from './running.ts'
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
  readonly installation: () => string
  readonly durable: Durability['begin']
  /** A running job asks its limits to let nobody begin for so many milliseconds. */
  readonly slowDown: ExecutorParts['slowDown']
  readonly lock: ExecutorParts['lock']
  readonly lastSuccess: ExecutorParts['lastSuccess']
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
  readonly #gatherer: Gatherer
  readonly #waiting: (Held | Group)[] = []
  readonly #suspects: Held[] = []
  #isolation: Isolation | undefined
  #running = 0
  #suspectRuns = false
  #pumping = false
  #closed = false

  constructor(parts: RunnerParts) {
    const { clock, events, writer, middleware, grace, installation, durable, slowDown, lock, lastSuccess } = parts
    this.#parts = parts
    const isolation = () => this.#isolated()
    const onOutcome = (held: Held, outcome: Outcome) => this.#finish(held, outcome)
    const common = { clock, events, writer, middleware, grace, installation, durable, slowDown, lock, lastSuccess }
    this.#executor = { ...common, isolation, onOutcome }
    this.#gatherer = new Gatherer({
      clock,
      definitions: parts.definitions,
      holdings: parts.holdings,
      lock,
      run: (held) => this.#queue(held),
      runGroup: (group) => this.#queueGroup(group),
      handBack: (held) => writer.settle(held, { kind: 'released' }),
    })
  }

  /** Starts these jobs as soon as there is room, in order; those whose handler takes many when they have come together. */
  take(jobs: readonly Held[]): void {
    this.#gatherer.take(jobs)
  }

  /** Nothing more is expected: what is being gathered is run as it is. */
  gatherNoMore(): void {
    this.#gatherer.flush()
  }

  /** What the jobs that are handled together mean for the number of places. */
  get gathered(): Pick<Gatherer, 'sharing' | 'missing' | 'seatsOf'> {
    return this.#gatherer
  }

  /** Begins nothing more. Claimed jobs that have not begun go back at once, also those that a claim under way still brings. */
  handBackWaiting(): void {
    this.#closed = true
    this.#gatherer.close()
    for (const work of [...this.#suspects.splice(0), ...this.#waiting.splice(0)])
      for (const held of membersOf(work)) this.#parts.writer.settle(held, { kind: 'released' })
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

  /** Suspects before the others. */
  #queue(jobs: readonly Held[]): void {
    for (const held of jobs) {
      this.#parts.holdings.add(held)
      ;(held.job.crashes > 0 ? this.#suspects : this.#waiting).push(held)
    }
    if (this.#closed) this.handBackWaiting()
    else this.#pump()
  }

  #queueGroup(group: Group): void {
    this.#waiting.push(group)
    if (this.#closed) this.handBackWaiting()
    else this.#pump()
  }

  /** A handler without a promise is done within the call, and comes back here: the loop that runs goes on for it. */
  #pump(): void {
    if (this.#pumping) return
    this.#pumping = true
    while (!this.#closed && this.#running < this.#parts.concurrency) {
      const work = this.#next()
      if (!work) break
      if (work instanceof Group) this.#startGroup(work)
      else if (work.lost) this.#parts.holdings.remove(work)
      else this.#start(work)
    }
    this.#pumping = false
  }

  /** Suspects (they were running when a worker died) run one at a time: so the next crash says which one it was. */
  #next(): Held | Group | undefined {
    return (this.#suspectRuns ? undefined : this.#suspects.shift()) ?? this.#waiting.shift()
  }

  #start(held: Held): void {
    this.#running++
    if (held.job.crashes > 0) void this.#startSuspect(held)
    else this.#execute(held)
  }

  /** Each is an attempt of its own, with the one place of the group. */
  #startGroup(group: Group): void {
    this.#running++
    for (const held of group.members) execute(held, group.definition, this.#executor)
  }

  /** If it kills this worker too, the database must know that it was this one; if it cannot be told, the job waits. */
  async #startSuspect(held: Held): Promise<void> {
    this.#suspectRuns = true
    if (await this.#noted(held.job.id)) this.#execute(held)
    else this.#finish(held, { kind: 'released' })
  }

  #execute(held: Held): void {
    const definition = definitionFor(this.#parts.definitions, held.job)
    if (definition) execute(held, definition, this.#executor)
    else this.#finish(held, { kind: 'released' }) // cannot be: the claim asks for known names only
  }

  #finish(held: Held, outcome: Outcome): void {
    const { holdings, writer } = this.#parts
    if (holdings.get(held.job.id) === held) writer.settle(held, outcome)
    if (held.job.crashes > 0) return void this.#endSuspect()
    held.group?.ended(held)
    if (held.group && held.group.open > 0) this.#parts.onFinished()
    else this.#vacate()
  }

  async #endSuspect(): Promise<void> {
    await this.#noted(undefined)
    this.#suspectRuns = false
    this.#vacate()
  }

  #vacate(): void {
    this.#running--
    this.#pump()
    this.#parts.onFinished()
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

  #isolated(): Isolation {
    this.#isolation ??= createIsolation({ maxThreads: isolatedPlaces, maxProcesses: isolatedPlaces })
    return this.#isolation
  }
}

function membersOf(work: Held | Group): readonly Held[] {
  return work instanceof Group ? work.members : [work]
}
