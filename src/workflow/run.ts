import { AsyncLocalStorage } from 'node:async_hooks'
import { randomUUID } from 'node:crypto'
import { type Clock, pause } from '../core/clock.ts'
import { decode, toJson, type Wire } from '../core/codec.ts'
import type {
  BeginOptions,
  DurableAttempt,
  DurableContext,
  DurableRun,
  Step,
  StepFacts,
  StepName,
  StepOptions,
  WaitOptions,
} from '../core/durable.ts'
import { milliseconds } from '../core/duration.ts'
import { LegworkError, optionError, type SerializedError, serializeError } from '../core/errors.ts'
import type { Emitter } from '../core/events.ts'
import { controlOf, type Outcome, StepError } from '../core/outcome.ts'
import { retryAfterOf, retryDelay, type RetryPolicy, retryPolicy } from '../core/retry.ts'
import type { Signal } from '../store/queries/signals.ts'
import type { StepEntry } from '../store/queries/steps.ts'
import type { Begin, Journal } from './journal.ts'
import { Rest } from './rest.ts'
import { Try } from './try.ts'
import { undoable, type Undo, undoOf, type Verdict, verdictEntry, verdictOf } from './undo.ts'

export interface RunParts {
  readonly clock: Clock
  readonly journal: Journal
  readonly events: Emitter
  /** Something went wrong that is nobody's outcome. */
  readonly onError: (error: unknown) => void
}

/** A step as it is carried out, whatever kind it is. */
interface Plan {
  readonly name: string
  readonly retry: RetryPolicy
  readonly timeout: number | undefined
  readonly atMostOnce: boolean
  readonly undoable: boolean
  /** What counts it: the handler's steps and the undos do not wait for each other. */
  readonly rest: Rest
  /** Set for what has to be done although the job must stop. */
  readonly isUndo: boolean
  /** Does the work and writes that it is done; returns the JSON text of the result. */
  readonly carryOut: (facts: Try, entry: StepEntry) => Promise<string | null>
}

/** How long steps that are told to stop may take before others are undone, in milliseconds. */
const patience = 5_000

/** How often a wait looks for its signal while other steps keep the job from being parked, in milliseconds. */
const lookEvery = 1_000

/** Marks the code inside of a step. */
const inside = new AsyncLocalStorage<string>()

/**
 * One attempt of a durable job. A step is known by its name and how often that name came before in this attempt; what is
 * remembered under it is returned at once, everything else is done and written down. Nothing here throws to suspend.
 */
export class Run implements DurableRun {
  readonly context: DurableContext
  readonly #attempt: DurableAttempt
  readonly #parts: RunParts
  readonly #rest: Rest
  readonly #counts = new Map<string, number>()
  readonly #undos = new Map<string, Undo>()
  readonly #tries = new Map<Try, Promise<unknown>>()
  #history: Promise<Map<string, StepEntry>> | undefined
  /** As many things that it may wait for have come as far as it knows. */
  #wakes = 0
  #places = 0
  /** Set while the handler is run only to find its undos again: it learns what was, and begins nothing. */
  #unwinding = false

