import type { Policy } from '../core/schedule.ts'
import { dueAt, roomAfter, share } from './jitter.ts'
import type { Instants } from './timetables.ts'

/** When a nominal instant fires. */
export interface Moment {
  readonly due: Date
  /** Of a window: moments at which it may as well fire, `due` among them. Who knows what else is due takes one. */
  readonly choices?: Choices
}

export interface Choices {
  readonly moments: readonly Date[]
  /**
   * Time is compared in parts of so many milliseconds, counted from the epoch, so that all windows have the same parts.
   * What lies around a moment would not do: choosing by overlapping surroundings makes crowds with gaps between them.
   */
  readonly part: number
}

/**
 * Of 1,000 schedules in a window of 60 parts the fullest part gets 27 with one moment, 19 with two, 18 with three to five.
 * Where half of a window is crowded, an eighth of three cannot avoid it.
 */
const most = 3

const second = 1_000
const minute = 60 * second

/** Parts that hours and minutes can be divided in, so that none is cut by the end of a usual window. */
const parts = [
  ...[1, 2, 5, 10, 15, 30].map((length) => length * second),
  ...[1, 2, 5, 10, 15, 30].map((length) => length * minute),
]

/**
 * When an instant that is the next one now fires: by its jitter, or at one of a few moments in what is left of its window,
 * the same in every process.
 */
export function momentOf(id: string, nominal: Date, policy: Policy, table: Instants, now: Date): Moment {
  const { jitter, window } = policy
  if (window === undefined) return { due: dueAt(id, nominal, jitter, table) }
  const end = endOfWindow(nominal, window, table).getTime()
  const begin = Math.min(Math.max(nominal.getTime(), now.getTime() + 1), end)
  const moment = (n: number): Date =>
    new Date(begin + Math.floor(share(`${id}@${nominal.getTime()}#${n}`) * (end - begin)))
  const due = moment(0)
  if (begin === end) return { due }
  const others = Array.from({ length: most - 1 }, (_, n) => moment(n + 1))
  return { due, choices: { moments: [due, ...others], part: parts.findLast((part) => part * 60 <= window) ?? second } }
}

/** The last moment at which an instant is in its time. Without a window that is when it is due. */
export function lastMoment(id: string, nominal: Date, { jitter, window }: Policy, table: Instants): Date {
  return window === undefined ? dueAt(id, nominal, jitter, table) : endOfWindow(nominal, window, table)
}

/** From when on it counts how late an instant is. */
export function endOfWindow(nominal: Date, window: number | undefined, table: Instants): Date {
  return window === undefined ? nominal : new Date(nominal.getTime() + roomAfter(nominal, window, table))
}
