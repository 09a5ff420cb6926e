import type { Clock } from '../core/clock.ts'
import type { DurableAttempt } from '../core/durable.ts'
import { LegworkError } from '../core/errors.ts'
import type { Emitter } from '../core/events.ts'
import type { StepEntry, StepKind } from '../store/queries/steps.ts'
import type { Remembers } from './journal.ts'
import { Order } from './order.ts'
import type { Rest } from './rest.ts'
import { isWithin } from './scope.ts'
import { checkpointName, isOfUndo, type Verdict, verdictOf } from './undo.ts'

/** What one attempt knows of its job's past, read once when it is first asked for, and what it adds. */
export class History {
  readonly attempt: DurableAttempt
  readonly journal: Remembers
  readonly #events: Emitter
  readonly #clock: Clock
  readonly #rest: Rest
  #order: Order | undefined
  /** When what this attempt has begun began, by the process's clock. */
  readonly #since = new Map<string, number>()
  /** The names this attempt has asked for. */
  readonly #asked = new Set<string>()
  #reading: Promise<Map<string, StepEntry>> | undefined
  #places = 0
  #wakes = 0
  #verdict: Verdict | undefined

  constructor(attempt: DurableAttempt, journal: Remembers, events: Emitter, clock: Clock, rest: Rest) {
    this.#clock = clock
    this.#rest = rest
    this.attempt = attempt
    this.journal = journal
    this.#events = events
  }

  /** Whether anybody has asked yet. */
  get isRead(): boolean {
    return this.#reading !== undefined
  }

  /** As many things that the job may wait for have come as this attempt knows of. */
  get wakes(): number {
    return this.#wakes
  }

  /** Why the job is being undone, if an earlier attempt has decided that. */
  get verdict(): Verdict | undefined {
    return this.#verdict
  }

  /** The entries by name. */
  entries(): Promise<Map<string, StepEntry>> {
    this.#reading ??= this.journal.load(this.attempt.job).then(({ wakes, steps }) => {
      this.#wakes = wakes
      for (const { place } of steps.values()) this.#places = Math.max(this.#places, place)
      this.#verdict = verdictOf(steps)
      const ended = [...steps.values()].filter(isOver).map(({ name }) => name)
      if (ended.length > 0) this.#order = new Order(ended, this.#rest, (work) => this.journal.track(work))
      return steps
    })
    return this.#reading
  }

  /**
   * What is remembered under a name; what is over comes in the order in which it ended.
   * @throws LW_STEP_DRIFT when the name stood for something of another kind
   */
  async recall(name: string, kind: StepKind): Promise<StepEntry | undefined> {
    const memo = await this.peek(name, kind)
    await this.#order?.turn(name)
    return memo
  }

  /** The same whether its turn has come or not. */
  async peek(name: string, kind: StepKind): Promise<StepEntry | undefined> {
    this.#asked.add(name)
    this.attempt.onAsked?.(name, kind)
    const memo = (await this.entries()).get(name)
    if (memo && memo.kind !== kind) throw drifted(this.attempt, memo, kind)
    return memo
  }

  /** @throws LW_STEP_DRIFT when this attempt has not asked for something that is remembered */
  async requireAll(): Promise<void> {
    const known = await this.entries()
    if (this.#verdict) return // it is run to find its undos, and comes no further than it did
    const entries = [...known.values()]
    const failed = entries.filter(({ kind }) => kind === 'group') // what is in one that failed is not asked for again
    const left = entries.find(
      ({ name }) =>
        !isOfUndo(name) &&
        name !== checkpointName &&
        !this.#asked.has(name) &&
        !failed.some((group) => isWithin(name, group.name)),
    )
    if (left) throw leftOut(this.attempt, left)
  }

  /** A new entry, the next in the order of the starts. */
  begin(name: string, kind: StepKind = 'step', undoable = false): StepEntry {
    this.#since.set(name, this.#clock.now())
    const rest = { attempt: 0, delay: undefined, output: null, error: undefined }
    return { name, kind, place: ++this.#places, state: 'begun', undoable, ...rest }
  }

  /** Milliseconds since it began, as far as this attempt knows. */
  took({ name }: StepEntry): number {
    const now = this.#clock.now()
    return Math.max(0, now - (this.#since.get(name) ?? now))
  }

  async save(entry: StepEntry): Promise<void> {
    await this.journal.save(this.attempt.job, entry, this.took(entry))
    await this.learn(entry)
  }

  /** It has been written. */
  async learn(entry: StepEntry): Promise<void> {
    const known = await this.entries()
    known.set(entry.name, entry)
    this.journal.onWritten(this.attempt.job.id)
    if (!this.#events.heard('step')) return
    const { name, state, attempt, error } = entry
    this.#events.emit('step', { ...this.attempt.event, step: name, state, attempt, error })
  }
}

/** Nothing is left to do for it. Undoing has an order of its own. */
function isOver({ name, kind, state, delay }: StepEntry): boolean {
  if (isOfUndo(name) || name === checkpointName || kind === 'hold') return false
  return state === 'done' || state === 'failed' || (kind === 'sleep' && (delay ?? 0) <= 0)
}

/** JSON text as a value; nothing is undefined. */
export function valueOf(json: string | null): unknown {
  return json === null ? undefined : JSON.parse(json)
}

/** What a step of a kind is called in messages. */
export const kindNames = {
  step: 'a step',
  sleep: 'a sleep',
  wait: 'a wait for a signal',
  run: 'a child job',
  runAll: 'a list of child jobs',
  group: 'a group',
  hold: 'a hold',
} as const satisfies Record<StepKind, string>

function drifted({ job }: DurableAttempt, memo: StepEntry, kind: StepKind): LegworkError {
  const message = `Job ${job.id} (${job.name}) remembers ${JSON.stringify(memo.name)} as ${kindNames[memo.kind]}, and the code asks for ${kindNames[kind]} of that name.`
  return new LegworkError('LW_STEP_DRIFT', message, {
    hint: 'Give what is new a new name.',
    details: { job: job.id, step: memo.name, was: memo.kind, is: kind },
  })
}

function leftOut({ job }: DurableAttempt, memo: StepEntry): LegworkError {
  const message = `Job ${job.id} (${job.name}) remembers ${JSON.stringify(memo.name)}, ${kindNames[memo.kind]}, and the code has ended without asking for it.`
  return new LegworkError('LW_STEP_DRIFT', message, {
    hint: "Bring it back, or leave out `drift: 'error'` if what was done there may stay done.",
    details: { job: job.id, step: memo.name, was: memo.kind },
  })
}
