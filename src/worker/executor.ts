import { decode, encode, toJson } from '../core/codec.ts'
import type { Cancel, Clock } from '../core/clock.ts'
import type { JobContext, Json } from '../core/context.ts'
import type { AnyJob } from '../core/definition.ts'
import { LegworkError } from '../core/errors.ts'
import type { Emitter } from '../core/events.ts'
import type { LastSuccess } from '../core/firing.ts'
import type { Outcome } from '../core/outcome.ts'
import { retryOf, timeoutOf } from '../core/overrides.ts'
import type { RetryPolicy } from '../core/retry.ts'
import type { Durability, DurableContext, DurableRun } from '../core/durable.ts'
import {
  Context,
  type ContextParts,
  factsOf,
  idempotencyKeyOf,
  percentOf,
  restartsOf,
  storedFiring,
  writeLog,
  writeProgress,
} from './context.ts'
import type { Isolation } from './isolate/isolation.ts'
import type { LockOfAttempt, TakeLock } from '../core/lock.ts'
import type { Held } from './running.ts'
import { Controlled, refusalOf, Remote, verdictOf } from './verdict.ts'
import type { Writer } from './writer.ts'

/** Wraps every handler: `await next()` runs the rest. It may throw to fail the attempt, or run `next` inside a span. */
export type Middleware = (context: JobContext, next: () => Promise<unknown>) => Promise<unknown>

export interface ExecutorParts {
  readonly clock: Clock
  readonly events: Emitter
  readonly writer: Writer
  readonly middleware: readonly Middleware[]
  readonly isolation: () => Isolation
  readonly installation: () => string
  readonly slowDown: (held: Held, ms: number, name: string | undefined) => Promise<void>
  readonly lock: LockOfAttempt
  readonly lastSuccess: (schedule: string) => Promise<LastSuccess | undefined>
  /** What remembers the steps of a handler that has any. */
  readonly durable: Durability['begin']
  /** Milliseconds a handler has between the abort of its signal and being left behind. */
  readonly grace: number
  /** Called once per attempt, with what became of it. */
  readonly onOutcome: (held: Held, outcome: Outcome) => void
}

/** Runs one attempt from the claimed row to its outcome. Never throws: whatever goes wrong is an outcome. */
export function execute(held: Held, definition: AnyJob, parts: ExecutorParts): void {
  held.keyFailure = definition.keyFailure
  const refused = refusalOf(held.job)
  if (refused) {
    held.refused = true
    parts.onOutcome(held, refused)
  } else if (held.broken !== undefined) new Attempt(held, definition, parts).refuse(held.broken)
  else new Attempt(held, definition, parts).start()
}

/** Frozen and shared: what nearly every job comes to. */
const completedWithoutOutput: Outcome = Object.freeze({ kind: 'completed', output: null })

/**
 * One run of a handler. Tens of thousands a second pass here: without schemas it costs this object, the context, and
 * what follows the handler's own promise; a handler that returns none is done within the call.
 */
class Attempt implements ContextParts {
  readonly held: Held
  readonly #definition: AnyJob
  readonly #parts: ExecutorParts
  readonly #retry: RetryPolicy
  readonly #timeout: number | undefined
  #parsed: unknown
  #durable: DurableRun | undefined
  #over = false
  /** Aborts when the attempt is over; made when the handler asks for a lock. */
  #locks: AbortController | undefined
  #stopTimer: Cancel | undefined
  #stopWaiting: Cancel | undefined

  constructor(held: Held, definition: AnyJob, parts: ExecutorParts) {
    this.held = held
    this.#definition = definition
    this.#parts = parts
    this.#retry = retryOf(definition, held.job.options)
    this.#timeout = timeoutOf(definition, held.job.options)
  }

  /** Parsed when the handler asks for it, unless a schema has done it before. */
  input(): unknown {
    return this.#definition.inputSchema ? this.#parsed : wireOf(this.held)
  }
  get attempts(): number {
    return this.#retry.attempts
  }
  get installation(): string {
    return this.#parts.installation()
  }
  /** A job becomes durable when its handler asks for a step. */
  get durable(): DurableContext {
    return this.#remembering().context
  }
  get events(): Emitter {
    return this.#parts.events
  }
  get writer(): Writer {
    return this.#parts.writer
  }

  slowDown(ms: number, name: string | undefined): Promise<void> {
    return this.#parts.slowDown(this.held, ms, name)
  }
  get lock(): TakeLock {
    this.#locks ??= new AbortController()
    if (this.#over) this.#locks.abort(attemptOver(this.held))
    return this.#parts.lock(this.held.stop.signal, this.#locks.signal)
  }
  lastSuccess(schedule: string): Promise<LastSuccess | undefined> {
    return this.#parts.lastSuccess(schedule)
  }
  now(): number {
    return this.#parts.clock.now()
  }

  /** It fails before it has begun. */
  refuse(error: unknown): void {
    this.#fail(error)
  }

  start(): void {
    const { held, events } = this
    held.startedAt = performance.now()
    if (events.heard('started')) events.emit('started', { ...held.event, attempt: held.job.attempt })
    if (this.#timeout !== undefined) this.#startTimer(this.#timeout)
    try {
      const work = this.#work()
      if (isThenable(work)) this.#await(work)
      else this.#succeed(work)
    } catch (error) {
      this.#fail(error)
    }
  }

  /** A handler that does not come back after it was told to stop is left behind: the fence keeps its results out. */
  stopped(reason: Error): void {
    // An isolated run is ended by force after the same time; its own answer says more.
    const patience = this.#parts.grace * (this.#definition.isolate ? 10 : 1)
    this.#stopWaiting = this.#parts.clock.after(patience, () => this.#fail(reason))
  }

  #work(): unknown {
    if (this.#definition.isolate) return this.#runIsolated()
    return this.#definition.drift === 'error' ? this.#runStrictly() : this.#run()
  }

  /** One that leaves out what its job remembers has not completed it. */
  async #runStrictly(): Promise<unknown> {
    const output = await this.#run()
    if (this.#durable !== undefined || this.held.job.claim > 1) await this.#remembering().requireAll()
    return output
  }

  #run(): unknown {
    if (!this.#definition.inputSchema) return this.#call()
    return this.#decodeInput().then((input) => {
      this.#parsed = input
      return this.#call()
    })
  }

