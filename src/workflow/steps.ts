import { AsyncLocalStorage } from 'node:async_hooks'
import { type Clock, pause } from '../core/clock.ts'
import { toJson } from '../core/codec.ts'
import type { StepFacts } from '../core/durable.ts'
import { isUnreachable, LegworkError, type SerializedError, serializeError } from '../core/errors.ts'
import { controlOf, StepError } from '../core/outcome.ts'
import { retryAfterOf, retryDelay, type RetryPolicy } from '../core/retry.ts'
import type { NewJob } from '../store/queries/enqueue.ts'
import type { StepEntry } from '../store/queries/steps.ts'
import type { History } from './history.ts'
import type { Begin } from './journal.ts'
import type { Rest } from './rest.ts'
import type { Scope } from './scope.ts'
import { Try } from './try.ts'
import { callOf } from './undo.ts'

/** A step as it is carried out, whatever kind it is. */
export interface Plan {
  readonly name: string
  readonly retry: RetryPolicy
  readonly timeout: number | undefined
  readonly atMostOnce: boolean
  readonly undoable: boolean
  /** Prepares the job that undoes it, if one does; its row is stored. */
  readonly undoCall?: (() => NewJob | Promise<NewJob>) | undefined
  /** What counts it: the handler's steps and the undos do not wait for each other. */
  readonly rest: Rest
  /** Set for what has to be done although the job must stop. */
  readonly isUndo: boolean
  readonly carryOut: CarryOut
}

/** Does the work of a step and writes that it is done; returns the JSON text of the result. */
export type CarryOut = (facts: Try, entry: StepEntry) => Promise<string | null>

/** How long steps that are told to stop may take before others are undone, in milliseconds. */
const patience = 5_000

/** Marks the code inside of a step. */
const inside = new AsyncLocalStorage<{ readonly step: string; readonly owner: Steps }>()

/** Carries out the steps of one attempt, and those that undo them. */
export class Steps {
  readonly #history: History
  readonly #clock: Clock
  readonly #tries = new Map<Try, Running>()

  constructor(history: History, clock: Clock) {
    this.#history = history
    this.#clock = clock
  }

  /** The step of this run inside of which this is called, if any: a handler that a step woke is not inside of it. */
  get around(): string | undefined {
    const found = inside.getStore()
    return found?.owner === this ? found.step : undefined
  }

  /** From what is remembered to the result: at once, or after as many tries as it takes. */
  async perform(plan: Plan): Promise<string | null> {
    const memo = await this.#history.recall(plan.name, 'step')
    if (memo?.state === 'done') return memo.output
    if (memo?.state === 'failed') throw failedBefore(memo)
    const { rest } = plan
    const isOver = !plan.isUndo && this.#history.verdict !== undefined
    if (isOver || rest.closed) return rest.forever()
    if (!memo && plan.undoCall) await this.#noteCall(plan.name, await plan.undoCall())
    let entry: StepEntry = memo ?? this.#history.begin(plan.name, 'step', plan.undoable)
    if (memo?.state === 'begun' && plan.atMostOnce) return this.#fail(entry, interrupted(plan.name))
    if (memo?.state === 'due') await rest.wait(memo.delay ?? 0)
    else if (!memo && (plan.undoable || plan.atMostOnce)) await this.#history.save(entry)
    for (;;) {
      if (rest.closed) return rest.forever()
      entry = begunAgain(entry)
      const result = await this.#try(plan, entry)
      if ('output' in result) return result.output
      if (rest.closed) return rest.forever()
      entry = failedOnce(entry, result.error)
      const delay = plan.atMostOnce ? undefined : this.#delayAfter(plan, entry, result)
      if (delay === undefined) return this.#fail(entry, result.error)
      await this.#history.save({ ...entry, state: 'due', delay })
      await rest.wait(delay)
    }
  }

  plainly<R>(name: string, work: (facts: StepFacts) => R | Promise<R>): CarryOut {
    return async (facts, entry) => {
      const output = toJson(await work(facts), `The result of step "${name}"`)
      facts.throwIfAborted() // too late: it counts as not done
      await this.#history.save({ ...entry, state: 'done', output, error: undefined })
      return output
    }
  }

