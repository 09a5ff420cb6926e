import { randomUUID } from 'node:crypto'
import type { Callable, RunAll, RunAllOptions, RunChild, RunOptions } from '../core/call.ts'
import type { Clock } from '../core/clock.ts'
import { encode, type Wire } from '../core/codec.ts'
import type {
  BeginOptions,
  DurableAttempt,
  DurableContext,
  DurableRun,
  HoldOptions,
  SignalTokenOptions,
  Step,
  StepFacts,
  StepName,
  StepOptions,
  TokenTerms,
} from '../core/durable.ts'
import { milliseconds } from '../core/duration.ts'
import { LegworkError, optionError, type SerializedError } from '../core/errors.ts'
import type { Emitter } from '../core/events.ts'
import type { Outcome } from '../core/outcome.ts'
import { retryPolicy } from '../core/retry.ts'
import type { StepEntry } from '../store/queries/steps.ts'
import { Checkpoints } from './checkpoints.ts'
import { Children, type Family } from './children.ts'
import { Groups } from './groups.ts'
import { History, valueOf } from './history.ts'
import { Holds } from './holds.ts'
import type { Remembers } from './journal.ts'
import { Rest } from './rest.ts'
import { Scope, separator } from './scope.ts'
import { type CarryOut, Steps } from './steps.ts'
import { undoable, type Undo, type Verdict } from './undo.ts'
import { Undoing } from './undoing.ts'
import { Waits } from './waits.ts'

const longest = 500
const nameRule =
  'text of 1 to 500 characters that neither begins with ! nor ends with # and a number nor has " > " in it, or a pair of text and key'

/** Makes the tokens of signals; the terms of one are remembered, it follows from them. */
export interface TokenMaker {
  terms(options?: SignalTokenOptions): TokenTerms
  /** @param key names the job in this database and no other */
  sign(key: string, claim: TokenTerms & { readonly job: string; readonly topic: string }): string
}

export interface RunParts {
  readonly clock: Clock
  readonly journal: Remembers
  readonly events: Emitter
  readonly family: Family
  readonly tokens: TokenMaker
  /** Something went wrong that is nobody's outcome. */
  readonly onError: (error: unknown) => void
}

/**
 * One attempt of a durable job. A step is known by its name and how often that name came before in this attempt; what is
 * remembered under it is returned at once, everything else is done and written down. Nothing here throws to suspend.
 */
export class Run implements DurableRun {
  readonly context: DurableContext
  readonly #attempt: DurableAttempt
  readonly #parts: RunParts
  readonly #rest: Rest
  readonly #history: History
  readonly #steps: Steps
  readonly #counts = new Map<string, number>()
  readonly #undoing: Undoing
  readonly #holds: Holds

  constructor(attempt: DurableAttempt, parts: RunParts) {
    this.#attempt = attempt
    this.#parts = parts
    this.#rest = this.#createRest(
      (delay) => attempt.end({ kind: 'parked', delay, wakes: this.#history.wakes }),
      () => Scope.of(this.#history),
    )
    this.#history = new History(attempt, parts.journal, parts.events, parts.clock, this.#rest)
    this.#steps = new Steps(this.#history, parts.clock)
    this.#undoing = new Undoing(this.#history, this.#steps, parts.family)
    this.#holds = new Holds(this.#history, this.#rest, this.#undoing, parts.clock, parts.onError)
    this.context = { step: this.#stepFunctions(), ...this.#waitFunctions(), ...this.#otherFunctions() }
  }

  requireAll(): Promise<void> {
    return this.#history.requireAll()
  }

  async conclude(outcome: Outcome): Promise<Outcome> {
    this.#rest.close()
    if (outcome.kind === 'released' || outcome.kind === 'snooze') return outcome
    if (
      !this.#history.verdict &&
      (outcome.kind === 'parked' || outcome.kind === 'retry' || outcome.kind === 'restarted')
    )
      return outcome
    if (outcome.kind === 'completed' && !this.#history.isRead && this.#attempt.job.claim === 1) return outcome
    try {
      const isLeft = outcome.kind === 'completed' && !this.#history.verdict && this.#holds.isLeft
      if (!isLeft) return await this.#undoAfter(outcome)
      const ended = await this.#lapseRest(outcome)
      return ended.kind === 'parked' ? ended : await this.#undoAfter(ended)
    } catch (error) {
      if (error instanceof LegworkError && error.code === 'LW_LEASE_LOST') return outcome // it will be refused
      this.#parts.onError(error)
      return { kind: 'released' }
    }
  }

  async #undoAfter(outcome: Outcome): Promise<Outcome> {
    const { job } = this.#attempt
    if (outcome.kind === 'dead' || outcome.kind === 'cancelled')
      await this.#parts.family.cancel(job.id, `its parent, job ${job.id}, has ended`)
    const known = await this.#history.entries()
    const earlier = this.#history.verdict
    const steps = undoable(known)
    if (!earlier && (outcome.kind === 'completed' || steps.length === 0)) return outcome
    const verdict = earlier ?? (outcome as Verdict)
    await this.#parts.journal.unwind(job, JSON.stringify(verdict)) // whoever goes on with it shows that, too
    const unknown = steps.some(({ name }) => !this.#undoing.knows(name, known))
    if (unknown && !earlier) return { kind: 'parked', delay: 0, wakes: 0 } // another attempt finds them by running the handler
    await this.#steps.stop()
    return this.#afterwards((rest) => this.#undoAll(rest, steps, verdict))
  }

  /** Does what is left when the handler has ended; parked while that waits. */
  #afterwards(work: (rest: Rest) => Promise<Outcome>): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const finish = (how: () => void) => {
        rest.close() // what still waits there belongs to the next attempt
        how()
      }
      const park = (delay: number) => finish(() => resolve({ kind: 'parked', delay, wakes: this.#history.wakes }))
      const rest: Rest = this.#createRest(park)
      work(rest).then(
        (result) => finish(() => resolve(result)),
        (error: unknown) => finish(() => reject(error)),
      )
    })
  }

  /** The handler has completed, and what it holds without having confirmed it is given back. */
  async #lapseRest(completed: Outcome): Promise<Outcome> {
    await this.#steps.stop()
    return this.#afterwards(async (rest) => {
      const error = await this.#holds.lapseRest(rest)
      return error ? { kind: 'dead', reason: 'step_failed', error } : completed
    })
  }

