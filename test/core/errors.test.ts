import { existsSync, readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { toJson } from '../../src/core/codec.ts'
import { type ErrorCode, errorCodes, LegworkError, serializeError, show } from '../../src/core/errors.ts'
import { Abort, controlOf, RetryAfter, Snooze } from '../../src/core/outcome.ts'

const codes = Object.keys(errorCodes) as ErrorCode[]
const root = new URL('../../', import.meta.url)

test('an error says what happened, what to do and its code', () => {
  const error = new LegworkError('LW_CLOSED', 'The engine has been closed.', {
    hint: 'Call legwork() again.',
    cause: 7,
  })
  expect(error.message).toBe('The engine has been closed. Call legwork() again. [LW_CLOSED]')
  expect(error).toMatchObject({ name: 'LegworkError', code: 'LW_CLOSED', hint: 'Call legwork() again.', cause: 7 })
})

test('instanceof holds across two copies of the package', () => {
  const copy = Object.defineProperty(new Error('x'), Symbol.for('legwork.error'), { value: true })
  expect(copy).toBeInstanceOf(LegworkError)
  expect([new Error('x'), null, 'x', undefined].some((value) => value instanceof LegworkError)).toBe(false)
})

describe('code, source and docs are in step', () => {
  const source = sourceText()

  test('every code in the source is in the list, and every code in the list is used', () => {
    const used = new Set([...source.matchAll(/\bLW_[A-Z_]+\b/g)].map(([code]) => code))
    expect([...used].filter((code) => !(code in errorCodes))).toEqual([])
    expect(codes.filter((code) => !used.has(code))).toEqual([])
  })

  test('every code is documented under a heading of its own, with what happened and what to do', () => {
    const file = new URL('docs/reference/errors.md', root)
    expect(existsSync(file), 'docs/reference/errors.md').toBe(true)
    const text = readFileSync(file, 'utf8')
    const sections = new Map(text.split(/^## /m).map((section) => [section.split('\n', 1)[0]?.trim() ?? '', section]))
    const headings = [...sections.keys()].filter((heading) => heading.startsWith('LW_'))
    expect(headings.toSorted()).toEqual(codes.toSorted())
    const lacking = codes.filter(
      (code) => !/what happened/i.test(sections.get(code) ?? '') || !/what to do/i.test(sections.get(code) ?? ''),
    )
    expect(lacking).toEqual([])
  })
})

test('an error is kept with its causes, codes and stacks', () => {
  const disk = Object.assign(new Error('disk full'), { code: 'ENOSPC' })
  const error = new TypeError('no thumbnail', { cause: disk })
  expect(serializeError(error)).toEqual({
    name: 'TypeError',
    message: 'no thumbnail',
    stack: expect.stringContaining('errors.test.ts'),
    cause: { name: 'Error', message: 'disk full', code: 'ENOSPC', stack: expect.any(String) },
  })
})

test('the first error of an AggregateError stands for its cause', () => {
  const error = new AggregateError([new Error('connect ECONNREFUSED')])
  expect(serializeError(error)).toMatchObject({ name: 'AggregateError', cause: { message: 'connect ECONNREFUSED' } })
})

const thrower = (): never => {
  throw new Error('do not look')
}
const hostile: [string, unknown][] = [
  ['undefined', undefined],
  ['null', null],
  ['text', 'text'],
  ['a symbol', Symbol('s')],
  ['a bigint', 1n],
  ['a function', () => 1],
  ['an object without prototype', Object.create(null)],
  ['a cycle', Object.assign(new Error('a'), { cause: new Error('b') })],
  ['a name that is no text', Object.assign(new Error('a'), { name: 5 })],
  ['a name that is a symbol', Object.assign(new Error('a'), { name: Symbol('x') })],
  ['a code that throws', { message: 'm', code: { toString: thrower } }],
  ['a message that throws', Object.defineProperty(new Error('a'), 'message', { get: thrower })],
  ['a stack that throws', Object.defineProperty(new Error('a'), 'stack', { get: thrower })],
  ['a cause that throws', Object.defineProperty(new Error('a'), 'cause', { get: thrower })],
  ['a toJSON that throws', { toJSON: thrower }],
  ['a tag that throws', Object.defineProperty({ n: 1n }, Symbol.toStringTag, { get: thrower })],
  ['a proxy that throws', new Proxy({}, { get: thrower, has: thrower, ownKeys: thrower, getPrototypeOf: thrower })],
  ['a revoked proxy', revoked()],
]

test.each(hostile)('serializing %s does not throw and can be stored', (_what, value) => {
  const stored = serializeError(value)
  expect(JSON.parse(JSON.stringify(stored))).toMatchObject({ name: expect.any(String), message: expect.any(String) })
})

test.each(hostile)('%s asks for nothing special', (_what, value) => {
  expect(controlOf(value)).toBeUndefined()
})

test('anything that can be thrown is serialized to a few kilobytes that PostgreSQL can store', () => {
  const text = fc.string({ unit: fc.constantFrom('a', '\0', '\ud800', '漢', 'long '.repeat(500)) })
  const thrown = fc.oneof(
    fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true, withTypedArray: true }),
    text.map((message) => new Error(message, { cause: message })),
  )
  fc.assert(
    fc.property(thrown, (value) => {
      const json = toJson(serializeError(value), 'It') // refuses what PostgreSQL cannot store
      expect(json?.length).toBeLessThan(1_000_000)
    }),
  )
})

test('a chain of causes without end is cut', () => {
  const error = new Error('round')
  error.cause = error
  expect(JSON.stringify(serializeError(error)).match(/"round"/g)?.length).toBeLessThan(12)
})

test('what a handler can ask for by throwing is known by name too', () => {
  expect(controlOf(new Abort('gone'))).toMatchObject({ kind: 'abort', error: { message: 'gone' } })
  expect(controlOf(new RetryAfter('30s'))).toMatchObject({ kind: 'retry-after', delay: 30_000 })
  expect(controlOf(new Snooze('10m', 'not yet'))).toEqual({ kind: 'snooze', delay: 600_000, reason: 'not yet' })
  expect(controlOf(Object.assign(new Error('x'), { name: 'Snooze', delay: 5 }))).toMatchObject({
    kind: 'snooze',
    delay: 5,
  })
  expect(controlOf(Object.assign(new Error('x'), { name: 'RetryAfter' }))).toBeUndefined()
  expect(() => new Snooze('soon' as '1s')).toThrow(/Option Snooze delay must be a duration/)
})

test.each([
  ['x'.repeat(200), /^"x{77}…"$/],
  [12n, /^12n$/],
  [thrower, /^function thrower$/],
  [{ a: [1] }, /^\{"a":\[1\]\}$/],
  [Symbol('s'), /^Symbol\(s\)$/],
])('a value is shown short: %o', (value, text) => {
  expect(show(value)).toMatch(text)
})

function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

/** All of src/ but the list of codes itself. */
function sourceText(): string {
  const files = readdirSync(new URL('src/', root), { recursive: true, encoding: 'utf8' })
  const texts = files.filter((file) => file.endsWith('.ts') && !file.endsWith('core/errors.ts'))
  return texts
    .map((file) => readFileSync(new URL(`src/${file}`, root), 'utf8').replaceAll(/^\s*(?:\*|\/\/).*$/gm, ''))
    .join('\n')
}