  constructor(attempt: DurableAttempt, parts: RunParts) {
    this.#attempt = attempt
    this.#parts = parts
    this.#rest = new Rest(parts.clock, (delay) => attempt.park(delay, this.#wakes))
    const step = <R>(name: StepName, work: (facts: StepFacts) => R | Promise<R>, options: StepOptions<R> = {}) =>
      this.#step(name, options, (full) => this.#plainly(full, work))
    const tx = <R>(
      name: StepName,
      work: (tx: never, facts: StepFacts) => R | Promise<R>,
      options: StepOptions<R> & Partial<BeginOptions<R, never>> = {},
    ) => this.#step(name, options, (full) => this.#transactionally(full, work, options.begin))
    this.context = {
      step: Object.assign(step, { tx }) as Step,
      sleep: (duration, name = 'sleep') => this.#sleep(name, milliseconds(duration, 'duration')),
      sleepUntil: (instant, name = 'sleep') => this.#sleep(name, instant),
      waitFor: (topic, options) => this.#waitFor(topic, options),
      commit: () => this.#note('!commit', () => undefined),
      now: async () => new Date(await this.#note<number>('!now', () => parts.clock.now())),
      random: () => this.#note('!random', () => Math.random()),
      uuid: () => this.#note('!uuid', () => randomUUID()),
    }
  }

  async conclude(outcome: Outcome): Promise<Outcome> {
    this.#rest.close()
    if (outcome.kind === 'released' || outcome.kind === 'snooze') return outcome
    if (!this.#unwinding && (outcome.kind === 'parked' || outcome.kind === 'retry')) return outcome
    if (outcome.kind === 'completed' && !this.#history) return outcome
    try {
      return await this.#undoAfter(outcome)
    } catch (error) {
      if (error instanceof LegworkError && error.code === 'LW_LEASE_LOST') return outcome // it will be refused
      this.#parts.onError(error)
      return { kind: 'released' }
    }
  }

  async #undoAfter(outcome: Outcome): Promise<Outcome> {
    const { job } = this.#attempt
    const known = await this.#known()
    const earlier = verdictOf(known)
    const steps = undoable(known)
    if (!earlier && (outcome.kind === 'completed' || steps.length === 0)) return outcome
    const verdict = earlier ?? (outcome as Verdict)
    if (!earlier) {
      const why = JSON.stringify(verdict)
      await this.#parts.journal.unwind(job, why)
      known.set('!undo', verdictEntry(verdict))
    }
    const unknown = steps.some((entry) => !this.#undos.has(entry.name))
    if (unknown && !this.#unwinding) return { kind: 'parked', delay: 0, wakes: 0 } // another attempt finds them by running the handler
    await this.#stopTries()
    return new Promise((resolve, reject) => {
      const rest = new Rest(this.#parts.clock, (delay) => resolve({ kind: 'parked', delay, wakes: 2 ** 31 - 1 }))
      const finish = (how: () => void) => {
        rest.close()
        how()
      }
      this.#undoAll(rest, steps, verdict).then(
        (result) => finish(() => resolve(result)),
        (error: unknown) => finish(() => reject(error as Error)),
      )
    })
  }

  /** Steps that run beside the one that failed must have ended before they are undone; one that does not listen is left behind. */
  async #stopTries(): Promise<void> {
    const reason = new LegworkError('LW_JOB_COMPENSATED', 'The job has failed, and its steps are being undone.')
    for (const one of this.#tries.keys()) one.abort(reason)
    const over = new AbortController()
    const late = pause(this.#parts.clock, patience, over.signal)
    await Promise.race([late, Promise.allSettled(this.#tries.values())])
    over.abort()
  }

  /** The last that was begun goes first. One that cannot be undone does not stop the others. */
  async #undoAll(rest: Rest, steps: readonly StepEntry[], verdict: Verdict): Promise<Outcome> {
    const reason = verdict.reason
    const error = verdict.kind === 'dead' ? verdict.error : undefined
    this.#unwinding = false
    const failures: SerializedError[] = []
    for (const entry of steps) {
      const failure = await this.#undo(rest, entry, error)
      if (failure) failures.push(failure)
    }
    if (failures[0]) return { kind: 'compensation_failed', reason, error: failures[0] }
    return { kind: 'compensated', reason, ...(error && { error }) }
  }

  async #undo(rest: Rest, entry: StepEntry, error: SerializedError | undefined): Promise<SerializedError | undefined> {
    const undo = this.#undos.get(entry.name)
    if (!undo) {
      const message = `Step "${entry.name}" could not be undone: the code does not come to a step of that name any more.`
      return { name: 'StepError', message, ...(error && { cause: error }) }
    }
    const name = undoOf(entry.name)
    const carryOut = this.#plainly(name, async ({ idempotencyKey, attempt, signal }) => {
      const facts = { idempotencyKey, attempt, signal, key: this.#keyOf(entry.name), error }
      await undo(valueOf(entry.output), facts)
    })
    const plan = { name, retry: this.#attempt.retry, timeout: undefined, atMostOnce: false, undoable: false }
    try {
      await rest.during(() => this.#perform({ ...plan, rest, isUndo: true, carryOut }))
      return undefined
    } catch (failure) {
      if (!(failure instanceof StepError)) throw failure
      return serializeError(failure)
    }
  }

  #step<R>(
    name: StepName,
    { retry, timeout, undo, atMostOnce = false }: StepOptions<R>,
    carryOut: (name: string) => Plan['carryOut'],
  ): Promise<Wire<R>> {
    const full = this.#nameOf(name)
    return this.#rest.during(async () => {
      const known = await this.#known()
      if (undo && (!this.#unwinding || known.has(full))) this.#undos.set(full, undo as Undo)
      const plan = {
        name: full,
        retry: retry === undefined ? this.#attempt.retry : retryPolicy(retry),
        timeout: timeout === undefined ? undefined : milliseconds(timeout, 'timeout'),
        atMostOnce,
        undoable: undo !== undefined,
        rest: this.#rest,
        isUndo: false,
        carryOut: carryOut(full),
      }
      return valueOf(await this.#perform(plan)) as Wire<R>
    })
  }

  /** From what is remembered to the result: at once, or after as many tries as it takes. */
  async #perform(plan: Plan): Promise<string | null> {
    const known = await this.#known()
    const memo = known.get(plan.name)
    if (memo?.state === 'done') return memo.output
    if (memo?.state === 'failed') throw failedBefore(memo)
    const { rest } = plan
    if (this.#unwinding || rest.closed) return rest.forever()
    const place = memo?.place ?? ++this.#places
    let entry: StepEntry = memo ?? blank(plan, place)
    if (memo?.state === 'begun' && plan.atMostOnce) return this.#fail(entry, interrupted(plan.name))
    if (memo?.state === 'due') await rest.wait(memo.delay ?? 0)
    else if (!memo && (plan.undoable || plan.atMostOnce)) await this.#save(entry)
    for (;;) {
      if (rest.closed) return rest.forever()
      entry = { ...entry, state: 'begun', delay: undefined }
      const result = await this.#try(plan, entry)
      if ('output' in result) return result.output
      if (rest.closed) return rest.forever()
      entry = { ...entry, attempt: entry.attempt + 1, error: result.error }
      const delay = plan.atMostOnce ? undefined : this.#delayAfter(plan, entry, result)
      if (delay === undefined) return this.#fail(entry, result.error)
      await this.#save({ ...entry, state: 'due', delay })
      await rest.wait(delay)
    }
  }

  async #try(plan: Plan, entry: StepEntry): Promise<{ output: string | null } | Failure> {
    const { name, timeout, isUndo } = plan
    const mustStop = () => (isUndo ? undefined : this.#attempt.reason())
    const before = mustStop()
    if (before) throw before // that is not this step's failure
    const facts = new Try(this.#keyOf(name), entry.attempt + 1, isUndo ? undefined : this.#attempt.signal)
    const work = inside.run(name, plan.carryOut, facts, entry)
    this.#tries.set(facts, work)
    const late = () => facts.abort(timedOut(name, timeout ?? 0))
    const cancel = timeout === undefined ? undefined : this.#parts.clock.after(timeout, late)
    try {
      return { output: await (timeout === undefined ? work : facts.untilAborted(work)) }
    } catch (thrown) {
      const reason = isLost(thrown) ? thrown : mustStop()
      if (reason) throw reason as Error
      return { thrown, error: serializeError(thrown) }
    } finally {
      cancel?.()
      this.#tries.delete(facts)
    }
  }

  #plainly<R>(name: string, work: (facts: StepFacts) => R | Promise<R>): Plan['carryOut'] {
    return async (facts, entry) => {
      const output = toJson(await work(facts), `The result of step "${name}"`)
      facts.throwIfAborted() // too late: it counts as not done
      await this.#save({ ...entry, state: 'done', output, error: undefined })
      return output
    }
  }

  #transactionally<R>(
    name: string,
    work: (tx: never, facts: StepFacts) => R | Promise<R>,
    begin: Begin | undefined,
  ): Plan['carryOut'] {
    return async (facts, entry) => {
      const { job } = this.#attempt
      const inTransaction = async (tx: unknown) => {
        const output = toJson(await work(tx as never, facts), `The result of step "${name}"`)
        facts.throwIfAborted()
        return output
      }
      const output = await this.#parts.journal.saveWith(job, entry, inTransaction, begin)
      await this.#learn({ ...entry, state: 'done', output })
      return output
    }
  }

  /** Undefined when it is not tried again. */
  #delayAfter({ retry }: Plan, { attempt }: StepEntry, { thrown, error }: Failure): number | undefined {
    const control = controlOf(thrown)
    if (control?.kind === 'abort' || attempt >= retry.attempts) return undefined
    if (control) return control.delay
    return retryAfterOf(thrown, this.#parts.clock.now()) ?? error.retryAfter ?? retryDelay(retry, attempt, thrown)
  }

  async #fail(entry: StepEntry, error: SerializedError): Promise<never> {
    const failed: StepEntry = { ...entry, state: 'failed', error }
    await this.#save(failed)
    throw failedBefore(failed)
  }

  #sleep(name: string, until: number | Date): Promise<void> {
    const full = this.#nameOf(name)
    return this.#rest.during(async () => {
      const known = await this.#known()
      const memo = known.get(full)
      if (memo?.state === 'done') return
      if (this.#unwinding) return this.#rest.forever()
      const delay = memo?.delay ?? (typeof until === 'number' ? until : until.getTime() - this.#parts.clock.now())
      const plan = { name: full, undoable: false }
      if (!memo) await this.#save({ ...blank(plan, ++this.#places), state: 'due', delay: Math.max(0, delay) })
      await this.#rest.wait(delay)
    })
  }

  #waitFor<T>(topic: string, { timeout, match = () => true }: WaitOptions<T> = {}): Promise<T | undefined> {
    const full = this.#nameOf(`wait for ${topic}`)
    const limit = timeout === undefined ? Infinity : milliseconds(timeout, 'timeout')
    return this.#rest.during(async () => {
      const memo = (await this.#known()).get(full)
      if (memo?.state === 'done') return this.#received<T>(topic, memo)
      if (this.#unwinding) return this.#rest.forever()
      const place = memo?.place ?? ++this.#places
      const entry: StepEntry = memo ?? { ...blank({ name: full, undoable: false }, place), state: 'due', delay: limit }
      if (!memo && limit < Infinity) await this.#save(entry)
      const until = this.#parts.clock.now() + (memo?.delay ?? limit)
      for (;;) {
        const found = await this.#take(topic, entry, match)
        if (found) return this.#received<T>(topic, found)
        const left = until - this.#parts.clock.now()
        if (left <= 0) break
        await this.#rest.wait(left, lookEvery)
      }
      await this.#save({ ...entry, state: 'done', delay: undefined })
      return undefined
    })
  }

  async #take<T>(topic: string, entry: StepEntry, match: (data: T) => boolean): Promise<StepEntry | undefined> {
    const { job } = this.#attempt
    const signals = await this.#parts.journal.waitingSignals(job, topic)
    const signal = await this.#firstMatch(topic, signals, match)
    if (!signal) return undefined
    await this.#parts.journal.take(job, signal, entry)
    const taken: StepEntry = { ...entry, state: 'done', output: signal.data ?? 'null', delay: undefined }
    await this.#learn(taken)
    return taken
  }

  async #firstMatch<T>(
    topic: string,
    signals: readonly Signal[],
    match: (data: T) => boolean,
  ): Promise<Signal | undefined> {
    for (const signal of signals) if (match((await this.#decoded(topic, signal.data)) as T)) return signal
    return undefined
  }

  async #received<T>(topic: string, { output }: StepEntry): Promise<T | undefined> {
    return output === null ? undefined : ((await this.#decoded(topic, output)) as T)
  }

  #decoded(topic: string, json: string | null): Promise<unknown> {
    const label = `Signal "${topic}" of job ${this.#attempt.job.id}`
    return decode(this.#attempt.signals[topic], valueOf(json), { code: 'LW_INPUT_INVALID', label })
  }

  /** Remembers a value that costs nothing to make. */
  #note<T>(kind: string, make: () => T): Promise<T> {
    return this.#step<T>(kind, { retry: false }, (full) => this.#plainly(full, make)) as Promise<T>
  }

  async #save(entry: StepEntry): Promise<void> {
    await this.#parts.journal.save(this.#attempt.job, entry)
    await this.#learn(entry)
  }

  /** It has been written. */
  async #learn(entry: StepEntry): Promise<void> {
    const known = await this.#known()
    known.set(entry.name, entry)
    if (!this.#parts.events.heard('step')) return
    const { name, state, attempt, error } = entry
    this.#parts.events.emit('step', { ...this.#attempt.event, step: name, state, attempt, error })
  }

  #known(): Promise<Map<string, StepEntry>> {
    this.#history ??= this.#parts.journal.load(this.#attempt.job).then(({ wakes, steps: known }) => {
      this.#wakes = wakes
      for (const { place } of known.values()) this.#places = Math.max(this.#places, place)
      this.#unwinding = verdictOf(known) !== undefined
      return known
    })
    return this.#history
  }

