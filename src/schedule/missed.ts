import type { Policy } from '../core/schedule.ts'
import type { Instants } from './timetables.ts'
import { endOfWindow } from './window.ts'

/** Instants that passed without firing, in a row. */
export interface Missed {
  readonly from: Date
  readonly until: Date
  readonly count: number
  /** There were more: counting was given up. */
  readonly more: boolean
  readonly reason: string
}

export interface CaughtUp {
  /** Oldest first. */
  readonly chosen: readonly Date[]
  readonly missed: Missed | undefined
}

/** How many missed instants may run, and how many are counted one by one. */
export const mostCaughtUp = 100
const mostCounted = 1_000

const hour = 3_600_000
const day = 24 * hour

/**
 * Chooses from the missed instants `first` to `last`, both included, those that run all the same. Looks at so many and no
 * more, however long nobody has fired.
 */
export function caughtUp(
  { catchUp, catchUpWindow, window }: Pick<Policy, 'catchUp' | 'catchUpWindow' | 'window'>,
  table: Instants,
  first: Date,
  last: Date,
  now: Date,
): CaughtUp {
  const most = catchUp === 'none' ? 0 : catchUp === 'last' ? 1 : mostCaughtUp
  const oldest = catchUpWindow ?? windowOf(table, last)
  const ageOf = (nominal: Date): number => now.getTime() - endOfWindow(nominal, window, table).getTime()
  const chosen: Date[] = []
  let at: Date | undefined = last
  while (at && at >= first && chosen.length < most && ageOf(at) <= oldest) {
    chosen.unshift(at)
    at = table.previous(at)
  }
  if (!at || at < first) return { chosen, missed: undefined }
  const reason =
    catchUp === 'none'
      ? 'no process fired in time'
      : chosen.length < most
        ? 'older than the window'
        : 'more than are caught up'
  return { chosen, missed: { ...counted(table, first, at), from: first, until: at, reason } }
}

/** An hour for what fires more often than hourly, else a day. */
function windowOf(table: Instants, at: Date): number {
  const next = table.next(at) ?? at
  const before = table.previous(at) ?? at
  const gap = next > at ? next.getTime() - at.getTime() : at.getTime() - before.getTime()
  return gap > 0 && gap < hour ? hour : day
}

function counted(table: Instants, first: Date, last: Date): { count: number; more: boolean } {
  let count = 1
  for (let at = table.previous(last); at && at >= first; at = table.previous(at)) {
    if (count === mostCounted) return { count, more: true }
    count++
  }
  return { count, more: false }
}
