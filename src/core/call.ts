import type { Duration } from './duration.ts'
import type { SerializedError } from './errors.ts'
import type { Overrides } from './overrides.ts'
import type { Priority } from './priority.ts'
import type { FinalState } from './states.ts'

/** As much of a definition as types need to flow from it: what goes in and what comes out. */
export interface Callable<In, Result> {
  readonly name: string
  readonly key: ((input: In) => string | undefined) | undefined
  readonly '~result'?: Result
}

/** A job with its input, to be carried out later by whoever it is given to. Made by `definition.with(input)`. */
export interface JobCall {
  readonly job: { readonly name: string }
  readonly input: unknown
}

export interface RunOptions extends Overrides {
  /** The name of this step; needed where the same child is run for several things. Default: `run <job>`. */
  readonly name?: string | readonly [name: string, key: string | number]
  /** The child goes on when this job fails or is cancelled. Default: it is cancelled too. */
  readonly detach?: boolean
  readonly delay?: Duration
  readonly priority?: Priority
  readonly key?: string
  readonly queue?: string
  readonly tags?: readonly string[]
  readonly headers?: Readonly<Record<string, string>>
}

export interface RunAllOptions extends RunOptions {
  /** How many of the children may be unfinished at once. Default: all. */
  readonly concurrency?: number
  /** Returns what became of each child instead of failing when one has failed. */
  readonly settle?: boolean
}

/** What became of a child. */
export type Settled<Result> =
  | { readonly id: string; readonly state: 'completed'; readonly output: Result }
  | {
      readonly id: string
      readonly state: Exclude<FinalState, 'completed'>
      readonly reason: string | undefined
      readonly error: SerializedError | undefined
    }

/** Runs other jobs as steps of a durable one. */
export interface RunChild {
  /**
   * Runs another job and returns its output. Begun once, whatever happens to this one meanwhile, which holds no worker as
   * long as it waits. When the child ends otherwise than completed, a StepError says how.
   * @example const invoice = await run(makeInvoice, { orderId })
   */
  <In, Result>(
    job: Callable<In, Result>,
    ...rest: undefined extends In
      ? [input?: NoInfer<In>, options?: RunOptions]
      : [input: NoInfer<In>, options?: RunOptions]
  ): Promise<Result>
}

/** Runs a job for each of many inputs, all as children, and returns their outputs in the order of the inputs. */
export interface RunAll {
  <In, Result>(
    job: Callable<In, Result>,
    inputs: readonly NoInfer<In>[],
    options: RunAllOptions & { readonly settle: true },
  ): Promise<Settled<Result>[]>
  <In, Result>(job: Callable<In, Result>, inputs: readonly NoInfer<In>[], options?: RunAllOptions): Promise<Result[]>
}
