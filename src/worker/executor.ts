import { decode, encode } from '../core/codec.ts'
import type { Cancel, Clock } from '../core/clock.ts'
import type { JobContext, Json } from '../core/context.ts'
import type { AnyJob } from '../core/definition.ts'
import { LegworkError, type SerializedError, serializeError } from '../core/errors.ts'
import type { Emitter } from '../core/events.ts'
import { type Control, controlOf, type Outcome } from '../core/outcome.ts'
import { effective } from '../core/overrides.ts'
import { type RetryPolicy, retryAfterOf, retryDelay } from '../core/retry.ts'
import { Context, type ContextParts, factsOf, percentOf, writeLog, writeProgress } from './context.ts'
import type { Isolation } from './isolate/isolation.ts'
import type { Held } from './running.ts'
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
  /** Milliseconds a handler has between the abort of its signal and being left behind. */
  readonly grace: number
}

/** One attempt on its way through the steps below; each step adds what it finds. */
interface Run {
  readonly held: Held
  readonly definition: AnyJob
  readonly retry: RetryPolicy
  readonly timeout: number | undefined
  readonly parts: ExecutorParts
}

/**
 * Runs one attempt from the claimed row to its outcome. Never throws: whatever goes wrong is an outcome. A handler
 * without schemas costs one promise besides its own: thousands a second pass here.
 */
export async function execute(held: Held, definition: AnyJob, parts: ExecutorParts): Promise<Outcome> {
  const run: Run = { held, definition, parts, ...effective(definition, held.job.options) }
  held.startedAt = performance.now()
  if (parts.events.heard('started')) parts.events.emit('started', { ...held.event, attempt: held.job.attempt })
  const stopTimer = startTimer(run)
  try {
    const work = definition.isolate
      ? runIsolated(run)
      : runHere(run, definition.inputSchema && (await decodeInput(run)))
    const output = isThenable(work) ? await bounded(run, Promise.resolve(work)) : work
    return {
      kind: 'completed',
      output: output === undefined && !definition.outputSchema ? null : await encodeOutput(run, output),
    }
  } catch (error) {
    return outcomeOf(run, error)
  } finally {
    stopTimer?.()
    held.stop.watch(undefined)
  }
}

/** @param parsed the input after its schema; without one it is parsed when the handler asks for it */
function runHere(run: Run, parsed: unknown): unknown {
  const { definition, held, parts } = run
  if (held.stop.reason) throw held.stop.reason
  const context = new Context(contextParts(run), definition.inputSchema ? () => parsed : () => wireOf(held))
  if (parts.middleware.length === 0) return definition.handler?.(context)
  const call = async () => definition.handler?.(context)
  return parts.middleware.reduceRight<() => Promise<unknown>>((next, layer) => async () => layer(context, next), call)()
}

async function runIsolated(run: Run): Promise<unknown> {
  const { definition, held, parts } = run
  await decodeInput(run) // a malformed input ends the job here, without a thread
  const context = contextParts(run)
  const outcome = await parts.isolation().run({
    mode: definition.isolate ?? 'thread',
    module: definition.module ?? '',
    job: definition.name,
    input: wireOf(held),
    facts: { ...factsOf(new Context(context, () => undefined)) },
    ...(definition.memory !== undefined && { memory: definition.memory }),
    signal: held.stop.signal,
    killAfter: parts.grace,
    onProgress: (value) => writeProgress(context, percentOf(value as Json)),
    onLog: ({ level, message, data }) => writeLog(context, level, message, data),
  })
  if (outcome.ok) return outcome.output
  throw 'control' in outcome ? new Controlled(outcome.control) : new Remote(outcome.error)
}

/** A handler that does not come back after it was told to stop is left behind: the fence keeps its results out. */
function bounded(run: Run, work: Promise<unknown>): Promise<unknown> {
  const { stop } = run.held
  // An isolated run is ended by force after the same time; its own answer says more.
  const patience = run.parts.grace * (run.definition.isolate ? 10 : 1)
  return new Promise((resolve, reject) => {
    stop.watch(() => {
      const stopWaiting = run.parts.clock.after(patience, () => reject(stop.reason ?? new Error('stopped')))
      work.then(stopWaiting, stopWaiting)
    })
    work.then(resolve, reject)
  })
}

