import type { StandardSchemaV1 } from '@standard-schema/spec'
import { batchPlanOf } from './batch-handler.ts'
import type { JobCall } from './call.ts'
import type { Schema, Wire } from './codec.ts'
import type { JobContext } from './context.ts'
import type { Checkpoint } from './durable.ts'
import { type Duration, milliseconds, positive } from './duration.ts'
import { optionError } from './errors.ts'
import { type BreakerOptions, type Limit, type LimitPlan, limitPlans, workerLimit } from './limit.ts'
import { type Priority, priorityNumber } from './priority.ts'
import { type RetryOptions, type RetryPolicy, retryPolicy } from './retry.ts'
import { parseSize, type Size } from './size.ts'
import { versionOf } from './version.ts'

/** What a caller may pass as input, given the schema (or none). */
export type InputOf<I extends Schema | undefined> = I extends Schema ? StandardSchemaV1.InferInput<I> : unknown
/** What the handler receives. */
export type ParsedInputOf<I extends Schema | undefined> = I extends Schema ? StandardSchemaV1.InferOutput<I> : unknown
/** What the handler may return: the schema's input, or anything when there is no output schema. */
export type ReturnOf<O extends Schema | undefined, R> = O extends Schema ? StandardSchemaV1.InferInput<O> : R
/** What `ref.result()` resolves with. */
export type ResultOf<O extends Schema | undefined, R> = O extends Schema ? StandardSchemaV1.InferOutput<O> : Wire<R>

/** The data of each signal, as the handler gets it. */
export type SignalsOf<S extends SignalSchemas> = string extends keyof S
  ? Record<string, unknown>
  : { readonly [T in keyof S]: StandardSchemaV1.InferOutput<S[T]> }

/** What a handler tells and finds, given the schema (or none). */
export type CheckpointOf<C extends Schema | undefined> = C extends Schema
  ? Checkpoint<StandardSchemaV1.InferInput<C>, StandardSchemaV1.InferOutput<C>>
  : Checkpoint

/** One breaker, or several. */
type BreakerOption = string | BreakerOptions | readonly (string | BreakerOptions)[]

/** What becomes of a key whose job fails. */
export type KeyFailure = 'skip' | 'block' | 'park'

/** A schema for each topic. */
export type SignalSchemas = Readonly<Record<string, Schema>>

export interface JobOptions<
  I extends Schema | undefined,
  O extends Schema | undefined,
  S extends SignalSchemas = SignalSchemas,
  C extends Schema | undefined = Schema | undefined,
> {
  /** Any Standard Schema. Checked on enqueue, parsed again before the handler. */
  readonly input?: I
  /** Any Standard Schema. Checked on what the handler returns, parsed again by `ref.result()`. */
  readonly output?: O
  /** What can be sent to a job of several steps, `ref.signal(topic, data)`: any Standard Schema per topic. */
  readonly signals?: S
  /** Of what `checkpoint(state)` remembers: any Standard Schema. Checked when it is told, parsed again by `checkpoint.last()`. */
  readonly checkpoint?: C
  /** The queue to wait in. Default `'default'`. */
  readonly queue?: string
  /** Default 10 attempts, exponential from 1 s to 1 h. A number sets the attempts only; `false` means one attempt. */
  readonly retry?: RetryOptions | number | false
  /** How long one attempt may take; its signal aborts then, and what it does later is not recorded. Default none. */
  readonly timeout?: Duration
  /**
   * A job that has not started so long after it may run is not run any more: it ends as cancelled, with the reason `expired`.
   * What was begun once goes on. Default none.
   */
  readonly startWithin?: Duration
  /** `'urgent' | 'high' | 'normal' | 'low'`, or a number where smaller goes first. Default `'normal'` (0). */
  readonly priority?: Priority
  /** Jobs of this definition with the same key run one at a time, in the order they were enqueued. */
  readonly key?: (input: InputOf<I>) => string | undefined
  /**
   * What becomes of a key whose job fails. `'skip'`: a job keeps its key while it waits for a retry; when it is dead the next
   * one goes on. `'block'`: when it is dead, nothing of the key runs until it is retried or `lw.keys.unblock` is called.
   * `'park'`: it goes to the end of the line for each retry, and the next one goes on meanwhile. Default `'skip'`.
   */
  readonly keyFailure?: KeyFailure
  /**
   * How many run at once and how often one begins, over all processes: a number, a rate like `'100/1m'`, options, or a list
   * of these. What has no room waits without spending an attempt. Default none.
   */
  readonly limit?: Limit<InputOf<I>> | readonly Limit<InputOf<I>>[]
  /** What these jobs need and what may break down: while its breaker is open, none of them begins. */
  readonly breaker?: BreakerOption
  /** Only workers that have all of these `labels` run it. Default none. */
  readonly needs?: readonly string[]
  readonly tags?: readonly string[]
  /**
   * For `unique: { onConflict: 'merge' }`, and for a full queue that coalesces: the input of the job that waits, and that of the
   * call, as JSON holds them; returns the input that the job gets. It may be called more than once, so it changes nothing else.
   */
  readonly merge?: (waiting: Wire<InputOf<I>>, added: Wire<InputOf<I>>) => InputOf<I>
  /** How many worker deaths a job may be running in before it is put aside as poisoned. Default 5. */
  readonly crashes?: number
  /**
   * What to do when a handler ends without having asked for a step that its job remembers, because the code was changed:
   * `'allow'` it, or let the attempt fail with `'error'`, LW_STEP_DRIFT. Default `'allow'`.
   */
  readonly drift?: 'allow' | 'error'
  /** Of the code: a handler finds the version that its job was enqueued with as `version`. Default none. */
  readonly version?: string | number
  /** Its jobs are run by this version and by no other, until they are changed with `pin`. Default false. */
  readonly pin?: boolean
  /** Run the handler in a worker thread or a child process; needs `module`. */
  readonly isolate?: 'thread' | 'process'
  /** `import.meta.url` of the file that exports this definition; for `isolate`. */
  readonly module?: string
  /** Heap cap of an isolated handler, bytes or text such as `'256mb'`. Default: Node's own. */
  readonly memory?: Size
}

