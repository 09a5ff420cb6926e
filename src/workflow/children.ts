import type { Callable, JobCall, RunAllOptions, RunOptions, Settled } from '../core/call.ts'
import { decode, type Schema } from '../core/codec.ts'
import { optionError, type SerializedError } from '../core/errors.ts'
import { membersOf } from '../store/members.ts'
import type { BatchStatus, Member } from '../store/queries/batches.ts'
import type { NewJob } from '../store/queries/enqueue.ts'
import type { StepEntry } from '../store/queries/steps.ts'
import { type History, valueOf } from './history.ts'
import type { Rest } from './rest.ts'
import { failedBefore } from './steps.ts'

/** What running another job takes beyond the journal: it belongs to the engine. */
export interface Family {
  /** The row of a child. Nothing is stored when this throws. */
  readonly prepare: (job: Callable<never, unknown>, input: unknown, options: RunOptions) => NewJob | Promise<NewJob>
  readonly prepareCall: (call: JobCall) => NewJob | Promise<NewJob>
  /** Children were added. */
  readonly onBegun: (rows: readonly NewJob[]) => void
  /** Cancels the children that end with their parent. */
  readonly cancel: (parent: string, reason: string) => Promise<void>
}

/** How often a wait looks for its children while other steps keep the job from being parked, in milliseconds. */
const lookEvery = 1_000

/** Other jobs as steps of one attempt: begun in one transaction with the note that they were, then waited for. */
export class Children {
  readonly #history: History
  readonly #rest: Rest
  readonly #family: Family

  constructor(history: History, rest: Rest, family: Family) {
    this.#history = history
    this.#rest = rest
    this.#family = family
  }

