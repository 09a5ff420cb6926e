import { decode, encode, type Schema } from '../core/codec.ts'
import { type History, valueOf } from './history.ts'
import type { Rest } from './rest.ts'
import { checkpointName } from './undo.ts'

/** How far a job without steps has come: only the last word is kept, and written over the one before. */
export class Checkpoints {
  readonly #history: History
  readonly #rest: Rest
  readonly #schema: Schema | undefined
  /** Waits for the write before it; what is told meanwhile takes its place. */
  #next: { output: string | null; written: Promise<void> } | undefined
  #written: Promise<void> = Promise.resolve()

  constructor(history: History, rest: Rest, schema: Schema | undefined) {
    this.#history = history
    this.#rest = rest
    this.#schema = schema
  }

  save(state: unknown): Promise<void> {
    return this.#rest.during(async () => {
      const output = await encode(this.#schema, state, this.#what())
      await this.#history.entries()
      if (this.#rest.closed) return this.#rest.forever()
      if (this.#history.verdict) return // the handler goes on to the steps that have to be undone
      await this.#write(output)
    })
  }

  last(): Promise<unknown> {
    return this.#rest.during(async () => {
      const memo = (await this.#history.entries()).get(checkpointName)
      if (!memo) return undefined
      return decode(this.#schema, valueOf(memo.output), this.#what())
    })
  }

  #write(output: string | null): Promise<void> {
    if (this.#next) {
      this.#next.output = output
      return this.#next.written
    }
    const next = { output, written: this.#written.then(() => this.#save()) }
    this.#next = next
    this.#written = next.written.catch(() => undefined) // whoever asked for it hears of it
    return next.written
  }

  async #save(): Promise<void> {
    const output = this.#next?.output ?? null
    this.#next = undefined
    const rest = { attempt: 0, undoable: false, delay: undefined, error: undefined }
    await this.#history.save({ ...rest, name: checkpointName, kind: 'step', place: 0, state: 'begun', output })
  }

  #what() {
    return { code: 'LW_OUTPUT_INVALID', label: `Checkpoint of job "${this.#history.attempt.job.name}"` } as const
  }
}
