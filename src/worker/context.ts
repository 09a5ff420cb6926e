import { toJson, toLogJson } from '../core/codec.ts'
import type { DurableContext } from '../core/durable.ts'
import type { JobContext, JobFacts, JobLog, Json, LogLevel, SlowDown } from '../core/context.ts'
import { milliseconds } from '../core/duration.ts'
import { cleanText, optionError } from '../core/errors.ts'
import { firingOf, type LastSuccess, type ScheduleFacts, type StoredFiring } from '../core/firing.ts'
import { instant } from '../core/instant.ts'
import type { Emitter } from '../core/events.ts'
import type { TakeLock } from '../core/lock.ts'
import type { Held } from './running.ts'
import type { Writer } from './writer.ts'

export interface ContextParts {
  readonly held: Held
  readonly attempts: number
  readonly durable: DurableContext
  /** The name of the database, for keys that must not repeat in another. */
  readonly installation: string
  readonly events: Emitter
  readonly writer: Writer
  /** The process's own time, milliseconds since the epoch. */
  now(): number
  slowDown(ms: number, name: string | undefined): Promise<void>
  /** The newest run of a schedule that completed. */
  lastSuccess(schedule: string): Promise<LastSuccess | undefined>
  readonly lock: TakeLock
  /** What the handler gets as its input; asked once. */
  input(): unknown
}

/** What a handler is called with. Everything is made when it is asked for: a short job asks for little. */
export class Context implements JobContext {
  readonly #parts: ContextParts
  #input: unknown

  constructor(parts: ContextParts) {
    this.#parts = parts
  }

  get input(): unknown {
    this.#input ??= this.#parts.input()
    return this.#input
  }

  get id(): string {
    return this.#parts.held.job.id
  }
  get name(): string {
    return this.#parts.held.job.name
  }
  get queue(): string {
    return this.#parts.held.queue
  }
  get attempt(): number {
    return this.#parts.held.job.attempt
  }
  get attempts(): number {
    return this.#parts.attempts
  }
  get key(): string | undefined {
    return this.#parts.held.job.key
  }
  get priority(): number {
    return this.#parts.held.job.priority
  }
  get version(): string | undefined {
    return this.#parts.held.job.options['version'] as string | undefined
  }
  get tags(): readonly string[] {
    return this.#parts.held.job.tags
  }
  get headers(): Readonly<Record<string, string>> {
    return this.#parts.held.job.headers
  }
  get traceparent(): string | undefined {
    return this.#parts.held.job.trace
  }
  get enqueuedAt(): Date {
    return new Date(this.#parts.held.job.createdAt)
  }
  get idempotencyKey(): string {
    return idempotencyKeyOf(this.#parts.installation, this.#parts.held)
  }
  get signal(): AbortSignal {
    return this.#parts.held.stop.signal
  }
  get step(): DurableContext['step'] {
    return this.#parts.durable.step
  }
  get sleep(): DurableContext['sleep'] {
    return this.#parts.durable.sleep
  }
  get sleepUntil(): DurableContext['sleepUntil'] {
    return this.#parts.durable.sleepUntil
  }
  get waitFor(): DurableContext['waitFor'] {
    return this.#parts.durable.waitFor
  }
  get signalToken(): DurableContext['signalToken'] {
    return this.#parts.durable.signalToken
  }
  get run(): DurableContext['run'] {
    return this.#parts.durable.run
  }
  get runAll(): DurableContext['runAll'] {
    return this.#parts.durable.runAll
  }
  get commit(): DurableContext['commit'] {
    return this.#parts.durable.commit
  }
  get now(): DurableContext['now'] {
    return this.#parts.durable.now
  }
  get random(): DurableContext['random'] {
    return this.#parts.durable.random
  }
  get checkpoint(): DurableContext['checkpoint'] {
    return this.#parts.durable.checkpoint
  }
  get restart(): DurableContext['restart'] {
    return this.#parts.durable.restart
  }
  get uuid(): DurableContext['uuid'] {
    return this.#parts.durable.uuid
  }
  get schedule(): ScheduleFacts | undefined {
    const stored = storedFiring(this.#parts.held)
    return stored && { ...firingOf(stored), lastSuccess: () => this.#parts.lastSuccess(stored.id) }
  }
  get log(): JobLog {
    const method = (level: LogLevel) => (message: string, data?: unknown) => writeLog(this.#parts, level, message, data)
    return { debug: method('debug'), info: method('info'), warn: method('warn'), error: method('error') }
  }
  get slowDown(): JobContext['slowDown'] {
    return async (wish) => this.#parts.slowDown(slowFor(wish, this.#parts.now()), wish.limit)
  }
  get lock(): TakeLock {
    return this.#parts.lock
  }
  get progress(): JobContext['progress'] {
    return (value: Json, message?: string) => writeProgress(this.#parts, percentOf(value, message))
  }
}

function slowFor(wish: SlowDown, now: number): number {
  const until = instant(wish.until, 'slowDown.until')
  if (until) return Math.max(0, until.getTime() - now)
  if (wish.for === undefined) throw optionError('slowDown.for', 'a duration, unless until is given', wish.for)
  return milliseconds(wish.for, 'slowDown.for')
}

/** The same for every attempt; another one after each restart. */
export function idempotencyKeyOf(installation: string, { job }: Held): string {
  const restarts = restartsOf(job)
  return `${installation}-${job.id}${restarts > 0 ? `.${restarts}` : ''}`
}

/** How often a job has begun again with another input. */
export function restartsOf({ options }: Held['job']): number {
  return (options['restarts'] as number | undefined) ?? 0
}

/** What a job that a schedule has made keeps of it. */
export function storedFiring({ job }: Held): StoredFiring | undefined {
  return job.options['schedule'] as StoredFiring | undefined
}

/** The facts alone, as plain data that can be sent to another process. */
export function factsOf(context: Context): JobFacts {
  const { id, name, queue, attempt, attempts, key, priority, version, tags, headers } = context
  const { traceparent, enqueuedAt, idempotencyKey } = context
  const row = { id, name, queue, key, priority, version, tags, headers, traceparent, enqueuedAt }
  return { ...row, attempt, attempts, idempotencyKey }
}

export function writeProgress({ held, writer, events }: ContextParts, value: unknown): void {
  if (held.lost) return
  const json = toJson(value, `Progress of job "${held.job.name}"`)
  writer.line(held, 'progress', json ?? 'null')
  events.emit('progress', { ...held.event, value })
}

export function writeLog(
  { held, writer, events }: ContextParts,
  level: LogLevel,
  message: string,
  data: unknown,
): void {
  if (held.lost) return
  const line = JSON.stringify({ level, message: cleanText(message) })
  const json = toLogJson(data)
  writer.line(held, 'log', json === null ? line : `${line.slice(0, -1)},"data":${json}}`)
  events.emit('log', { ...held.event, level, message, data })
}

/** A number is a percentage; anything else is shown as it is. */
export function percentOf(value: Json, message?: string): Json {
  if (typeof value !== 'number') return value
  // 0 of 0 is NaN: nothing done yet, and no reason to fail
  const percent = Number.isNaN(value) ? 0 : Math.min(100, Math.max(0, value))
  return { percent, ...(message !== undefined && { message }) }
}