  transactionally<R>(
    name: string,
    work: (tx: never, facts: StepFacts) => R | Promise<R>,
    begin: Begin | undefined,
  ): CarryOut {
    return async (facts, entry) => {
      const { job } = this.#history.attempt
      const inTransaction = async (tx: unknown) => {
        const output = toJson(await work(tx as never, facts), `The result of step "${name}"`)
        facts.throwIfAborted()
        return output
      }
      const took = () => this.#history.took(entry)
      const output = await this.#history.journal.saveWith(job, entry, inTransaction, begin, took)
      await this.#history.learn({ ...entry, state: 'done', output })
      return output
    }
  }

  keyOf(name: string): string {
    return `${this.#history.attempt.idempotencyKey}-${name}`
  }

  /**
   * Steps that run beside the one that failed must have ended before they are undone; one that does not listen is left
   * behind. Undos of a group that run are waited for, and not aborted: what has been undone is not to be undone again.
   * @param scope only those of this group
   */
  async stop(scope?: Scope): Promise<void> {
    const reason = new LegworkError('LW_JOB_COMPENSATED', 'Another step has failed, and the steps are being undone.')
    const tries = [...this.#tries].filter(([, { name }]) => !scope || scope.holds(name))
    for (const [one, { isUndo }] of tries) if (!isUndo) one.abort(reason)
    const over = new AbortController()
    const late = pause(this.#clock, patience, over.signal)
    await Promise.race([late, Promise.allSettled(tries.map(([, { work }]) => work))])
    over.abort()
  }

  async #try(plan: Plan, entry: StepEntry): Promise<{ output: string | null } | Failure> {
    const { name, timeout, isUndo } = plan
    const mustStop = () => (isUndo ? undefined : this.#history.attempt.reason())
    const before = mustStop()
    if (before) throw before // that is not this step's failure
    const facts = new Try(this.keyOf(name), entry.attempt + 1, isUndo ? undefined : this.#history.attempt.signal)
    const work = inside.run({ step: name, owner: this }, plan.carryOut, facts, entry)
    this.#tries.set(facts, { name, work, isUndo })
    const late = () => facts.abort(timedOut(name, timeout ?? 0))
    const cancel = timeout === undefined ? undefined : this.#clock.after(timeout, late)
    try {
      return { output: await (timeout === undefined ? work : facts.untilAborted(work)) }
    } catch (thrown) {
      const reason = isLost(thrown) || isUnreachable(thrown) ? thrown : mustStop()
      if (reason) throw reason as Error
      return { thrown, error: serializeError(thrown) }
    } finally {
      cancel?.()
      this.#tries.delete(facts)
    }
  }

  async #noteCall(name: string, row: NewJob): Promise<void> {
    await this.#history.save({ ...this.#history.begin(callOf(name)), state: 'done', output: JSON.stringify(row) })
  }

  /** Undefined when it is not tried again. */
  #delayAfter({ retry }: Plan, { attempt }: StepEntry, { thrown, error }: Failure): number | undefined {
    const control = controlOf(thrown)
    if (control?.kind === 'abort' || attempt >= retry.attempts) return undefined
    if (control) return control.delay
    return retryAfterOf(thrown, this.#clock.now()) ?? error.retryAfter ?? retryDelay(retry, attempt, thrown)
  }

  async #fail(entry: StepEntry, error: SerializedError): Promise<never> {
    const failed: StepEntry = { ...entry, state: 'failed', error }
    await this.#history.save(failed)
    throw failedBefore(failed)
  }
}

interface Running {
  readonly name: string
  readonly work: Promise<unknown>
  readonly isUndo: boolean
}

interface Failure {
  readonly thrown: unknown
  readonly error: SerializedError
}

function begunAgain(entry: StepEntry): StepEntry {
  return { ...entry, state: 'begun', delay: undefined }
}

function failedOnce(entry: StepEntry, error: SerializedError): StepEntry {
  return { ...entry, attempt: entry.attempt + 1, error }
}

/** What a handler gets the first time and every time after. */
export function failedBefore({ name, attempt, error }: StepEntry): StepError {
  return new StepError(name, attempt, error ?? { name: 'Error', message: 'unknown' })
}

function interrupted(name: string): SerializedError {
  const message = `Step "${name}" may run at most once and was cut off: nobody knows how far it came.`
  return { name: 'LegworkError', code: 'LW_STEP_INTERRUPTED', message }
}

function timedOut(name: string, ms: number): LegworkError {
  return new LegworkError('LW_STEP_TIMEOUT', `Step "${name}" ran longer than its timeout of ${ms} ms.`)
}

function isLost(error: unknown): boolean {
  return error instanceof LegworkError && error.code === 'LW_LEASE_LOST'
}