  run(name: string, job: Callable<never, unknown>, input: unknown, options: RunOptions): Promise<unknown> {
    return this.#rest.during(async () => {
      const memo = await this.#remembered(name, 'run')
      if (memo?.state === 'done') return this.#decoded(job, memo.output)
      const begun = await this.#begin(name, 'run', memo, () => this.#prepare(job, [input], options), options)
      return this.#decoded(job, await this.#outputOf(begun, job.name))
    })
  }

  /** Runs a job that was prepared long ago to undo a step; it does not end with its parent. */
  undo(name: string, row: NewJob): Promise<unknown> {
    return this.#rest.during(async () => {
      const memo = (await this.#history.entries()).get(name)
      if (memo?.state === 'done') return
      if (memo?.state === 'failed') throw failedBefore(memo)
      await this.#outputOf(await this.#begin(name, 'run', memo, () => [row], { detach: true }), row.name)
    })
  }

  runAll(
    name: string,
    job: Callable<never, unknown>,
    inputs: readonly unknown[],
    options: RunAllOptions,
  ): Promise<unknown[]> {
    const most = options.concurrency ?? Math.max(1, inputs.length)
    if (!Number.isInteger(most) || most < 1)
      throw optionError('concurrency', 'a whole number above 0', options.concurrency)
    return this.#rest.during(async () => {
      // also while the job is being undone: what comes after it may be remembered
      if (inputs.length === 0 && !(await this.#history.recall(name, 'runAll'))) return []
      const memo = await this.#remembered(name, 'runAll')
      const { entry, batch } = await this.#begin(
        name,
        'runAll',
        memo,
        () => this.#prepare(job, inputs, options),
        options,
      )
      if (memo?.state === 'done') return this.#results(job, batch, options.settle === true)
      const { failed, total } = await this.#over(batch)
      if (failed > 0 && options.settle !== true) {
        const first = await this.#firstFailed(batch)
        const { message, cause } = errorOf(job.name, first)
        return this.#fail(entry, {
          name: 'ChildError',
          message: `${failed} of ${total} failed; the first: ${message}`,
          ...(cause && { cause }),
        })
      }
      await this.#history.save({ ...entry, state: 'done' })
      return this.#results(job, batch, options.settle === true)
    })
  }

  /** Whatever an earlier attempt has come to; a failure is thrown, and what must not begin any more waits for ever. */
  async #remembered(name: string, kind: 'run' | 'runAll'): Promise<StepEntry | undefined> {
    const memo = await this.#history.recall(name, kind)
    if (memo?.state === 'failed') throw failedBefore(memo)
    if (memo?.state !== 'done' && (this.#history.verdict || this.#rest.closed)) return this.#rest.forever()
    return memo
  }

  async #begin(
    name: string,
    kind: 'run' | 'runAll',
    memo: StepEntry | undefined,
    prepare: () => NewJob[] | Promise<NewJob[]>,
    options: RunAllOptions,
  ): Promise<Begun> {
    if (memo) return { entry: memo, batch: (valueOf(memo.output) as { batch: string }).batch }
    const rows = await prepare()
    const begun = this.#history.begin(name, kind)
    const { journal, attempt } = this.#history
    const atOnce = options.concurrency ?? rows.length
    const plan = { step: name, kind, place: begun.place, rows, atOnce, detached: options.detach === true }
    const batch = await journal.startChildren(attempt.job, plan)
    const entry: StepEntry = { ...begun, output: JSON.stringify({ batch }) }
    await this.#history.learn(entry)
    this.#family.onBegun(rows.slice(0, atOnce))
    return { entry, batch }
  }

  /** One after the other: 100,000 need no 100,000 promises. */
  async #prepare(job: Callable<never, unknown>, inputs: readonly unknown[], options: RunOptions): Promise<NewJob[]> {
    const rows: NewJob[] = []
    for (const input of inputs) rows.push(await this.#family.prepare(job, input, options))
    return rows
  }

  async #outputOf({ entry, batch }: Begun, name: string): Promise<string | null> {
    await this.#over(batch)
    const [child] = await this.#history.journal.members(batch, 0, 1)
    if (child?.state !== 'completed') return this.#fail(entry, errorOf(name, child))
    await this.#history.save({ ...entry, state: 'done', output: child.output })
    return child.output
  }

  /** The transaction that ends the last child wakes this job; one that is not parked looks now and then. */
  async #over(batch: string): Promise<BatchStatus> {
    for (;;) {
      const status = await this.#history.journal.batch(batch)
      if (status.pending === 0) return status
      await this.#rest.wait(Infinity, lookEvery)
    }
  }

  async #results(job: Callable<never, unknown>, batch: string, settle: boolean): Promise<unknown[]> {
    const results: unknown[] = []
    for await (const child of this.#members(batch)) {
      const isDone = child.state === 'completed'
      const output = isDone ? await this.#decoded(job, child.output) : undefined
      results.push(settle ? settledOf(child, output) : output)
    }
    return results
  }

  async #firstFailed(batch: string): Promise<Member | undefined> {
    for await (const child of this.#members(batch)) if (child.state !== 'completed') return child
    return undefined
  }

  #members(batch: string): AsyncGenerator<Member> {
    return membersOf(this.#history.journal, batch)
  }

  #decoded(job: Callable<never, unknown>, output: string | null): Promise<unknown> {
    const { outputSchema } = job as { readonly outputSchema?: Schema }
    return decode(outputSchema, valueOf(output), { code: 'LW_OUTPUT_INVALID', label: `Output of job "${job.name}"` })
  }

  async #fail(entry: StepEntry, error: SerializedError): Promise<never> {
    const failed: StepEntry = { ...entry, state: 'failed', attempt: 1, error }
    await this.#history.save(failed)
    throw failedBefore(failed)
  }
}

interface Begun {
  readonly entry: StepEntry
  readonly batch: string
}

function errorOf(name: string, child: Member | undefined): SerializedError {
  const { job = '?', state = 'gone', reason = null, error = null } = child ?? {}
  const why = error ? `${error.name}: ${error.message}` : (reason ?? 'no reason given')
  return { name: 'ChildError', message: `Job ${job} (${name}) is ${state}: ${why}`, ...(error && { cause: error }) }
}

function settledOf({ job, state, reason, error }: Member, output: unknown): Settled<unknown> {
  if (state === 'completed') return { id: job, state, output }
  return { id: job, state: state ?? 'cancelled', reason: reason ?? undefined, error: error ?? undefined }
}