  #nameOf(name: StepName): string {
    const text = typeof name === 'string' ? name : `${name[0]}:${name[1]}`
    if (text.trim() === '' || text.length > 500)
      throw optionError('name of a step', 'text of 1 to 500 characters, or a pair of text and key', name)
    const outer = inside.getStore()
    if (outer !== undefined) throw nested(text, outer)
    const count = (this.#counts.get(text) ?? 0) + 1
    this.#counts.set(text, count)
    return count === 1 ? text : `${text}#${count}`
  }

  #keyOf(name: string): string {
    return `${this.#attempt.idempotencyKey}-${name}`
  }
}

interface Failure {
  readonly thrown: unknown
  readonly error: SerializedError
}

function blank({ name, undoable: canUndo }: Pick<Plan, 'name' | 'undoable'>, place: number): StepEntry {
  const rest = { delay: undefined, output: null, error: undefined }
  return { name, place, state: 'begun', attempt: 0, undoable: canUndo, ...rest }
}

function valueOf(json: string | null): unknown {
  return json === null ? undefined : JSON.parse(json)
}

/** What a handler gets the first time and every time after. */
function failedBefore({ name, attempt, error }: StepEntry): StepError {
  return new StepError(name, attempt, error ?? { name: 'Error', message: 'unknown' })
}

function interrupted(name: string): SerializedError {
  const message = `Step "${name}" may run at most once and was cut off: nobody knows how far it came.`
  return { name: 'LegworkError', code: 'LW_STEP_INTERRUPTED', message }
}

function timedOut(name: string, ms: number): LegworkError {
  return new LegworkError('LW_STEP_TIMEOUT', `Step "${name}" ran longer than its timeout of ${ms} ms.`)
}

function nested(name: string, outer: string): LegworkError {
  return new LegworkError('LW_STEP_NESTED', `Step "${name}" was begun inside of step "${outer}".`, {
    hint: 'Call it before or after; what is inside of a step runs again as a whole.',
  })
}

function isLost(error: unknown): boolean {
  return error instanceof LegworkError && error.code === 'LW_LEASE_LOST'
}
