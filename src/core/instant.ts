import { Zone } from './calendar/zone.ts'
import { optionError } from './errors.ts'

/** A time as the clocks of a zone show it. */
export interface WallTime {
  /** ISO without an offset: `'2026-11-01T01:30'`, with seconds if you like. */
  readonly local: string
  /** A zone of the IANA database. */
  readonly timezone: string
  /**
   * Of a time that the clocks show twice: the `'earlier'` or `'later'` instant. Of one that they skip: as far before, or
   * after, the change as the time is into the gap. `'reject'` both. Default `'compatible'`: earlier of two, after a gap.
   */
  readonly disambiguation?: 'compatible' | 'earlier' | 'later' | 'reject'
}

/** An instant that was given as an option. @throws LW_OPTION_INVALID naming `option` */
export function instant(value: unknown, option: string): Date | undefined {
  if (value === undefined) return undefined
  if (!(value instanceof Date) || Number.isNaN(value.getTime())) throw optionError(option, 'a valid Date', value)
  return value
}

/** An instant, or a time on the clocks of a zone. @throws LW_OPTION_INVALID naming `option` */
export function instantOrWall(value: unknown, option: string): Date | undefined {
  if (typeof value !== 'object' || value === null || !('local' in value)) return instant(value, option)
  const { local, timezone, disambiguation = 'compatible' } = value as Partial<WallTime>
  if (typeof timezone !== 'string') throw optionError(`${option}.timezone`, 'a zone of the IANA database', timezone)
  if (!['compatible', 'earlier', 'later', 'reject'].includes(disambiguation))
    throw optionError(`${option}.disambiguation`, "'compatible', 'earlier', 'later' or 'reject'", disambiguation)
  const wall = wallOf(local, option)
  const zone = new Zone(timezone)
  const found = zone.instantsOf(wall, { gap: 'skip', overlap: 'both' })
  if (found.length === 1) return new Date(found[0] ?? 0)
  if (disambiguation === 'reject')
    throw optionError(
      option,
      `a time that the clocks of ${timezone} show once; they ${found.length > 1 ? 'show this one twice' : 'skip this one'}`,
      local,
    )
  const isLater = disambiguation === 'later' || (disambiguation === 'compatible' && found.length === 0)
  if (found.length > 1) return new Date((isLater ? found.at(-1) : found[0]) ?? 0)
  const [shifted = wall] = zone.instantsOf(wall, { gap: 'shift', overlap: 'first' })
  return new Date(isLater ? shifted : shifted - (zone.wallAt(shifted) - wall))
}

function wallOf(local: unknown, option: string): number {
  const isIso = typeof local === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?$/.test(local)
  const wall = isIso ? Date.parse(`${local}Z`) : Number.NaN
  // Date.parse takes the 31st of a month that has 30 days for the first of the next
  if (!isIso || Number.isNaN(wall) || !new Date(wall).toISOString().startsWith(local.slice(0, 10)))
    throw optionError(`${option}.local`, "a date and time without an offset, like '2026-11-01T01:30'", local)
  return wall
}