function startTimer(run: Run): Cancel | undefined {
  const { timeout, held, parts } = run
  if (timeout === undefined) return undefined
  return parts.clock.after(timeout, () => {
    const message = `Attempt ${held.job.attempt} of job ${held.job.id} (${held.job.name}) ran longer than its timeout of ${timeout} ms.`
    held.stop.abort(new LegworkError('LW_JOB_TIMEOUT', message))
  })
}

function contextParts(run: Run): ContextParts {
  const { events, writer, installation } = run.parts
  return { held: run.held, attempts: run.retry.attempts, installation: installation(), events, writer }
}

/** The reason of the abort outranks what the handler threw because of it. */
function outcomeOf(run: Run, error: unknown): Outcome {
  const { reason } = run.held.stop
  if (reason instanceof LegworkError) {
    if (reason.code === 'LW_JOB_CANCELLED') return { kind: 'cancelled', reason: textOf(reason.details['reason']) }
    if (reason.code === 'LW_SHUTDOWN') return { kind: 'released' }
    if (reason.code === 'LW_JOB_TIMEOUT')
      return failure(run, error === reason ? reason : withCause(reason, error), undefined)
  }
  if (error instanceof LegworkError && error.code === 'LW_INPUT_INVALID' && error.details['job'] === run.held.job.id) {
    return { kind: 'dead', reason: 'invalid_input', error: serializeError(error) }
  }
  const control = error instanceof Controlled ? error.control : controlOf(error)
  return control ? controlled(run, control) : failure(run, error, retryAfterOf(error, run.parts.clock.now()))
}

function controlled(run: Run, control: Control): Outcome {
  if (control.kind === 'abort') return { kind: 'dead', reason: 'aborted', error: control.error }
  if (control.kind === 'snooze') return { kind: 'snooze', delay: control.delay, reason: control.reason }
  return exhausted(run, control.error) ?? { kind: 'retry', delay: control.delay, error: control.error }
}

function failure(run: Run, error: unknown, asked: number | undefined): Outcome {
  const serialized = error instanceof Remote ? error.error : serializeError(error)
  const dead = exhausted(run, serialized)
  if (dead) return dead
  try {
    const delay = asked ?? serialized.retryAfter ?? retryDelay(run.retry, run.held.job.attempt, error)
    return { kind: 'retry', delay, error: serialized }
  } catch (broken) {
    run.parts.events.emit('error', { during: `the back-off function of job ${run.held.job.name}`, error: broken })
    return { kind: 'retry', delay: run.retry.first, error: serialized }
  }
}

function exhausted(run: Run, error: SerializedError): Outcome | undefined {
  return run.held.job.attempt >= run.retry.attempts ? { kind: 'dead', reason: 'attempts', error } : undefined
}

async function decodeInput(run: Run): Promise<unknown> {
  const { id, name } = run.held.job
  try {
    return await decode(run.definition.inputSchema, wireOf(run.held), {
      code: 'LW_INPUT_INVALID',
      label: `Stored input of job "${name}"`,
    })
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new LegworkError('LW_INPUT_INVALID', `Job ${id} was not run: ${why}`, { cause, details: { job: id } })
  }
}

function encodeOutput(run: Run, output: unknown): Promise<string | null> {
  return encode(run.definition.outputSchema, output, {
    code: 'LW_OUTPUT_INVALID',
    label: `Output of job "${run.held.job.name}"`,
  })
}

function wireOf(held: Held): unknown {
  return held.job.input === null ? undefined : JSON.parse(held.job.input)
}

/** Query builders are thenable too. */
function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

function textOf(reason: unknown): string {
  return typeof reason === 'string' ? reason : 'cancelled'
}

function withCause(reason: LegworkError, cause: unknown): Error {
  return Object.assign(new Error(reason.message, { cause }), { name: reason.name, code: reason.code })
}

/** Carries a decision of an isolated handler to where outcomes are made. */
class Controlled extends Error {
  readonly control: Control

  constructor(control: Control) {
    super(control.kind)
    this.control = control
  }
}

/** Carries the error of an isolated handler as it was there. */
class Remote extends Error {
  readonly error: SerializedError

  constructor(error: SerializedError) {
    super(error.message)
    this.name = error.name
    this.error = error
  }
}
