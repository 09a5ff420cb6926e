/** How a firing came about. */
export type FiringKind = 'scheduled' | 'catchUp' | 'backfill' | 'manual'

/** An instant at which a schedule fires, for a function that makes the input. */
export interface Firing {
  /** The id of the schedule. */
  readonly id: string
  /** The instant of the rule, however late the job runs. */
  readonly nominal: Date
  /** The instant of the rule before it; undefined for the first one. */
  readonly previous: Date | undefined
  /** The time since the previous instant, half open: `from` belongs to it and `to`, the nominal instant, to the next one. */
  readonly interval: { readonly from: Date; readonly to: Date }
  /** Fired later, because no process did in its time. */
  readonly isCatchUp: boolean
  /** Asked for by `lw.schedules.backfill`. */
  readonly isBackfill: boolean
}

/** The last run of a schedule that completed. */
export interface LastSuccess {
  readonly nominal: Date
  /** When it completed. */
  readonly at: Date
  readonly result: unknown
}

/** What a handler learns of the schedule that made its job. */
export interface ScheduleFacts extends Firing {
  /** The last run of this schedule that completed, as of now. Asks the database; a durable job should ask in a step. */
  readonly lastSuccess: () => Promise<LastSuccess | undefined>
}

/** A firing as the options of its job hold it: milliseconds since the epoch. */
export interface StoredFiring {
  readonly id: string
  readonly nominal: number
  readonly previous?: number
  readonly from: number
  readonly kind: FiringKind
}

export function firingOf({ id, nominal, previous, from, kind }: StoredFiring): Firing {
  return {
    id,
    nominal: new Date(nominal),
    previous: previous === undefined ? undefined : new Date(previous),
    interval: { from: new Date(from), to: new Date(nominal) },
    isCatchUp: kind === 'catchUp',
    isBackfill: kind === 'backfill',
  }
}
