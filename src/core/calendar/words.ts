const monthNames = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
]
const weekdayNames = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']

export const monthName = (month: number): string => monthNames[month - 1] ?? String(month)

/** Sunday is 0. */
export const weekdayName = (weekday: number): string => weekdayNames[weekday % 7] ?? String(weekday)

export const two = (value: number): string => String(value).padStart(2, '0')

/** `a`, `a and b`, `a, b and c`. */
export function listed(items: readonly string[], last = 'and'): string {
  return items.length < 2 ? (items[0] ?? '') : `${items.slice(0, -1).join(', ')} ${last} ${items.at(-1)}`
}

/** Values in order as a list, with three and more in a row as `a to c`. */
export function ranged(values: readonly number[], show: (value: number) => string): string {
  const runs: number[][] = []
  for (const value of values) {
    const run = runs.at(-1)
    if (run && run.at(-1) === value - 1) run.push(value)
    else runs.push([value])
  }
  return listed(
    runs.flatMap((run) => (run.length < 3 ? run.map(show) : [`${show(run[0] ?? 0)} to ${show(run.at(-1) ?? 0)}`])),
  )
}

/** 1st, 2nd, 3rd, 4th, 11th, 21st. */
export function ordinal(n: number): string {
  const isTeen = n % 100 > 10 && n % 100 < 14
  return `${n}${(isTeen ? undefined : ['th', 'st', 'nd', 'rd'][n % 10]) ?? 'th'}`
}

/** 5 minutes, 1 hour; in the largest unit that fits. */
export function length(ms: number): string {
  const units = [
    ['week', 604_800_000],
    ['day', 86_400_000],
    ['hour', 3_600_000],
    ['minute', 60_000],
    ['second', 1_000],
  ] as const
  const [unit, size] = units.find(([, candidate]) => ms % candidate === 0) ?? ['millisecond', 1]
  return counted(ms / size, unit)
}

export function counted(n: number, unit: string): string {
  return `${n} ${unit}${n === 1 ? '' : 's'}`
}

/** every day, every 2 days. */
export function everyOf(n: number, unit: string): string {
  return n === 1 ? `every ${unit}` : `every ${n} ${unit}s`
}
