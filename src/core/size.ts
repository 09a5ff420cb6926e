import { optionError } from './errors.ts'

const units = { kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 } as const

/** Bytes, or a number with a unit: `'256mb'`. */
export type Size = number | `${number}${keyof typeof units}`

/** A size in bytes. @throws LW_OPTION_INVALID naming `option` */
export function parseSize(size: Size, option: string): number {
  const match = typeof size === 'string' ? /^(\d+(?:\.\d+)?)(kb|mb|gb)$/.exec(size) : null
  const bytes = match ? Number(match[1]) * units[match[2] as keyof typeof units] : Number(size)
  if (!Number.isFinite(bytes) || bytes <= 0) throw optionError(option, "a size: bytes, or text like '256mb'", size)
  return Math.round(bytes)
}
