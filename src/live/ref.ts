import { decode } from '../core/codec.ts'
import type { Change } from '../core/change.ts'
import type { Clock } from '../core/clock.ts'
import type { AnyJob } from '../core/definition.ts'
import { type Duration, milliseconds } from '../core/duration.ts'
import { LegworkError, reviveError } from '../core/errors.ts'
import { isFinal } from '../core/states.ts'
import { cancelJob } from './cancel.ts'
import { childrenOf } from '../store/members.ts'
import type { Child } from '../store/queries/batches.ts'
import { changeJob } from './change.ts'
import type { Conflict, NewJob } from '../store/queries/enqueue.ts'
import type { AttemptRecord, Ended, JobRecord } from '../store/queries/find.ts'
import type { Store } from '../store/store.ts'
import { type FeedOptions, followFeed, type JobEvent } from './feed.ts'
import { historyOf, type JobHistory } from '../store/history.ts'
import type { Hub } from './hub.ts'
import { notFound, type Results } from './results.ts'
import type { StepRecord, UndoRecord } from '../store/queries/look.ts'
import { sendSignal } from './signal.ts'
import { forkJob, type ForkOptions } from './fork.ts'
import { resolveUndo, type UndoResolution } from './undos.ts'

export interface ResultOptions {
  /** How long to wait; the job goes on. Default: until it ends. */
  readonly timeout?: Duration
  readonly signal?: AbortSignal
}

/** A job somewhere: everything one can ask of it or do to it, from any process. */
export interface JobRef<Result = unknown> {
  readonly id: string
  /** False when `enqueue` found a job that is the same; this is that one. */
  readonly created: boolean
  /** What became of the call then: the job was left as it was, got the new input, or what `merge` made of both. */
  readonly conflict: Conflict | undefined
  /** Everything known about the job now. @throws LW_JOB_NOT_FOUND */
  status(): Promise<JobRecord>
  /**
   * Resolves with the output when the job completes.
   * @throws LW_JOB_DEAD, LW_JOB_CANCELLED, LW_JOB_EXPIRED, LW_JOB_COMPENSATED and LW_JOB_COMPENSATION_FAILED when it ends otherwise,
   *  LW_WAIT_TIMEOUT, LW_WAIT_ABORTED, LW_JOB_NOT_FOUND
   */
  result(options?: ResultOptions): Promise<Result>
  /** What has happened and what happens, until the job ends. Continue with `{ after: event.cursor }`. */
  events(options?: FeedOptions): AsyncGenerator<JobEvent>
  /** The attempts that did not complete the job, with their errors. */
  attempts(): Promise<AttemptRecord[]>
  /** The jobs that this one has begun with `run` and `runAll`, in that order. */
  children(): AsyncGenerator<Child>
  /**
   * Cancels the job. One that runs is asked to stop: its signal aborts, and it ends as cancelled unless it completes first.
   * @returns false when it had ended already
   */
  cancel(reason?: string): Promise<boolean>
  /**
   * Changes a job that no worker has taken: one that is scheduled, blocked or ready, also between two attempts.
   * @throws LW_OPTION_INVALID, LW_INPUT_INVALID, LW_JOB_STATE when it runs or has ended, LW_JOB_NOT_FOUND
   */
  change(change: Change): Promise<void>
  /**
   * Sends something to an unfinished durable job, which takes it with `waitFor(topic)`, now or later. Checked against the
   * schema of the topic where the definition has one.
   * @throws LW_INPUT_INVALID, LW_JOB_STATE when the job has ended, LW_JOB_NOT_FOUND
   */
  signal(topic: string, data?: unknown): Promise<void>
  /**
   * Runs a dead or cancelled job again with all its attempts, or a scheduled one (also one in back-off) now. A durable job
   * keeps the steps that are done; after `compensation_failed` what was not undone is tried again.
   * @throws LW_JOB_STATE in any other state
   */
  retry(): Promise<void>
  /**
   * Adds a new job of the same definition that keeps the finished steps before `from`, with their results, and runs the
   * rest; this one stays as it is. What was kept is not undone when the new job fails, and what was undone is not kept. The
   * new one learns the id of this one in its header `legwork-fork`.
   * @throws LW_OPTION_INVALID naming the steps when there is no such one, LW_INPUT_INVALID, LW_JOB_UNKNOWN, LW_JOB_STATE when
   *  another unfinished job holds the unique key, LW_JOB_NOT_FOUND: nothing was added
   * @example const again = await ref.fork({ from: 'charge card' })
   */
  fork(options: ForkOptions): Promise<JobRef<Result>>
  /** The steps of a durable job in the order in which they began; empty for a job without steps. @throws LW_JOB_NOT_FOUND */
  steps(): Promise<StepRecord[]>
  /**
   * What the job was given and what its handler has come to, as plain JSON, for `replayHistory` in a test. Inputs and
   * outputs are in it as they are. @throws LW_JOB_NOT_FOUND
   */
  history(): Promise<JobHistory>
  /**
   * The steps of a durable job that an undo is registered for, in the order in which they are undone, and how far each
   * undo is. @throws LW_JOB_NOT_FOUND
   */
  undos(): Promise<UndoRecord[]>
  /**
   * For a person, when the job ended as `compensation_failed`: tries the undo of one step again (`'retry'`), leaves the
   * step as it is (`'skip'`), or notes that it was undone by hand (`'done'`). When none is left the job is `compensated`.
   * @throws LW_OPTION_INVALID when the undo of that step has not failed, LW_JOB_STATE, LW_JOB_NOT_FOUND: nothing was changed
   */
  resolveUndo(step: string, how: UndoResolution): Promise<void>
}

