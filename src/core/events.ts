import type { FiringKind } from './firing.ts'
import type { DeadReason } from './outcome.ts'
import type { SerializedError } from './errors.ts'

/** A job as the hooks name it. */
export interface JobName {
  readonly id: string
  readonly name: string
  readonly queue: string
}

/** What happens in this process. Hooks are told; they cannot change the outcome, and what they throw is reported as `error`. */
export interface EngineEvents {
  enqueued: { readonly jobs: readonly JobName[] }
  /** A bound had no room for jobs that this process adds. Of those with `tx` only refusals are told. */
  queue_full: {
    readonly queue: string
    readonly bound: string
    /** Of the key or the header that the bound is for. */
    readonly value: string | undefined
    readonly outcome: 'rejected' | 'shed' | 'delayed' | 'coalesced'
    /** Jobs that were refused, shed, put off, or coalesced into one that waits. */
    readonly count: number
    /** Those that were shed or put off, and those that took an input; none where they were refused. */
    readonly jobs: readonly JobName[]
    /** Of a refusal: milliseconds until there is probably room. */
    readonly retryAfter: number | undefined
  }
  started: JobName & { readonly attempt: number }
  completed: JobName & { readonly attempt: number; readonly ms: number }
  retrying: JobName & { readonly attempt: number; readonly delay: number; readonly error: SerializedError }
  snoozed: JobName & { readonly delay: number; readonly reason: string }
  dead: JobName & { readonly attempt: number; readonly reason: DeadReason; readonly error: SerializedError }
  cancelled: JobName & { readonly reason: string }
  /** A step was written: it has begun, is done, has failed for good, or waits to be tried again. */
  step: JobName & {
    readonly step: string
    readonly state: 'begun' | 'done' | 'failed' | 'due'
    /** Tries that failed. */
    readonly attempt: number
    readonly error: SerializedError | undefined
  }
  /** A durable job waits, and holds no place meanwhile. */
  parked: JobName & { readonly delay: number }
  /** A durable job begins again with another input. */
  restarted: JobName & { readonly restarts: number }
  /** It failed or was cancelled, and its steps were undone. */
  compensated: JobName & { readonly reason: string; readonly error: SerializedError | undefined }
  /** Not all of its steps could be undone: a person must look. */
  compensation_failed: JobName & { readonly reason: string; readonly error: SerializedError }
  /** Handed back because this worker is stopping. */
  released: JobName
  /** The outcome was refused: another worker owns the job now. */
  lost: JobName
  progress: JobName & { readonly value: unknown }
  log: JobName & { readonly level: string; readonly message: string; readonly data: unknown }
  /** Jobs of dead workers were given back by this process. */
  rescued: {
    readonly workers: readonly number[]
    readonly returned: number
    readonly poisoned: readonly string[]
    readonly cancelled: readonly string[]
  }
  /** Jobs of this process have opened a breaker, or somebody has in this process by hand (`openFor` is Infinity then). */
  breaker_opened: { readonly breaker: string; readonly reason: string; readonly openFor: number }
  breaker_closed: { readonly breaker: string }
  /** This process leads from now on. */
  leading: { readonly leader: string; readonly token: bigint }
  /** This process leads no more. */
  deposed: { readonly leader: string; readonly reason: string }
  /** This process has fired a schedule: `nominal` is the instant of the rule. */
  fired: { readonly schedule: string; readonly nominal: Date; readonly job: string; readonly kind: FiringKind }
  /** An instant did not fire, because of the schedule's policies. */
  skipped: { readonly schedule: string; readonly nominal: Date; readonly reason: string }
  /** Instants passed without firing, and are not caught up: at least `count` when there are `more`. */
  missed: {
    readonly schedule: string
    readonly from: Date
    readonly until: Date
    readonly count: number
    readonly more: boolean
    readonly reason: string
  }
  /** A schedule was paused: by this engine when `by` is `'legwork'`, since its runs fail or it cannot be fired. */
  schedule_paused: { readonly schedule: string; readonly reason: string; readonly by: string }
  /** The next instant of a schedule is another one, because the time zone data has changed. */
  rescheduled: {
    readonly schedule: string
    readonly was: Date | undefined
    readonly is: Date | undefined
    readonly reason: string
  }
  /** Something in the background went wrong; the engine goes on. */
  error: { readonly during: string; readonly error: unknown }
}

export type EventName = keyof EngineEvents

/** A small typed emitter: a listener that throws stops neither the engine nor the other listeners. */
export class Emitter {
  readonly #listeners = new Map<EventName, Set<(event: never) => void>>()

  on<N extends EventName>(name: N, listener: (event: EngineEvents[N]) => void): () => void {
    const set = this.#listeners.get(name) ?? new Set()
    this.#listeners.set(name, set.add(listener))
    return () => void set.delete(listener)
  }

  /** Whether anybody listens: what nobody hears need not be put together. */
  heard(name: EventName): boolean {
    return (this.#listeners.get(name)?.size ?? 0) > 0
  }

  emit<N extends EventName>(name: N, event: EngineEvents[N]): void {
    for (const listener of this.#listeners.get(name) ?? []) {
      try {
        ;(listener as (event: EngineEvents[N]) => void)(event)
      } catch (error) {
        if (name !== 'error') this.emit('error', { during: `a listener of "${name}"`, error })
      }
    }
  }
}
