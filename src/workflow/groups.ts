import { isUnreachable, LegworkError, type SerializedError, serializeError } from '../core/errors.ts'
import { controlOf } from '../core/outcome.ts'
import type { StepEntry } from '../store/queries/steps.ts'
import type { History } from './history.ts'
import type { Rest } from './rest.ts'
import { Scope } from './scope.ts'
import { failedBefore, type Steps } from './steps.ts'
import { undoable } from './undo.ts'
import type { Undoing } from './undoing.ts'

/**
 * Groups of steps: when the function of one throws, its steps are undone, then the error goes on to the handler. A group
 * is written down when it fails: first that it is being undone and why, then that it was. One that succeeds leaves nothing.
 */
export class Groups {
  readonly #history: History
  readonly #rest: Rest
  readonly #steps: Steps
  readonly #undoing: Undoing

  constructor(history: History, rest: Rest, steps: Steps, undoing: Undoing) {
    this.#history = history
    this.#rest = rest
    this.#steps = steps
    this.#undoing = undoing
  }

  async group<R>(name: string, work: () => R | Promise<R>): Promise<R> {
    const memo = await this.#rest.during(async () => {
      const found = await this.#history.recall(name, 'group')
      if (found?.state === 'failed') throw failedBefore(found)
      return found
    })
    const scope = new Scope(this.#history, name)
    if (memo) return this.#resume(memo, scope, work)
    try {
      return await scope.run(work)
    } catch (error) {
      if (this.#isInterruption(error)) throw error
      return this.#fail(name, scope, serializeError(error))
    }
  }

  /** The attempt ends, or has to begin again: that says nothing of the group. */
  #isInterruption(error: unknown): boolean {
    if (this.#history.attempt.reason() || isUnreachable(error)) return true
    if (error instanceof LegworkError) return error.code === 'LW_LEASE_LOST' || error.code === 'LW_STEP_DRIFT'
    const control = controlOf(error)
    return control !== undefined && control.kind !== 'abort'
  }

  async #fail(name: string, scope: Scope, error: SerializedError): Promise<never> {
    const entry = await this.#rest.during(async () => {
      if (this.#history.verdict || this.#rest.closed) return this.#rest.forever<StepEntry>() // undone with what is around it
      scope.end()
      this.#rest.dropOver()
      const begun: StepEntry = { ...this.#history.begin(name, 'group'), attempt: 1, error }
      await this.#history.save(begun)
      await this.#steps.stop(scope)
      return begun
    })
    return this.#unwind(entry, scope)
  }

  /** An earlier attempt has begun to undo it: the function is run for the undos, and nothing in it begins anew. */
  async #resume(entry: StepEntry, scope: Scope, work: () => unknown): Promise<never> {
    const stuck = new Promise<void>((resolve) => scope.replay(resolve))
    await Promise.race([Promise.allSettled([scope.run(work)]), stuck])
    if (this.#history.verdict || this.#rest.closed) return this.#rest.during(() => this.#rest.forever())
    scope.end()
    return this.#unwind(entry, scope)
  }

  /**
   * The last that was begun goes first. One that cannot be undone ends the job: nobody could go on from there. Each counts as
   * under way by itself, so that the job is parked while one waits for its next try.
   */
  async #unwind(entry: StepEntry, scope: Scope): Promise<never> {
    const seen = new Set<string>()
    const failures: SerializedError[] = []
    for (;;) {
      const steps = undoable(await this.#history.entries()) // looked at anew: one may have been on its way into the journal
      const next = steps.find(({ name }) => scope.holds(name) && !seen.has(name))
      if (!next) break
      seen.add(next.name)
      const failure = await this.#undoing.undo(this.#rest, next, entry.error)
      if (failure) failures.push(failure)
    }
    const failed: StepEntry = { ...entry, state: 'failed' }
    return this.#rest.during(async () => {
      if (failures.length > 0) {
        this.#history.attempt.end({ kind: 'dead', reason: 'step_failed', error: serializeError(failedBefore(failed)) })
        return this.#rest.forever()
      }
      await this.#history.save(failed)
      throw failedBefore(failed)
    })
  }
}