  #call(): unknown {
    const { handler } = this.#definition
    const { middleware } = this.#parts
    if (this.held.stop.reason) throw this.held.stop.reason
    const context = new Context(this)
    if (middleware.length === 0) return handler?.(context)
    const call = async () => handler?.(context)
    return middleware.reduceRight<() => Promise<unknown>>((next, layer) => async () => layer(context, next), call)()
  }

  async #runIsolated(): Promise<unknown> {
    const definition = this.#definition
    await this.#decodeInput() // a malformed input ends the job here, without a thread
    const context = new Context(this)
    const outcome = await this.#parts.isolation().run({
      mode: definition.isolate ?? 'thread',
      module: definition.module ?? '',
      job: definition.name,
      input: wireOf(this.held),
      facts: { ...factsOf(context), schedule: storedFiring(this.held) },
      context,
      ...(definition.memory !== undefined && { memory: definition.memory }),
      signal: this.held.stop.signal,
      killAfter: this.#parts.grace,
      onProgress: (value) => writeProgress(this, percentOf(value as Json)),
      onLog: ({ level, message, data }) => writeLog(this, level, message, data),
    })
    if (outcome.ok) return outcome.output
    throw 'control' in outcome ? new Controlled(outcome.control) : new Remote(outcome.error)
  }

  async #decodeInput(): Promise<unknown> {
    const { id, name } = this.held.job
    try {
      return await decode(this.#definition.inputSchema, wireOf(this.held), {
        code: 'LW_INPUT_INVALID',
        label: `Stored input of job "${name}"`,
      })
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      throw new LegworkError('LW_INPUT_INVALID', `Job ${id} was not run: ${why}`, { cause, details: { job: id } })
    }
  }

  #await(work: PromiseLike<unknown>): void {
    this.held.stop.watch(this)
    work.then(
      (output) => this.#succeed(output),
      (error: unknown) => this.#fail(error),
    )
  }

  #succeed(output: unknown): void {
    const { outputSchema, name } = this.#definition
    if (output === undefined && !outputSchema) return this.#end(completedWithoutOutput)
    const label = `Output of job "${name}"`
    if (outputSchema) {
      encode(outputSchema, output, { code: 'LW_OUTPUT_INVALID', label }).then(
        (text) => this.#end({ kind: 'completed', output: text }),
        (error: unknown) => this.#fail(error),
      )
      return
    }
    let text: string | null
    try {
      text = toJson(output, label)
    } catch (error) {
      return this.#fail(error)
    }
    this.#end({ kind: 'completed', output: text })
  }

  #fail(error: unknown): void {
    if (this.#over) return
    const { held, events } = this
    this.#end(verdictOf({ held, events, retry: this.#retry, now: this.#parts.clock.now() }, error))
  }

  /** The first outcome counts. */
  #end(outcome: Outcome): void {
    if (this.#over) return
    this.#over = true
    this.#stopTimer?.()
    this.#stopWaiting?.()
    this.held.stop.watch(undefined)
    this.#locks?.abort(attemptOver(this.held))
    // One that ends in this attempt before its first step may have steps of earlier ones to undo.
    const isEnd = outcome.kind === 'dead' || outcome.kind === 'cancelled' || outcome.kind === 'completed'
    const durable = this.#durable ?? (isEnd && this.held.job.claim > 1 ? this.#remembering() : undefined)
    if (durable) void durable.conclude(outcome).then((found) => this.#parts.onOutcome(this.held, found))
    else this.#parts.onOutcome(this.held, outcome)
  }

  #remembering(): DurableRun {
    const { job, stop } = this.held
    this.#durable ??= this.#parts.durable({
      job,
      event: this.held.event,
      retry: this.#retry,
      signals: this.#definition.signals,
      signal: () => stop.signal,
      reason: () => stop.reason,
      idempotencyKey: idempotencyKeyOf(this.installation, this.held),
      restarts: restartsOf(job),
      input: this.#definition.inputSchema,
      checkpoint: this.#definition.checkpointSchema,
      end: (outcome) => this.#end(outcome),
    })
    return this.#durable
  }

  #startTimer(ms: number): void {
    const { held } = this
    this.#stopTimer = this.#parts.clock.after(ms, () => {
      const message = `Attempt ${held.job.attempt} of job ${held.job.id} (${held.job.name}) ran longer than its timeout of ${ms} ms.`
      held.stop.abort(new LegworkError('LW_JOB_TIMEOUT', message))
    })
  }
}

function attemptOver({ job: { id, name } }: Held): LegworkError {
  return new LegworkError('LW_LOCK_LOST', `The attempt of job ${id} (${name}) is over, and its locks were freed.`)
}

function wireOf(held: Held): unknown {
  return held.job.input === null ? undefined : JSON.parse(held.job.input)
}

/** Query builders are thenable too. */
function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
