import { timetable, type Timetable } from '../core/calendar/timetable.ts'
import { milliseconds } from '../core/duration.ts'
import type { TimetableSpec } from '../core/schedule.ts'

/** The timetable of a schedule; the id is the seed of what is spread by chance. */
export function timetableOf(spec: TimetableSpec, _id: string): Timetable {
  if (spec.every !== undefined) {
    const every = milliseconds(spec.every, 'every')
    return {
      next: (after) => new Date((Math.floor(after.getTime() / every) + 1) * every),
      previous: (before) => new Date((Math.ceil(before.getTime() / every) - 1) * every),
    }
  }
  const { cron, dialect, timezone, dst } = spec
  return timetable({
    cron: cron as string,
    ...(dialect && { dialect }),
    ...(timezone && { timezone }),
    ...(dst && { dst }),
  })
}
