import type { Policy } from '../../src/core/schedule.ts'
import { decide, type Decision, type Standing } from '../../src/schedule/decide.ts'
import type { Instants } from '../../src/schedule/timetables.ts'

export const minute = 60_000
export const hour = 60 * minute
export const defaults: Policy = { overlap: 'skip', overlapScope: 'schedule', bufferLimit: 100, catchUp: 'last' }
export const noon: Date = new Date('2026-06-01T12:00:00Z')
export const later = (ms: number): Date => new Date(noon.getTime() + ms)

/** Every so many milliseconds since the epoch. */
export function everyMs(every: number): Instants {
  return {
    next: (after) => new Date((Math.floor(after.getTime() / every) + 1) * every),
    previous: (before) => new Date((Math.ceil(before.getTime() / every) - 1) * every),
  }
}

/** What an hourly schedule does at noon, its next instant, unless `rest` says otherwise. */
export function decided(policy: Partial<Policy>, rest: Partial<Standing> = {}): Decision {
  const standing = { id: 'a', table: everyMs(hour), nextAt: noon, live: [], runs: 0, now: noon, ...rest }
  return decide({ ...standing, policy: { ...defaults, ...policy } })
}

/** Hours after noon, with `~` for one that is caught up and `<` before what it waits for. */
export function inShort({ runs }: Decision): string[] {
  return runs.map(({ nominal, isCatchUp, after }) => {
    const at = `${isCatchUp ? '~' : ''}${(nominal.getTime() - noon.getTime()) / hour}`
    return after.length > 0 ? `${after.join('+')}<${at}` : at
  })
}
