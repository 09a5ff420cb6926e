import { optionError } from './errors.ts'

const longestText = 500

/** A key, a tag, or another text that is stored in an index. @throws LW_OPTION_INVALID naming `option` */
export function text(value: unknown, option: string): string | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'string' || value.length === 0 || value.length > longestText || !isStorable(value))
    throw optionError(option, `text of 1 to ${longestText} characters`, value)
  return value
}

function isStorable(value: string): boolean {
  return !value.includes('\0') && value.isWellFormed()
}
