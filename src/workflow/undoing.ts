import { type SerializedError, serializeError } from '../core/errors.ts'
import { StepError } from '../core/outcome.ts'
import type { NewJob } from '../store/queries/enqueue.ts'
import type { StepEntry } from '../store/queries/steps.ts'
import { Children, type Family } from './children.ts'
import { type History, valueOf } from './history.ts'
import type { Rest } from './rest.ts'
import type { Steps } from './steps.ts'
import { callOf, type Undo, undoOf } from './undo.ts'

/** Undoes the steps of one attempt, each once, whoever asks for it: its group or the end of the job. */
export class Undoing {
  readonly #history: History
  readonly #steps: Steps
  readonly #family: Family
  readonly #undos = new Map<string, Undo>()

  constructor(history: History, steps: Steps, family: Family) {
    this.#history = history
    this.#steps = steps
    this.#family = family
  }

  register(step: string, undo: Undo): void {
    this.#undos.set(step, undo)
  }

  /** Whether this attempt knows how to undo a step, or need not. */
  knows(step: string, known: ReadonlyMap<string, StepEntry>): boolean {
    return this.#undos.has(step) || known.has(callOf(step)) || known.get(undoOf(step))?.state === 'done'
  }

  /**
   * Undoes one step, with as many tries as that takes.
   * @param error why
   * @returns how that has failed for good; undefined when it has not
   */
  async undo(rest: Rest, entry: StepEntry, error: SerializedError | undefined): Promise<SerializedError | undefined> {
    const name = undoOf(entry.name)
    const call = (await this.#history.entries()).get(callOf(entry.name))
    if (call) {
      const row = valueOf(call.output) as NewJob
      return failureOf(() => new Children(this.#history, rest, this.#family).undo(name, row))
    }
    const undo = this.#undos.get(entry.name)
    if (!undo) return this.#cannotUndo(entry.name, name, error)
    const carryOut = this.#steps.plainly(name, async ({ idempotencyKey, attempt, signal }) => {
      const facts = { idempotencyKey, attempt, signal, key: this.#steps.keyOf(entry.name), error }
      await undo(valueOf(entry.output), facts)
    })
    const { retry } = this.#history.attempt
    const plan = { name, retry, timeout: undefined, atMostOnce: false, undoable: false, rest, isUndo: true, carryOut }
    return failureOf(() => rest.during(() => this.#steps.perform(plan)))
  }

  /** Unless it was undone before, or a person has said that it need not be. */
  async #cannotUndo(
    step: string,
    name: string,
    cause: SerializedError | undefined,
  ): Promise<SerializedError | undefined> {
    const memo = await this.#history.recall(name, 'step')
    if (memo?.state === 'done') return undefined
    const message = `Step "${step}" could not be undone: the code does not come to a step of that name any more.`
    const failure = { name: 'StepError', message, ...(cause && { cause }) }
    const entry = memo ?? this.#history.begin(name)
    await this.#history.save({ ...entry, state: 'failed', delay: undefined, error: failure })
    return failure
  }
}

/** How a step that undoes has failed for good; undefined when it has not. */
async function failureOf(undo: () => Promise<unknown>): Promise<SerializedError | undefined> {
  try {
    await undo()
    return undefined
  } catch (failure) {
    if (!(failure instanceof StepError)) throw failure
    return serializeError(failure)
  }
}