export interface RefParts {
  readonly store: Store
  readonly clock: Clock
  readonly hub: Hub
  readonly results: Results
  /** Those that this process knows, by name. */
  readonly definitions: ReadonlyMap<string, AnyJob>
  /** The row of a job to add; throws when the input does not fit. */
  readonly prepare: (definition: AnyJob, input: unknown) => NewJob | Promise<NewJob>
}

export function createRef<Result>(
  parts: RefParts,
  definition: AnyJob | undefined,
  id: string,
  created: boolean,
  conflict?: Conflict,
): JobRef<Result> {
  return new Ref<Result>(parts, definition, id, created, conflict ?? (created ? undefined : 'ignored'))
}

/** A class because a bulk enqueue makes thousands of them: the methods are shared. */
class Ref<Result> implements JobRef<Result> {
  readonly id: string
  readonly created: boolean
  readonly conflict: Conflict | undefined
  readonly #parts: RefParts
  readonly #definition: AnyJob | undefined

  constructor(
    parts: RefParts,
    definition: AnyJob | undefined,
    id: string,
    created: boolean,
    conflict: Conflict | undefined,
  ) {
    this.#parts = parts
    this.#definition = definition
    this.id = id
    this.created = created
    this.conflict = conflict
  }

  static definitionOf(ref: Ref<unknown>): AnyJob | undefined {
    return ref.#definition
  }

