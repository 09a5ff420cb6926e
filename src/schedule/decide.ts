import type { Policy } from '../core/schedule.ts'
import { caughtUp, type Missed } from './missed.ts'
import { type Candidate, type Left, overlapped, type Overlapped } from './overlap.ts'
import type { Instants } from './timetables.ts'
import { endOfWindow, lastMoment, type Moment, momentOf } from './window.ts'

/** Milliseconds that a firing may be late and still counts as one in its time. */
const patience = 60_000

/** How a schedule stands when it is looked at. */
export interface Standing {
  readonly id: string
  readonly policy: Policy
  readonly table: Instants
  /** The first nominal instant that nobody has dealt with. */
  readonly nextAt: Date
  /** The moment in its window that was chosen for it. */
  readonly dueAt?: Date | undefined
  /** Unfinished runs. */
  readonly live: readonly string[]
  /** How often it has fired. */
  readonly runs: number
  readonly now: Date
}

export interface Decision extends Overlapped {
  readonly missed: readonly Missed[]
  /** The next nominal instant and when it is due; undefined when there will be none. */
  readonly next: ({ readonly nominal: Date } & Moment) | undefined
  /** The last nominal instant that was dealt with. */
  readonly last: Date | undefined
}

/**
 * What a schedule does now: a function of what it is given and nothing else, so that it does not matter which process asks.
 * Every instant up to now appears in exactly one of the lists, and none after now.
 */
export function decide(standing: Standing): Decision {
  const { id, policy, table, nextAt, live, runs, now } = standing
  const { first, late, inTime } = instantsOf(standing)
  const missed = late && caughtUp(policy, table, first, late, now)
  // one run is enough for 'last': that of an instant that is in time
  const isEnough = policy.catchUp === 'last' && inTime.length > 0
  const chosen = isEnough ? [] : (missed?.chosen ?? [])
  const isInLine = policy.catchUp === 'all' && chosen.length > 0
  const due: Candidate[] = [
    ...chosen.map((nominal) => ({ nominal, isCatchUp: true, isInLine })),
    ...inTime.map((nominal) => ({ nominal, isCatchUp: false, isInLine })),
  ]
  const room = policy.maxRuns === undefined ? Infinity : Math.max(0, policy.maxRuns - runs)
  const { open, expired } = withoutExpired(due, policy, table, now)
  const over = withinRoom(overlapped(policy, live, open), room)
  const last = inTime.at(-1) ?? late
  const isOver = over.runs.length >= room
  return {
    ...over,
    left: [...expired, ...over.left],
    missed: missedOf(missed?.missed, isEnough ? missed?.chosen : [], first),
    next: isOver ? undefined : nextOf(id, policy, table, last ? table.next(last) : nextAt, now),
    last,
  }
}

/** Where a timetable goes on. */
function nextOf(id: string, policy: Policy, table: Instants, nominal: Date | undefined, now: Date): Decision['next'] {
  return nominal && { nominal, ...momentOf(id, nominal, policy, table, now) }
}

/** Those that are due: the last one that is late, and those in time. Earlier late ones lie between `first` and `late`. */
function instantsOf({ id, policy, table, nextAt, dueAt, now }: Standing): {
  first: Date
  late: Date | undefined
  inTime: readonly Date[]
} {
  const edge = new Date(now.getTime() - patience)
  // what lies before this one is due before the edge, since no instant is put off beyond the next one
  const before = table.previous(edge)
  let at: Date | undefined = before && before > nextAt ? before : nextAt
  let late = at > nextAt ? table.previous(at) : undefined
  const inTime: Date[] = []
  for (; at; at = table.next(at)) {
    const last = lastMoment(id, at, policy, table)
    // for those after the first no moment was chosen: what is left of a window is for that
    const due = policy.window === undefined || at > nextAt ? last : (dueAt ?? last)
    if (due > now) break
    if (last < edge) late = at
    else inTime.push(at)
  }
  return { first: nextAt, late, inTime }
}

function withoutExpired(
  due: readonly Candidate[],
  { startDeadline, window }: Policy,
  table: Instants,
  now: Date,
): { open: readonly Candidate[]; expired: readonly Left[] } {
  if (startDeadline === undefined) return { open: due, expired: [] }
  const isOpen = ({ nominal }: Candidate): boolean =>
    now.getTime() <= endOfWindow(nominal, window, table).getTime() + startDeadline
  const expired = due.filter((one) => !isOpen(one))
  return {
    open: due.filter(isOpen),
    expired: expired.map(({ nominal }) => ({ nominal, reason: 'its start deadline has passed' })),
  }
}

/** Beyond the last run that is allowed nothing is fired. */
function withinRoom(over: Overlapped, room: number): Overlapped {
  if (over.runs.length <= room) return over
  const beyond = over.runs.slice(room).map(({ nominal }) => ({ nominal, reason: 'all runs are used up' }))
  return { ...over, runs: over.runs.slice(0, room), left: [...over.left, ...beyond] }
}

/** An instant that was chosen, and is not needed since a later one is in time, is missed as well. */
function missedOf(missed: Missed | undefined, unneeded: readonly Date[] = [], first: Date): readonly Missed[] {
  const last = unneeded.at(-1)
  if (!last) return missed ? [missed] : []
  const { count = 0, more = false, from = first } = missed ?? {}
  const reason = 'a later instant was in time'
  return [{ from: missed ? from : (unneeded[0] ?? first), until: last, count: count + unneeded.length, more, reason }]
}
