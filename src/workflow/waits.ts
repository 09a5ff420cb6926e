import type { Clock } from '../core/clock.ts'
import { decode } from '../core/codec.ts'
import type { WaitOptions } from '../core/durable.ts'
import { milliseconds } from '../core/duration.ts'
import type { Signal } from '../store/queries/signals.ts'
import type { StepEntry } from '../store/queries/steps.ts'
import { type History, valueOf } from './history.ts'
import type { Rest } from './rest.ts'

/** How often a wait looks for its signal while other steps keep the job from being parked, in milliseconds. */
const lookEvery = 1_000

/** Waits of a durable job: for a time, and for a signal. Each is remembered like a step. */
export class Waits {
  readonly #history: History
  readonly #rest: Rest
  readonly #clock: Clock

  constructor(history: History, rest: Rest, clock: Clock) {
    this.#history = history
    this.#rest = rest
    this.#clock = clock
  }

  /** @param until milliseconds from now, or an instant */
  sleep(name: string, until: number | Date): Promise<void> {
    return this.#rest.during(async () => {
      const memo = await this.#history.recall(name, 'sleep')
      if (memo && (memo.delay ?? 0) <= 0) return
      if (this.#history.verdict) return this.#rest.forever()
      const delay = memo?.delay ?? (typeof until === 'number' ? until : until.getTime() - this.#clock.now())
      const entry: StepEntry = memo ?? {
        ...this.#history.begin(name, 'sleep'),
        state: 'due',
        delay: Math.max(0, delay),
      }
      if (!memo) await this.#history.save(entry)
      await this.#rest.wait(delay)
      // Beside others its end has a place in their order; alone, its time tells enough.
      if (!this.#rest.alone) await this.#history.save({ ...entry, state: 'done', delay: undefined })
    })
  }

  signal<T>(name: string, topic: string, { timeout, match = () => true }: WaitOptions<T> = {}): Promise<T | undefined> {
    const limit = timeout === undefined ? Infinity : milliseconds(timeout, 'timeout')
    return this.#rest.during(async () => {
      const memo = await this.#history.recall(name, 'wait')
      if (memo?.state === 'done') return this.#received<T>(topic, memo)
      if (this.#history.verdict) return this.#rest.forever()
      const entry: StepEntry = memo ?? { ...this.#history.begin(name, 'wait'), state: 'due', delay: limit }
      if (!memo && limit < Infinity) await this.#history.save(entry)
      return this.#untilTaken(topic, entry, match)
    })
  }

  async #untilTaken<T>(topic: string, entry: StepEntry, match: (data: T) => boolean): Promise<T | undefined> {
    const until = this.#clock.now() + (entry.delay ?? Infinity)
    for (;;) {
      const taken = await this.#take(topic, entry, match)
      if (taken) return this.#received<T>(topic, taken)
      const left = until - this.#clock.now()
      if (left <= 0) break
      await this.#rest.wait(left, lookEvery)
    }
    await this.#history.save({ ...entry, state: 'done', delay: undefined })
    return undefined
  }

  async #take(topic: string, entry: StepEntry, match: (data: never) => boolean): Promise<StepEntry | undefined> {
    const { journal, attempt } = this.#history
    const signals = await journal.waitingSignals(attempt.job, topic)
    const signal = await this.#firstMatch(topic, signals, match)
    if (!signal) return undefined
    if (!(await journal.take(attempt.job, signal, entry, this.#history.took(entry))))
      return this.#take(topic, entry, match) // a wait beside this one was first
    const taken: StepEntry = { ...entry, state: 'done', output: signal.data ?? 'null', delay: undefined }
    await this.#history.learn(taken)
    return taken
  }

  async #firstMatch(
    topic: string,
    signals: readonly Signal[],
    match: (data: never) => boolean,
  ): Promise<Signal | undefined> {
    for (const signal of signals) if (match((await this.#decoded(topic, signal.data)) as never)) return signal
    return undefined
  }

  async #received<T>(topic: string, { output }: StepEntry): Promise<T | undefined> {
    return output === null ? undefined : ((await this.#decoded(topic, output)) as T)
  }

  #decoded(topic: string, json: string | null): Promise<unknown> {
    const label = `Signal "${topic}" of job ${this.#history.attempt.job.id}`
    return decode(this.#history.attempt.signals[topic], valueOf(json), { code: 'LW_INPUT_INVALID', label })
  }
}