  status(): Promise<JobRecord> {
    return status(this.#parts, this.id)
  }

  async result({ timeout, signal }: ResultOptions = {}): Promise<Result> {
    const ms = timeout === undefined ? undefined : milliseconds(timeout, 'timeout')
    const wait = { ...(ms !== undefined && { timeout: ms }), ...(signal && { signal }) }
    return (await outputOf(await this.#parts.results.wait(this.id, wait), this.#definition)) as Result
  }

  events(options: FeedOptions = {}): AsyncGenerator<JobEvent> {
    return followFeed(this.#parts, this.id, options)
  }

  attempts(): Promise<AttemptRecord[]> {
    return this.#parts.store.attempts(this.id)
  }

  children(): AsyncGenerator<Child> {
    return childrenOf(this.#parts.store, this.id)
  }

  cancel(reason = 'cancelled by request'): Promise<boolean> {
    return cancelJob(this.#parts, this.id, reason)
  }

  change(change: Change): Promise<void> {
    return changeJob(this.#parts, this.id, change, this.#definition)
  }

  signal(topic: string, data?: unknown): Promise<void> {
    return sendSignal(this.#parts, this.id, this.#definition, topic, data)
  }

  async retry(): Promise<void> {
    const { ids, woken } = await this.#parts.store.redrive([this.id])
    if (ids.length === 0) throw cannotRetry(await status(this.#parts, this.id))
    this.#parts.hub.tell({ woken, changed: [this.id] })
  }

  async fork(options: ForkOptions): Promise<JobRef<Result>> {
    return new Ref<Result>(
      this.#parts,
      this.#definition,
      await forkJob(this.#parts, this.id, this.#definition, options),
      true,
      undefined,
    )
  }

  async steps(): Promise<StepRecord[]> {
    const steps = await this.#parts.store.steps(this.id)
    if (steps.length === 0) await status(this.#parts, this.id)
    return steps
  }

  async history(): Promise<JobHistory> {
    const history = await historyOf(this.#parts.store, this.id)
    if (!history) throw notFound(this.id)
    return history
  }

  async undos(): Promise<UndoRecord[]> {
    const undos = await this.#parts.store.undos(this.id)
    if (undos.length === 0) await status(this.#parts, this.id)
    return undos
  }

  resolveUndo(step: string, how: UndoResolution): Promise<void> {
    return resolveUndo(this.#parts, this.id, step, how)
  }
}

/** The definition that a ref was made with. */
export function definitionOf(ref: unknown): AnyJob | undefined {
  return ref instanceof Ref ? Ref.definitionOf(ref) : undefined
}

async function status(parts: RefParts, id: string): Promise<JobRecord> {
  const job = await parts.store.find(id)
  if (!job) throw notFound(id)
  const waitsFor = await parts.store.whyWaiting(job)
  return waitsFor === undefined ? job : { ...job, waitsFor }
}

async function outputOf(ended: Ended, definition: AnyJob | undefined): Promise<unknown> {
  if (ended.state !== 'completed') throw failureOf(ended)
  const wire = ended.output === null ? undefined : (JSON.parse(ended.output) as unknown)
  return decode(definition?.outputSchema, wire, {
    code: 'LW_OUTPUT_INVALID',
    label: `Stored output of job "${ended.name}"`,
  })
}

function failureOf(ended: Ended): LegworkError {
  const { id, name, state, reason, error, attempt } = ended
  const details = { id, name, state, reason, attempt, error }
  if (error?.code === 'LW_JOB_EXPIRED')
    return new LegworkError('LW_JOB_EXPIRED', `Job ${id} (${name}) was not run. ${error.message}`, { details })
  if (state === 'cancelled')
    return new LegworkError('LW_JOB_CANCELLED', `Job ${id} (${name}) was cancelled: ${reason ?? 'no reason given'}.`, {
      details,
    })
  if (state === 'compensated' || state === 'compensation_failed') return undoneOf(ended, details)
  const why = error ? `${error.name}: ${error.message}` : (reason ?? state)
  return new LegworkError('LW_JOB_DEAD', `Job ${id} (${name}) is dead after attempt ${attempt}: ${why}`, {
    details,
    ...(error && { cause: reviveError(error) }),
  })
}

function undoneOf({ id, name, state, reason, error }: Ended, details: Record<string, unknown>): LegworkError {
  const why = error ? `${error.name}: ${error.message}` : (reason ?? 'no reason given')
  const cause = error ? { cause: reviveError(error) } : {}
  if (state === 'compensated')
    return new LegworkError('LW_JOB_COMPENSATED', `Job ${id} (${name}) failed and its steps were undone: ${why}`, {
      details,
      ...cause,
    })
  return new LegworkError(
    'LW_JOB_COMPENSATION_FAILED',
    `Job ${id} (${name}) failed and not all could be undone: ${why}`,
    {
      hint: 'Mend the cause and call retry(): what was not undone is tried again. Or settle each with resolveUndo(step, how); undos() lists them.',
      details,
      ...cause,
    },
  )
}

function cannotRetry(job: JobRecord): LegworkError {
  const taken = isFinal(job.state) && job.unique !== undefined
  const why = taken ? `another unfinished job holds its unique key ${JSON.stringify(job.unique)}` : `it is ${job.state}`
  return new LegworkError('LW_JOB_STATE', `Job ${job.id} (${job.name}) cannot be retried: ${why}.`, {
    hint: 'Dead and cancelled jobs can be retried, and scheduled ones run at once.',
    details: { id: job.id, state: job.state },
  })
}
