import type { StandardJSONSchemaV1, StandardSchemaV1 } from '@standard-schema/spec'
import { cleanText, type ErrorCode, LegworkError, serializeError, show } from './errors.ts'

/** Any Standard Schema: zod, valibot, arktype, … (standardschema.dev). */
export type Schema = StandardSchemaV1

/** What a value becomes on its way through JSON: dates turn into text, functions disappear. */
export type Wire<T> = T extends { toJSON(): infer J }
  ? Wire<J>
  : T extends string | number | boolean | null
    ? T
    : T extends (...args: never[]) => unknown
      ? never
      : T extends object
        ? { [K in keyof T]: Wire<T[K]> }
        : T

/**
 * Checks `value` against `schema` and returns the JSON text to store: the value as given, not as transformed,
 * so that parsing it again before the handler applies the transforms once.
 * @throws LW_INPUT_INVALID / LW_OUTPUT_INVALID naming path, rule and value; LW_VALUE_UNSTORABLE naming the path.
 */
export async function encode(schema: Schema | undefined, value: unknown, what: Subject): Promise<string | null> {
  if (schema) {
    const validated = schema['~standard'].validate(value)
    const result = validated instanceof Promise ? await validated : validated
    if (result.issues) throw invalid(what, value, result.issues)
  }
  return toJson(value, what.label)
}

/** Parses a stored value through the schema, so that the handler gets what the schema's output type says. */
export async function decode(schema: Schema | undefined, wire: unknown, what: Subject): Promise<unknown> {
  if (!schema) return wire
  const validated = schema['~standard'].validate(wire)
  const result = validated instanceof Promise ? await validated : validated
  if (result.issues) throw invalid(what, wire, result.issues)
  return result.value
}

/** What is being checked, for the error text. */
export interface Subject {
  readonly code: Extract<ErrorCode, 'LW_INPUT_INVALID' | 'LW_OUTPUT_INVALID'>
  /** e.g. `Input of job "photo.thumbnails"` */
  readonly label: string
  /** e.g. `Nothing was enqueued.` */
  readonly hint?: string
}

/** JSON text of a value, or null for undefined. Refuses what JSON would drop or change in silence. */
export function toJson(value: unknown, label: string): string | null {
  if (value === undefined) return null
  const flaw = findFlaw(value, [])
  if (flaw) throw unstorable(label, flaw)
  const json = JSON.stringify(value)
  // jsonb refuses NUL and lone surrogates. The text is searched first: walking every string would cost more.
  if (json.includes('\\u0000') || json.includes('\\ud')) {
    const text = findBadText(JSON.parse(json))
    if (text) throw unstorable(label, text)
  }
  return json
}

/** JSON text of what a log line carries. A line about a problem must not become one: what JSON cannot hold is described. */
export function toLogJson(data: unknown): string | null {
  if (data instanceof Error) return JSON.stringify(serializeError(data))
  try {
    return toJson(data, 'Log data')
  } catch {
    return JSON.stringify(cleanText(show(data)))
  }
}

/** JSON Schemas of a Standard Schema where its library offers them (standardschema.dev/json-schema), else undefined. */
export function jsonSchemaOf(
  schema: Schema | undefined,
  side: 'input' | 'output',
): Record<string, unknown> | undefined {
  const standard = schema?.['~standard'] as Partial<StandardJSONSchemaV1['~standard']> | undefined
  if (!standard?.jsonSchema) return undefined
  try {
    return standard.jsonSchema[side]({ target: 'draft-2020-12' })
  } catch {
    return undefined // the library says so when a schema (a transform, a custom check) has no JSON Schema form
  }
}

interface Flaw {
  /** Where in the value, from the outside in. */
  readonly path: PropertyKey[]
  readonly problem: string
}