/** Runs one attempt; what it returns is the job's output. */
// oxlint-disable-next-line typescript/no-explicit-any -- bivariant on purpose: lists of definitions hold handlers of every input type
export type Handler<P = any, R = unknown, G = any, S = any, M = any> = (
  context: JobContext<P, S, G, M>,
) => Promise<R> | R

/**
 * The contract of a job: plain frozen data, safe to import in a browser when it has no handler.
 * The type parameters are what flows: input as given, input as parsed, value returned, result as read.
 */
export interface JobDefinition<in out In = unknown, Parsed = unknown, Return = unknown, Result = unknown> {
  readonly name: string
  readonly queue: string
  readonly inputSchema: Schema | undefined
  readonly outputSchema: Schema | undefined
  readonly checkpointSchema: Schema | undefined
  readonly signals: SignalSchemas
  readonly retry: RetryPolicy
  readonly timeout: number | undefined
  readonly startWithin: number | undefined
  readonly priority: number
  readonly key: ((input: In) => string | undefined) | undefined
  readonly keyFailure: KeyFailure
  /** Its limits and breakers over all processes. */
  readonly limits: readonly LimitPlan[]
  /** Most that run at once in one process. */
  readonly perWorker: number | undefined
  readonly needs: readonly string[]
  readonly tags: readonly string[]
  readonly merge: ((waiting: Wire<In>, added: Wire<In>) => In) | undefined
  readonly crashes: number
  readonly drift: 'allow' | 'error'
  readonly version: string | undefined
  readonly pin: boolean
  /** Others of the same name that this process was given, by their versions. */
  readonly older: ReadonlyMap<string, AnyJob>
  readonly isolate: 'thread' | 'process' | undefined
  readonly module: string | undefined
  readonly memory: number | undefined
  readonly handler: Handler<Parsed, Return> | undefined
  /** The same contract with `handler` attached: a new definition, this one stays as it is. */
  handle<R extends Return>(
    handler: Handler<Parsed, R, In>,
  ): JobDefinition<In, Parsed, R, unknown extends Return ? Wire<R> : Result>
  /** This job with an input, for whoever carries it out later: an undo, a batch. The input is checked there. */
  with(...input: undefined extends In ? [input?: In] : [input: In]): JobCall
  /** Only for the compiler: carries the type of `ref.result()`. */
  readonly '~result'?: Result
}

/** A definition of any type, for lists. */
// oxlint-disable-next-line typescript/no-explicit-any -- the one place where the types of different jobs meet
export type AnyJob = JobDefinition<any, any, any, any>

/** A definition of which only the caller's side matters: what goes in and what comes out. */
// oxlint-disable-next-line typescript/no-explicit-any -- what lies between is the handler's business
export type Contract<In, Result> = JobDefinition<In, any, any, Result>

/**
 * Defines a job. Registers nothing: pass the definition to `legwork({ jobs })` and to `enqueue`.
 * @param name stable, unique within an application, at most 200 characters, e.g. `'photo.thumbnails'`
 * @throws LW_OPTION_INVALID naming the option, the rule and the value
 * @example export const hello = job('hello', { input: z.object({ name: z.string() }) }, ({ input }) => `Hello, ${input.name}`)
 */
export function job<
  I extends Schema | undefined = undefined,
  O extends Schema | undefined = undefined,
  R = unknown,
  S extends SignalSchemas = SignalSchemas,
  C extends Schema | undefined = undefined,