  #createRest(onRest: (delay: number) => void, scope?: () => Scope | undefined): Rest {
    const { clock, journal } = this.#parts
    return new Rest(clock, onRest, (look) => journal.track(look), scope)
  }

  /** The last that was begun goes first. One that cannot be undone does not stop the others. */
  async #undoAll(rest: Rest, steps: readonly StepEntry[], verdict: Verdict): Promise<Outcome> {
    const reason = verdict.reason
    const error = verdict.kind === 'dead' ? verdict.error : undefined
    const failures: SerializedError[] = []
    for (const entry of steps) {
      const failure = await this.#undoing.undo(rest, entry, error)
      if (failure) failures.push(failure)
    }
    if (failures[0]) return { kind: 'compensation_failed', reason, error: failures[0] }
    return { kind: 'compensated', reason, ...(error && { error }) }
  }

  #stepFunctions(): Step {
    const groups = new Groups(this.#history, this.#rest, this.#steps, this.#undoing)
    const step = <R>(name: StepName, work: (facts: StepFacts) => R | Promise<R>, options: StepOptions<R> = {}) =>
      this.#step(this.#nameOf(name), options, (full) => this.#steps.plainly(full, work))
    const tx = <R>(
      name: StepName,
      work: (tx: never, facts: StepFacts) => R | Promise<R>,
      options: StepOptions<R> & Partial<BeginOptions<R, never>> = {},
    ) => this.#step(this.#nameOf(name), options, (full) => this.#steps.transactionally(full, work, options.begin))
    const hold = async <R>(
      name: StepName,
      work: (facts: StepFacts) => R | Promise<R>,
      { for: lasts, ...options }: HoldOptions<R>,
    ) => {
      const [full, ms] = [this.#nameOf(name), milliseconds(lasts, 'for')]
      return this.#holds.begin(full, await this.#step(full, options, (of) => this.#steps.plainly(of, work)), ms)
    }
    const group = async <R>(name: StepName, work: () => R | Promise<R>) => groups.group(this.#nameOf(name), work)
    return Object.assign(step, { tx, group, hold }) as Step
  }

  #waitFunctions(): Pick<DurableContext, 'sleep' | 'sleepUntil' | 'waitFor' | 'run' | 'runAll'> {
    const waits = new Waits(this.#history, this.#rest, this.#parts.clock)
    const children = new Children(this.#history, this.#rest, this.#parts.family)
    return {
      sleep: (duration, name = 'sleep') => waits.sleep(this.#nameOf(name), milliseconds(duration, 'duration')),
      sleepUntil: (instant, name = 'sleep') => waits.sleep(this.#nameOf(name), instant),
      waitFor: (topic, options) => waits.signal(this.#nameOf(`wait for ${topic}`), topic, options),
      run: (async (job: Callable<never, unknown>, input?: unknown, options?: RunOptions) =>
        children.run(this.#nameOf(options?.name ?? `run ${job.name}`), job, input, options ?? {})) as RunChild,
      runAll: (async (job: Callable<never, unknown>, inputs: readonly unknown[], options?: RunAllOptions) =>
        children.runAll(this.#nameOf(options?.name ?? `run all ${job.name}`), job, inputs, options ?? {})) as RunAll,
    }
  }

  #otherFunctions(): Omit<DurableContext, 'step' | 'sleep' | 'sleepUntil' | 'waitFor' | 'run' | 'runAll'> {
    const marks = new Checkpoints(this.#history, this.#rest, this.#attempt.checkpoint)
    return {
      signalToken: (topic, options) => this.#signalToken(topic, options),
      checkpoint: Object.assign((state: unknown) => marks.save(state), { last: () => marks.last() }),
      restart: (input?: unknown) => this.#restart(input),
      commit: async () => {
        await this.#holds.confirmAll()
        return this.#note('!commit', () => undefined)
      },
      now: async () => new Date(await this.#note<number>('!now', () => this.#parts.clock.now())),
      random: () => this.#note('!random', () => Math.random()),
      uuid: () => this.#note('!uuid', () => randomUUID()),
    }
  }

  #step<R>(
    full: string,
    { retry, timeout, undo, atMostOnce = false }: StepOptions<R>,
    carryOut: (name: string) => CarryOut,
  ): Promise<Wire<R>> {
    return this.#rest.during(async () => {
      const known = await this.#history.entries()
      const isCall = undo !== undefined && typeof undo !== 'function'
      if (undo && !isCall && (!this.#history.verdict || known.has(full))) this.#undoing.register(full, undo as Undo)
      const plan = {
        name: full,
        retry: retry === undefined ? this.#attempt.retry : retryPolicy(retry),
        timeout: timeout === undefined ? undefined : milliseconds(timeout, 'timeout'),
        atMostOnce,
        undoable: undo !== undefined,
        undoCall: isCall ? () => this.#parts.family.prepareCall(undo) : undefined,
        rest: this.#rest,
        isUndo: false,
        carryOut: carryOut(full),
      }
      return valueOf(await this.#steps.perform(plan)) as Wire<R>
    })
  }

  async #signalToken(topic: string, options: SignalTokenOptions | undefined): Promise<string> {
    const { attempt } = this.#history
    const { tokens } = this.#parts
    const known = Object.keys(attempt.signals)
    if (known.length > 0 && !known.includes(topic)) throw optionError('topic', `one of ${known.join(', ')}`, topic)
    const terms = await this.#note<TokenTerms>(`!token ${topic}`, () => tokens.terms(options))
    // a restart changes the keys of steps; a token names the job
    const key = attempt.restarts > 0 ? attempt.idempotencyKey.replace(/\.\d+$/, '') : attempt.idempotencyKey
    return tokens.sign(key, { ...terms, job: attempt.job.id, topic })
  }

  async #restart(input: unknown): Promise<never> {
    const { job, input: schema, restarts, end } = this.#attempt
    if (this.#steps.around !== undefined) throw nested('restart', this.#steps.around)
    return this.#rest.during(async () => {
      const label = `Input of job "${job.name}"`
      const text = await encode(schema, input, { code: 'LW_INPUT_INVALID', label, hint: 'The job was not restarted.' })
      await this.#history.entries()
      if (!this.#history.verdict && !this.#rest.closed) end({ kind: 'restarted', input: text, restarts: restarts + 1 })
      return this.#rest.forever()
    })
  }

  /** Remembers a value that costs nothing to make. */
  #note<T>(kind: string, make: () => T): Promise<T> {
    return this.#step<T>(this.#counted(kind), { retry: false }, (full) => this.#steps.plainly(full, make)) as Promise<T>
  }

  #nameOf(name: StepName): string {
    const text = typeof name === 'string' ? name : `${name[0]}:${name[1]}`
    if (text.trim() === '' || text.length > longest || /^!|#\d+$| > /.test(text))
      throw optionError('name of a step', nameRule, name)
    return this.#counted(text)
  }

  /** The second step of a name is another one. */
  #counted(text: string): string {
    const outer = this.#steps.around
    if (outer !== undefined) throw nested(text, outer)
    const full = scoped(text, Scope.of(this.#history)?.name)
    if (full.length > longest)
      throw optionError('name of a step, with its groups', `text of up to ${longest} characters`, full)
    const count = (this.#counts.get(full) ?? 0) + 1
    this.#counts.set(full, count)
    return count === 1 ? full : `${full}#${count}`
  }
}

/** Names in a group are its own; what begins with ! is found by that. */
function scoped(text: string, scope: string | undefined): string {
  if (scope === undefined) return text
  return text.startsWith('!') ? `${text} ${scope}` : `${scope}${separator}${text}`
}

function nested(name: string, outer: string): LegworkError {
  return new LegworkError('LW_STEP_NESTED', `Step "${name}" was begun inside of step "${outer}".`, {
    hint: 'Call it before or after; what is inside of a step runs again as a whole.',
  })
}
