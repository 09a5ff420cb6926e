import { optionError } from './errors.ts'

const units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const

/** Milliseconds, or a number with a unit: `'250ms'`, `'1.5s'`, `'5m'`, `'2h'`, `'7d'`, `'1w'`. */
export type Duration = number | `${number}${keyof typeof units}`

/** PostgreSQL's timestamps and setTimeout both stay exact far below this: 100 years. */
const longest = 100 * 365 * units.d

/**
 * A duration in milliseconds.
 * @throws LW_OPTION_INVALID naming `option` when the value is not a duration, negative or longer than 100 years.
 */
export function milliseconds(duration: Duration, option: string): number {
  const ms = typeof duration === 'number' ? duration : parse(duration)
  if (ms === undefined || !Number.isFinite(ms) || ms < 0 || ms > longest) {
    throw optionError(option, "a duration: milliseconds, or text like '500ms', '30s', '5m', '2h', '7d'", duration)
  }
  return Math.round(ms)
}

/** The same, and longer than nothing. @throws LW_OPTION_INVALID */
export function positive(duration: Duration, option: string): number {
  const ms = milliseconds(duration, option)
  if (ms === 0) throw optionError(option, 'longer than nothing', duration)
  return ms
}

function parse(text: unknown): number | undefined {
  const match = typeof text === 'string' ? /^(\d+(?:\.\d+)?)(ms|s|m|h|d|w)$/.exec(text.trim()) : null
  return match ? Number(match[1]) * units[match[2] as keyof typeof units] : undefined
}