>(
  name: string,
  options?: JobOptions<I, O, S, C>,
  handler?: Handler<ParsedInputOf<I>, ReturnOf<O, R>, InputOf<I>, SignalsOf<S>, CheckpointOf<C>>,
): JobDefinition<InputOf<I>, ParsedInputOf<I>, ReturnOf<O, R>, ResultOf<O, R>> {
  const given: JobOptions<I, O, S, C> = options ?? {}
  checkTexts(name, given)
  checkIsolation(name, given, handler)
  return build({
    name,
    queue: given.queue ?? 'default',
    inputSchema: given.input,
    outputSchema: given.output,
    checkpointSchema: given.checkpoint,
    signals: Object.freeze({ ...given.signals }),
    retry: retryPolicy(given.retry),
    timeout: given.timeout === undefined ? undefined : milliseconds(given.timeout, 'timeout'),
    startWithin: given.startWithin === undefined ? undefined : positive(given.startWithin, 'startWithin'),
    priority: priorityNumber(given.priority ?? 'normal', 'priority'),
    key: given.key,
    keyFailure: keyFailurePolicy(given.keyFailure ?? 'skip'),
    ...limitsOf(name, given),
    needs: labelList(given.needs ?? [], 'needs'),
    tags: Object.freeze([...new Set(given.tags ?? [])]),
    merge: given.merge,
    crashes: crashLimit(given.crashes ?? 5),
    drift: driftPolicy(given.drift ?? 'allow'),
    ...versionOf(name, given),
    isolate: given.isolate,
    module: given.module,
    memory: given.memory === undefined ? undefined : parseSize(given.memory, 'memory'),
    handler,
  })
}

function build<In, Parsed, Return, Result>(
  data: Omit<JobDefinition<In, Parsed, Return, Result>, 'handle' | 'with' | '~result'>,
): JobDefinition<In, Parsed, Return, Result> {
  const handle = (handler: Handler<Parsed>): AnyJob => {
    checkBatch(data.name, data.isolate, handler)
    return build({ ...data, handler })
  }
  const definition: JobDefinition<In, Parsed, Return, Result> = Object.freeze({
    ...data,
    handle,
    with: (input?: unknown): JobCall => Object.freeze({ job: definition, input }),
  })
  return definition
}

function limitsOf<In>(
  name: string,
  { limit, breaker }: { limit?: Limit<In> | readonly Limit<In>[]; breaker?: BreakerOption },
): { limits: readonly LimitPlan[]; perWorker: number | undefined } {
  return { limits: limitPlans(name, limit, breaker), perWorker: workerLimit(limit) }
}

/** Labels as an option gives them, each once. @throws LW_OPTION_INVALID naming `option` */
export function labelList(labels: readonly string[], option: string): readonly string[] {
  if (!Array.isArray(labels) || !labels.every(isName))
    throw optionError(option, 'a list of text of 1 to 200 characters without spaces at the ends', labels)
  return Object.freeze([...new Set(labels)])
}

function checkTexts(
  name: unknown,
  { queue, key, merge, tags = [] }: { queue?: unknown; key?: unknown; merge?: unknown; tags?: unknown },
): void {
  const rule = 'text of 1 to 200 characters without spaces at the ends'
  if (!isName(name)) throw optionError('name', rule, name)
  if (queue !== undefined && !isName(queue)) throw optionError('queue', rule, queue)
  if (key !== undefined && typeof key !== 'function') throw optionError('key', 'a function of the input', key)
  if (merge !== undefined && typeof merge !== 'function') throw optionError('merge', 'a function of two inputs', merge)
  if (!Array.isArray(tags) || !tags.every(isName)) throw optionError('tags', `a list of ${rule}`, tags)
}

function isName(text: unknown): boolean {
  return typeof text === 'string' && /^[^\0]{1,200}$/su.test(text) && text.trim() === text && text.isWellFormed()
}

function checkIsolation(
  name: string,
  options: JobOptions<Schema | undefined, Schema | undefined>,
  handler: unknown,
): void {
  const { isolate, module } = options
  checkBatch(name, isolate, handler)
  if (isolate === undefined) return
  if (isolate !== 'thread' && isolate !== 'process') throw optionError('isolate', "'thread' or 'process'", isolate)
  if (!module?.startsWith('file:')) {
    throw optionError(`module of the isolated job "${name}"`, 'import.meta.url of the file that exports it', module)
  }
}

/** Each isolated run has one job. */
function checkBatch(name: string, isolate: unknown, handler: unknown): void {
  if (isolate !== undefined && batchPlanOf(handler))
    throw optionError(`isolate of the job "${name}"`, 'left out, since its handler takes batches', isolate)
}

function crashLimit(crashes: number): number {
  if (!Number.isInteger(crashes) || crashes < 1 || crashes > 1_000)
    throw optionError('crashes', 'a whole number from 1 to 1000', crashes)
  return crashes
}

function keyFailurePolicy(policy: KeyFailure): KeyFailure {
  if (policy !== 'skip' && policy !== 'block' && policy !== 'park')
    throw optionError('keyFailure', "'skip', 'block' or 'park'", policy)
  return policy
}

function driftPolicy(drift: 'allow' | 'error'): 'allow' | 'error' {
  if (drift !== 'allow' && drift !== 'error') throw optionError('drift', "'allow' or 'error'", drift)
  return drift
}
