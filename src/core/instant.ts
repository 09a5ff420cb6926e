import { optionError } from './errors.ts'

/** An instant that was given as an option. @throws LW_OPTION_INVALID naming `option` */
export function instant(value: unknown, option: string): Date | undefined {
  if (value === undefined) return undefined
  if (!(value instanceof Date) || Number.isNaN(value.getTime())) throw optionError(option, 'a valid Date', value)
  return value
}
