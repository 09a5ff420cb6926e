import { optionError } from './errors.ts'

const names = { urgent: -20, high: -10, normal: 0, low: 10 } as const

/** A name, or a whole number from -100 to 100 where the smaller goes first. */
export type Priority = keyof typeof names | number

/** The number of a priority that is the name of a property: there numbers are text. @throws LW_OPTION_INVALID */
export function priorityNamed(name: string, option: string): number {
  return priorityNumber(/^-?\d+$/.test(name) ? Number(name) : (name as Priority), option)
}

/** The number of a priority. @throws LW_OPTION_INVALID naming `option` */
export function priorityNumber(priority: Priority, option: string): number {
  const number = typeof priority === 'number' ? priority : names[priority]
  if (!Number.isInteger(number) || number < -100 || number > 100) {
    throw optionError(option, "'urgent', 'high', 'normal', 'low' or a whole number from -100 to 100", priority)
  }
  return number
}
