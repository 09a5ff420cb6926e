import { LegworkError } from '../../core/errors.ts'

/** An object of a JSON text of others: nothing is known about it. */
export type Facts = Readonly<Record<string, unknown>>

/** @throws LW_OPTION_INVALID for text that is not JSON, saying where */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new LegworkError(
      'LW_OPTION_INVALID',
      `The file is not JSON: ${error instanceof Error ? error.message : ''}.`,
      {
        hint: 'Give the file as its system wrote it.',
        cause: error,
      },
    )
  }
}

export function isFacts(value: unknown): value is Facts {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The objects of a list, of something that is one object, or of the first of these keys that there is. */
export function objectsIn(value: unknown, ...keys: readonly string[]): Facts[] {
  if (Array.isArray(value)) return value.filter(isFacts)
  if (!isFacts(value)) return []
  const key = keys.find((name) => Array.isArray(value[name]))
  return key === undefined ? [value] : objectsIn(value[key])
}

/** Text that is there and not empty; numbers as text. */
export function textAt(facts: Facts, ...keys: readonly string[]): string | undefined {
  const value = keys.map((key) => facts[key]).find((each) => each !== undefined && each !== null && each !== '')
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined
}

export function numberAt(facts: Facts, ...keys: readonly string[]): number | undefined {
  const value = Number(textAt(facts, ...keys) ?? Number.NaN)
  return Number.isNaN(value) ? undefined : value
}

export function factsAt(facts: Facts, ...keys: readonly string[]): Facts | undefined {
  return keys.map((key) => facts[key]).find(isFacts)
}

/** JSON in a text, or the text itself. */
export function parsed(text: unknown): unknown {
  if (typeof text !== 'string') return text
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** Milliseconds of an ISO 8601 duration such as PT30S or P1DT2H, or of .NET's `00:00:30`. */
export function isoDuration(text: string): number | undefined {
  const [match, days, hours, minutes, seconds] =
    /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/.exec(text) ??
    /^(?:(\d+)\.)?(\d\d):(\d\d):(\d\d(?:\.\d+)?)$/.exec(text) ??
    []
  if (match === undefined) return undefined
  return (
    ((Number(days ?? 0) * 24 + Number(hours ?? 0)) * 60 + Number(minutes ?? 0)) * 60_000 + Number(seconds ?? 0) * 1_000
  )
}