function invalid(what: Subject, value: unknown, issues: readonly StandardSchemaV1.Issue[]): LegworkError {
  const listed = issues.map((issue) => {
    const keys = (issue.path ?? []).map((part) => (typeof part === 'object' ? part.key : part))
    const received = keys.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], value)
    return { path: pathText(keys), rule: issue.message, received: show(received) }
  })
  const lines = listed.slice(0, 5).map(({ path, rule, received }) => `${path}: ${rule} (got ${received})`)
  const more = listed.length > 5 ? ` and ${listed.length - 5} more` : ''
  return new LegworkError(what.code, `${what.label} is invalid: ${lines.join('; ')}${more}.`, {
    ...(what.hint !== undefined && { hint: what.hint }),
    details: { issues: listed },
  })
}

function unstorable(label: string, flaw: Flaw): LegworkError {
  const path = pathText(flaw.path)
  return new LegworkError('LW_VALUE_UNSTORABLE', `${label} cannot be stored: ${path} is ${flaw.problem}.`, {
    hint: 'Pass plain JSON data; dates may stay Date objects.',
    details: { path, problem: flaw.problem },
  })
}

function findFlaw(value: unknown, above: object[]): Flaw | undefined {
  switch (typeof value) {
    case 'function':
    case 'symbol':
      return { path: [], problem: `a ${typeof value}` }
    case 'bigint':
      return { path: [], problem: 'a bigint (pass it as text)' }
    case 'number':
      return Number.isFinite(value) ? undefined : { path: [], problem: String(value) }
    case 'object':
      return value === null ? undefined : findFlawInside(value, above)
    default:
      return undefined
  }
}

/** JSON would write them as `{}`. */
const opaque = [Map, Set, WeakMap, WeakSet, ArrayBuffer, SharedArrayBuffer, Promise, RegExp, Error]

function findFlawInside(value: object, above: object[]): Flaw | undefined {
  if (above.includes(value)) return { path: [], problem: 'part of a cycle' }
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? { path: [], problem: 'an invalid Date' } : undefined
  above.push(value)
  const flaw =
    'toJSON' in value && typeof value.toJSON === 'function'
      ? findFlaw(value.toJSON(), above)
      : findFlawBelow(value, above)
  above.pop()
  return flaw
}

function findFlawBelow(value: object, above: object[]): Flaw | undefined {
  if (Array.isArray(value)) return findFlawInList(value, above)
  if (
    Object.getPrototypeOf(value) !== Object.prototype &&
    (ArrayBuffer.isView(value) || opaque.some((kind) => value instanceof kind))
  ) {
    return { path: [], problem: `a ${value.constructor.name}` }
  }
  for (const [key, child] of Object.entries(value)) {
    const flaw = findFlaw(child, above)
    if (flaw) return within(key, flaw)
  }
  return undefined
}

/** Gaps count as undefined: JSON would fill both with null. */
function findFlawInList(list: readonly unknown[], above: object[]): Flaw | undefined {
  for (const [place, child] of list.entries()) {
    const flaw = child === undefined ? { path: [], problem: 'undefined' } : findFlaw(child, above)
    if (flaw) return within(place, flaw)
  }
  return undefined
}

function findBadText(value: unknown): Flaw | undefined {
  if (typeof value === 'string') {
    if (value.includes('\0')) return { path: [], problem: 'text with a NUL character, which PostgreSQL cannot store' }
    return value.isWellFormed() ? undefined : { path: [], problem: 'text with half of a surrogate pair' }
  }
  if (typeof value !== 'object' || value === null) return undefined
  for (const [key, child] of Array.isArray(value) ? value.entries() : Object.entries(value)) {
    const flaw = findBadText(key) ?? findBadText(child)
    if (flaw) return within(key, flaw)
  }
  return undefined
}

function within(key: PropertyKey, flaw: Flaw): Flaw {
  flaw.path.unshift(key)
  return flaw
}

function pathText(keys: readonly PropertyKey[]): string {
  return keys.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`
    return /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(String(key))
      ? `${text}.${String(key)}`
      : `${text}[${JSON.stringify(String(key))}]`
  }, '$')
}
