import { ClockRule } from './calendar/clock-rule.ts'
import { ListRule } from './calendar/rule.ts'
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

/** An instant as text, with `Z` or an offset: `2026-11-28T02:00Z`. @throws LW_OPTION_INVALID naming `option` */
export function instantOfText(text: string, option: string): Date {
  const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)$/.test(text)
    ? Date.parse(text)
    : Number.NaN
  if (Number.isNaN(time)) throw optionError(option, 'an instant with Z or an offset, such as 2026-11-28T02:00Z', text)
  return new Date(time)
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
  const zone = Zone.named(timezone)
  const [first, second = first] = instantsOf(wall, zone)
  if (disambiguation === 'reject' && (first === undefined || first !== second))
    throw optionError(option, `a time that the clocks of ${timezone} show, and show once`, local)
  if (first !== undefined) return new Date((disambiguation === 'later' ? second : first) ?? first)
  const shifted =
    new ClockRule(new ListRule([wall]), zone, { gap: 'shift', overlap: 'first' }).next(wall - farBefore) ?? wall
  // as far before the change as the clocks are put forward
  return new Date(disambiguation === 'earlier' ? shifted - (zone.wallAt(shifted) - wall) : shifted)
}

/** Before any instant at which a clock may show a time. */
const farBefore = 172_800_000

/** None, one or two. */
function instantsOf(wall: number, zone: Zone): number[] {
  const rule = new ClockRule(new ListRule([wall]), zone, { gap: 'skip', overlap: 'both' })
  const first = rule.next(wall - farBefore)
  const second = first === undefined ? undefined : rule.next(first)
  return [first, second].flatMap((at) => at ?? [])
}

function wallOf(local: unknown, option: string): number {
  const isIso = typeof local === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?$/.test(local)
  const wall = isIso ? Date.parse(`${local}Z`) : Number.NaN
  // Date.parse takes the 31st of a month that has 30 days for the first of the next
  if (!isIso || Number.isNaN(wall) || !new Date(wall).toISOString().startsWith(local.slice(0, 10)))
    throw optionError(`${option}.local`, "a date and time without an offset, like '2026-11-01T01:30'", local)
  return wall
}
