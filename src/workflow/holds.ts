import type { Clock } from '../core/clock.ts'
import type { Hold } from '../core/durable.ts'
import { type SerializedError, serializeError } from '../core/errors.ts'
import type { StepEntry } from '../store/queries/steps.ts'
import type { History } from './history.ts'
import type { Rest } from './rest.ts'
import { failedBefore } from './steps.ts'
import { holdOf, undoOf } from './undo.ts'
import type { Undoing } from './undoing.ts'

/** A hold that is not confirmed, and not undone either. */
interface Open {
  readonly step: string
  readonly entry: StepEntry
  /** By the process's clock. */
  readonly until: number
  /** Ends the wait for its time. */
  readonly drop: AbortController
  /** Set once it is decided that it lapses: its entry then, and the undoing. */
  lapsed?: Promise<StepEntry>
  lapsing?: Promise<void>
}

/**
 * Steps whose effect is for a time: confirmed before that is over, or undone by themselves. Whichever comes first is written
 * down before anything follows from it, in an entry beside that of the step.
 */
export class Holds {
  readonly #history: History
  readonly #rest: Rest
  readonly #undoing: Undoing
  readonly #clock: Clock
  readonly #onError: (error: unknown) => void
  readonly #open = new Map<string, Open>()

  constructor(history: History, rest: Rest, undoing: Undoing, clock: Clock, onError: (error: unknown) => void) {
    this.#history = history
    this.#rest = rest
    this.#undoing = undoing
    this.#clock = clock
    this.#onError = onError
  }

  /**
   * The step has ended; from now on its effect is for a time.
   * @param lasts milliseconds
   */
  begin<T>(step: string, value: T, lasts: number): Promise<Hold<T>> {
    return this.#rest.during(async () => {
      const memo = await this.#history.peek(holdOf(step), 'hold')
      const entry: StepEntry = memo ?? { ...this.#history.begin(holdOf(step), 'hold'), state: 'due', delay: lasts }
      if (!this.#history.verdict) {
        if (!memo) await this.#history.save(entry)
        if (entry.state !== 'done') this.#watch(step, entry)
      }
      return { value, confirm: () => this.#confirm(step) }
    })
  }

  /** Nothing is taken back any more. */
  async confirmAll(): Promise<void> {
    for (const step of this.#open.keys()) await this.#confirm(step)
  }

  /** Whether a handler that has completed has left something to be undone. */
  get isLeft(): boolean {
    return this.#open.size > 0
  }

  /** The handler has completed without confirming them: nobody will. Returns why one could not be undone. */
  async lapseRest(rest: Rest): Promise<SerializedError | undefined> {
    for (const open of [...this.#open.values()].toReversed()) {
      const failure = await this.#takeBack(rest, open)
      if (failure) return failure
    }
    return undefined
  }

  #confirm(step: string): Promise<void> {
    return this.#rest.during(async () => {
      const memo = await this.#history.recall(holdOf(step), 'hold')
      if (memo?.state === 'done') return undefined
      const open = this.#open.get(step)
      if (open && (open.lapsed || this.#clock.now() >= open.until)) await this.#lapse(open)
      const lapsed = memo?.state === 'failed' ? memo : await open?.lapsed
      if (lapsed) throw failedBefore({ ...lapsed, name: step })
      if (!open || this.#rest.closed) return this.#rest.forever()
      this.#open.delete(step)
      open.drop.abort()
      await this.#history.save({ ...open.entry, state: 'done', delay: undefined })
    })
  }

  /** Begins to wait for its time; at once when that is over, as it is when a crash has come before the undo. */
  #watch(step: string, entry: StepEntry): void {
    const left = entry.state === 'failed' ? 0 : (entry.delay ?? Infinity)
    const open: Open = { step, entry, until: this.#clock.now() + left, drop: new AbortController() }
    this.#open.set(step, open)
    this.#inBackground(async () => {
      await this.#rest.wait(left, left, open.drop.signal)
      if (!open.drop.signal.aborted) await this.#lapse(open)
    })
  }

  #lapse(open: Open): Promise<void> {
    return (open.lapsing ??= this.#rest.during(async () => {
      if (!(await this.#takeBack(this.#rest, open))) return
      // nobody could go on from there
      const error = serializeError(failedBefore({ ...expired(open.step, open.entry), name: open.step }))
      this.#history.attempt.end({ kind: 'dead', reason: 'step_failed', error })
      await this.#rest.forever()
    }))
  }

  /** It is written that it has lapsed before anything is undone. */
  async #takeBack(rest: Rest, open: Open): Promise<SerializedError | undefined> {
    open.lapsed ??= this.#decide(open)
    const { error } = await open.lapsed
    const known = await this.#history.entries()
    const held = known.get(open.step)
    const isUndone = known.get(undoOf(open.step))?.state === 'done' // its group may have failed
    const failure = held && !isUndone ? await this.#undoing.undo(rest, held, error) : undefined
    if (!failure) this.#open.delete(open.step)
    return failure
  }

  async #decide({ step, entry }: Open): Promise<StepEntry> {
    const lapsed = expired(step, entry)
    if (entry.state !== 'failed') await this.#history.save(lapsed)
    return lapsed
  }

  /** Nobody awaits it: what goes wrong sends the job back. */
  #inBackground(work: () => Promise<void>): void {
    this.#rest.during(work).catch((error: unknown) => {
      this.#onError(error)
      this.#history.attempt.end({ kind: 'released' })
    })
  }
}

function expired(step: string, entry: StepEntry): StepEntry {
  const message = `The hold "${step}" was not confirmed in time and has been undone.`
  const error = { name: 'LegworkError', code: 'LW_HOLD_EXPIRED', message }
  return { ...entry, state: 'failed', attempt: 1, delay: undefined, error }
}
