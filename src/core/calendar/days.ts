/** One way to say which days of a month are meant. Weekdays are 0 for Sunday to 6. */
export type DayPart =
  | { readonly kind: 'days'; readonly days: readonly number[] }
  /** So many days before the last one, perhaps moved to the nearest day from Monday to Friday. */
  | { readonly kind: 'last'; readonly before: number; readonly isWorkday: boolean }
  /** The day from Monday to Friday that is nearest to a day, in the same month. */
  | { readonly kind: 'nearest'; readonly day: number }
  | { readonly kind: 'weekdays'; readonly weekdays: readonly number[] }
  /** The nth of a weekday in the month; -1 is the last one. */
  | { readonly kind: 'nth'; readonly weekday: number; readonly n: number }

/** Which days of a month: bit 0 is the first of the month. */
export function daysOf(parts: readonly DayPart[], year: number, month: number): number {
  const length = monthLength(year, month)
  const first = new Date(Date.UTC(year, month - 1, 1)).getUTCDay()
  return parts.reduce((mask, part) => mask | maskOf(part, length, first), 0)
}

export function monthLength(year: number, month: number): number {
  return new Date(Date.UTC(year, month, 0)).getUTCDate()
}

function maskOf(part: DayPart, length: number, first: number): number {
  switch (part.kind) {
    case 'days':
      return bits(part.days.filter((day) => day <= length))
    case 'last': {
      const day = length - part.before
      return day < 1 ? 0 : bits([part.isWorkday ? workdayNear(day, length, first) : day])
    }
    case 'nearest':
      return part.day > length ? 0 : bits([workdayNear(part.day, length, first)])
    case 'weekdays':
      return bits(part.weekdays.flatMap((weekday) => all(weekday, length, first)))
    case 'nth':
      return bits(all(part.weekday, length, first).slice(...(part.n < 0 ? [part.n] : [part.n - 1, part.n])))
  }
}

function all(weekday: number, length: number, first: number): number[] {
  const start = 1 + ((weekday - first + 7) % 7)
  return Array.from({ length: Math.floor((length - start) / 7) + 1 }, (_, week) => start + 7 * week)
}

function workdayNear(day: number, length: number, first: number): number {
  const weekday = (first + day - 1) % 7
  if (weekday === 6) return day === 1 ? 3 : day - 1
  if (weekday === 0) return day === length ? day - 2 : day + 1
  return day
}

function bits(days: readonly number[]): number {
  return days.reduce((mask, day) => mask | (1 << (day - 1)), 0)
}
