import type { DurableAttempt } from '../core/durable.ts'
import type { Emitter } from '../core/events.ts'
import type { StepEntry } from '../store/queries/steps.ts'
import type { Journal } from './journal.ts'
import { type Verdict, verdictOf } from './undo.ts'

/** What one attempt knows of its job's past, read once when it is first asked for, and what it adds. */
export class History {
  readonly attempt: DurableAttempt
  readonly journal: Journal
  readonly #events: Emitter
  #reading: Promise<Map<string, StepEntry>> | undefined
  #places = 0
  #wakes = 0
  #verdict: Verdict | undefined

  constructor(attempt: DurableAttempt, journal: Journal, events: Emitter) {
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
      return steps
    })
    return this.#reading
  }

  /** A new entry, the next in the order of the starts. */
  begin(name: string, undoable = false): StepEntry {
    const rest = { attempt: 0, delay: undefined, output: null, error: undefined }
    return { name, place: ++this.#places, state: 'begun', undoable, ...rest }
  }

  async save(entry: StepEntry): Promise<void> {
    await this.journal.save(this.attempt.job, entry)
    await this.learn(entry)
  }

  /** It has been written. */
  async learn(entry: StepEntry): Promise<void> {
    const known = await this.entries()
    known.set(entry.name, entry)
    if (!this.#events.heard('step')) return
    const { name, state, attempt, error } = entry
    this.#events.emit('step', { ...this.attempt.event, step: name, state, attempt, error })
  }
}

/** JSON text as a value; nothing is undefined. */
export function valueOf(json: string | null): unknown {
  return json === null ? undefined : JSON.parse(json)
}
