import { type } from 'arktype'
import fc from 'fast-check'
import * as v from 'valibot'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { decode, encode, jsonSchemaOf, toJson, toLogJson } from '../../src/core/codec.ts'
import { failureOf } from '../support/failure.ts'

const input = { code: 'LW_INPUT_INVALID', label: 'Input of job "x"', hint: 'Nothing was enqueued.' } as const

test('any JSON value comes back as it was', () => {
  // Text with NUL or half a surrogate pair is refused, and -0 is 0 in JSON.
  const json = fc.jsonValue({ stringUnit: fc.constantFrom('a', 'é', '漢', '😀', '"', '\\', '\n', '\u2028', '\\u0000') })
  fc.assert(
    fc.property(json, (value) => {
      const text = toJson(value, 'It')
      expect(JSON.parse(text ?? '')).toEqual(JSON.parse(JSON.stringify(value)))
    }),
    { numRuns: 500 },
  )
})

test('dates and toJSON are written as JSON writes them, undefined fields are left out', () => {
  const value = { at: new Date(0), url: new URL('http://a.b'), gone: undefined, money: { toJSON: () => '5 EUR' } }
  expect(toJson(value, 'It')).toBe('{"at":"1970-01-01T00:00:00.000Z","url":"http://a.b/","money":"5 EUR"}')
  expect(toJson(undefined, 'It')).toBeNull()
  expect(toJson(null, 'It')).toBe('null')
})

// oxlint-disable-next-line unicorn/no-new-array -- a gap is the point
const gap = Object.assign(new Array<number>(3), { 0: 1, 2: 2 })

const cycle: Record<string, unknown> = { list: [] }
;(cycle['list'] as unknown[]).push({ up: cycle })

describe('what JSON would lose is refused with its path', () => {
  test.each<[string, unknown, string, RegExp]>([
    ['a function', { a: { b: () => 1 } }, '$.a.b', /a function/],
    ['a symbol', [Symbol('x')], '$[0]', /a symbol/],
    ['a bigint', { 'odd key': [1, 2n] }, '$["odd key"][1]', /a bigint/],
    ['NaN', { n: NaN }, '$.n', /NaN/],
    ['Infinity', { n: -Infinity }, '$.n', /-Infinity/],
    ['an invalid date', { at: new Date(NaN) }, '$.at', /an invalid Date/],
    ['a map', { m: new Map([[1, 2]]) }, '$.m', /a Map/],
    ['bytes', { file: new Uint8Array(2) }, '$.file', /a Uint8Array/],
    ['a cycle', cycle, '$.list[0].up', /a cycle/],
    ['a NUL', { deep: [{ text: 'a\0b' }] }, '$.deep[0].text', /NUL/],
    ['half a surrogate pair', { text: '\ud800' }, '$.text', /surrogate/],
    ['a NUL in a key', { 'a\0b': 1 }, '$["a\\u0000b"]', /NUL/],
    ['a gap in a list', gap, '$[1]', /undefined/],
    ['an error', { error: new TypeError('x') }, '$.error', /a TypeError/],
    ['undefined in a list', [1, undefined], '$[1]', /undefined/],
    ['what toJSON gives', { a: { toJSON: () => ({ n: NaN }) } }, '$.a', /NaN/],
  ])('%s', (_what, value, path, problem) => {
    const error = failureOf(() => toJson(value, 'Input of job "x"'))
    expect(error).toMatchObject({ code: 'LW_VALUE_UNSTORABLE', details: { problem: expect.stringMatching(problem) } })
    expect(error.message).toContain(path)
    expect(error.message).toContain('Input of job "x" cannot be stored')
  })
})

test('the same object twice is no cycle', () => {
  const shared = { a: 1 }
  expect(toJson([shared, { shared }], 'It')).toBe('[{"a":1},{"shared":{"a":1}}]')
})

test('the wire form is the value as given, transforms are applied when it is read', async () => {
  const schema = z.object({ at: z.coerce.date(), n: z.string().transform(Number) })
  const wire = await encode(schema, { at: '2026-01-01', n: '7' }, input)
  expect(wire).toBe('{"at":"2026-01-01","n":"7"}')
  expect(await decode(schema, JSON.parse(wire ?? ''), input)).toEqual({ at: new Date('2026-01-01'), n: 7 })
})

test.each([
  ['zod', z.object({ user: z.object({ tags: z.array(z.string()) }) })],
  ['valibot', v.object({ user: v.object({ tags: v.array(v.string()) }) })],
  ['arktype', type({ user: { tags: 'string[]' } })],
  ['valibot, asynchronous', v.objectAsync({ user: v.objectAsync({ tags: v.array(v.string()) }) })],
])('%s: an error names path, rule and value', async (_library, schema) => {
  expect(await encode(schema, { user: { tags: ['a'] } }, input)).toBe('{"user":{"tags":["a"]}}')
  const error = await failureOf(async () => encode(schema, { user: { tags: ['a', 7] } }, input))
  expect(error).toMatchObject({ code: 'LW_INPUT_INVALID', hint: 'Nothing was enqueued.' })
  expect(error.details['issues']).toEqual([{ path: '$.user.tags[1]', rule: expect.any(String), received: '7' }])
  expect(error.message).toMatch(
    /^Input of job "x" is invalid: \$\.user\.tags\[1\]: .* \(got 7\)\. Nothing was enqueued\. \[LW_INPUT_INVALID\]$/,
  )
})

test('many issues are counted, and a value that is missing on the way is no accident', async () => {
  const schema = z.object(Object.fromEntries('abcdefgh'.split('').map((key) => [key, z.string()])))
  const error = await failureOf(async () => encode(schema, {}, input))
  expect(error.message).toContain('and 3 more')
  expect(await failureOf(async () => encode(schema, null, input))).toMatchObject({ code: 'LW_INPUT_INVALID' })
})

test('a log line takes anything', () => {
  const lines = [{ a: 1 }, undefined, 7n, cycle, new RangeError('far'), 'a\0b'].map((data) => toLogJson(data))
  expect(lines.map((line) => line && (JSON.parse(line) as unknown))).toEqual([
    { a: 1 },
    null,
    '7n',
    '[object Object]',
    expect.objectContaining({ name: 'RangeError', message: 'far' }),
    expect.stringContaining('a'),
  ])
})

test('JSON Schema where the library offers it', () => {
  expect(jsonSchemaOf(z.object({ n: z.number() }), 'input')).toMatchObject({ type: 'object', required: ['n'] })
  expect(jsonSchemaOf(type({ n: 'number' }), 'input')).toMatchObject({ type: 'object', required: ['n'] })
  expect(jsonSchemaOf(v.object({ n: v.number() }), 'input')).toBeUndefined()
  expect(jsonSchemaOf(z.object({ at: z.date() }), 'input')).toBeUndefined()
  expect(jsonSchemaOf(undefined, 'input')).toBeUndefined()
})
