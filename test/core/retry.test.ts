import fc from 'fast-check'
import { expect, test } from 'vitest'
import { retryAfterOf, retryDelay, type RetryOptions, retryPolicy } from '../../src/core/retry.ts'

const middle = (): number => 0.5

test('the defaults: ten attempts, doubling from a second to an hour, half of it jitter', () => {
  const policy = retryPolicy(undefined)
  expect(policy).toEqual({ attempts: 10, backoff: 'exponential', first: 1_000, max: 3_600_000, jitter: 0.5 })
  expect([1, 2, 3, 13].map((attempt) => retryDelay(policy, attempt, undefined, () => 0))).toEqual([
    1_000, 2_000, 4_000, 3_600_000,
  ])
  expect(retryDelay(policy, 3, undefined, middle)).toBe(3_000)
})

test('linear, fixed and custom back-off', () => {
  const linear = retryPolicy({ backoff: 'linear', first: '2s', max: '5s' })
  expect([1, 2, 3].map((attempt) => retryDelay(linear, attempt, undefined))).toEqual([2_000, 4_000, 5_000])
  const fixed = retryPolicy({ backoff: 'fixed', first: '3s' })
  expect([1, 9].map((attempt) => retryDelay(fixed, attempt, undefined))).toEqual([3_000, 3_000])
  const custom = retryPolicy({ backoff: (attempt, error) => (error === 'busy' ? `${attempt}m` : 5), max: '90s' })
  expect(retryDelay(custom, 1, 'busy')).toBe(60_000)
  expect(retryDelay(custom, 7, 'busy')).toBe(90_000)
  expect(retryDelay(custom, 7, 'other')).toBe(5)
})

test('a delay is never negative and never above the maximum', () => {
  const options = fc.record({
    backoff: fc.constantFrom('exponential' as const, 'linear' as const, 'fixed' as const),
    first: fc.nat(1e9),
    max: fc.nat(1e9),
    jitter: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  const share = fc.double({ min: 0, max: 1, noNaN: true })
  fc.assert(
    fc.property(options, fc.integer({ min: 1, max: 32_000 }), share, (given, attempt, random) => {
      const delay = retryDelay(retryPolicy(given), attempt, undefined, () => random)
      expect(delay).toBeGreaterThanOrEqual(0)
      expect(delay).toBeLessThanOrEqual(given.max)
      expect(Number.isInteger(delay)).toBe(true)
    }),
  )
})

test('a number sets the attempts, false and 0 mean one', () => {
  expect([3, false, 0].map((given) => retryPolicy(given as number).attempts)).toEqual([3, 1, 1])
})

test.each<[RetryOptions | number, string]>([
  [{ attempts: 0 }, 'retry.attempts must be a whole number from 1 to 32000; received 0'],
  [{ attempts: 1.5 }, 'retry.attempts must be a whole number from 1 to 32000; received 1.5'],
  [-2, 'retry.attempts must be a whole number from 1 to 32000; received -2'],
  [
    { backoff: 'cubic' as 'fixed' },
    "retry.backoff must be 'exponential', 'linear', 'fixed' or a function; received \"cubic\"",
  ],
  [{ backoff: 'toString' as 'fixed' }, "retry.backoff must be 'exponential', 'linear', 'fixed' or a function"],
  [{ jitter: 2 }, 'retry.jitter must be a number from 0 to 1; received 2'],
  [{ first: 'soon' as '1s' }, 'retry.first must be a duration'],
  [{ max: -1 }, 'retry.max must be a duration'],
])('%o is refused', (given, message) => {
  expect(() => retryPolicy(given)).toThrow(message)
})

const now = Date.parse('2026-01-01T00:00:00Z')

test.each<[string, unknown, number | undefined]>([
  ['milliseconds on the error', { retryAfter: 1_234 }, 1_234],
  ['Headers of a Response', { response: new Response(null, { headers: { 'Retry-After': '30' } }) }, 30_000],
  ['plain headers', { headers: { 'retry-after': '5' } }, 5_000],
  ['a number in plain headers', { response: { headers: { 'Retry-After': 7 } } }, 7_000],
  ['an HTTP date', { headers: new Headers({ 'retry-after': 'Thu, 01 Jan 2026 00:02:00 GMT' }) }, 120_000],
  ['a date gone by', { headers: new Headers({ 'retry-after': 'Thu, 01 Jan 2015 00:02:00 GMT' }) }, 0],
  ['the cause', new Error('x', { cause: { headers: { 'retry-after': '1' } } }), 1_000],
  ['nothing', new Error('x'), undefined],
  ['nonsense', { headers: { 'retry-after': 'soon' } }, undefined],
  ['a negative number', { retryAfter: -5 }, undefined],
  ['undefined', undefined, undefined],
])('Retry-After: %s', (_what, error, delay) => {
  expect(retryAfterOf(error, now)).toBe(delay)
})

test('a cycle of causes ends', () => {
  const error = new Error('round')
  error.cause = error
  expect(retryAfterOf(error, now)).toBeUndefined()
})

test('an error whose properties throw asks for nothing', () => {
  const error = Object.defineProperty({}, 'retryAfter', {
    get: () => {
      throw new Error('no')
    },
  })
  expect(retryAfterOf(error, now)).toBeUndefined()
})

test.each([
  [{ retryAfter: 1_234.5 }, 1_235],
  [{ retryAfter: 1e300 }, 365 * 86_400_000],
  [{ headers: { 'retry-after': '9'.repeat(400) } }, 365 * 86_400_000],
])('what %o asks for can be stored', (error, delay) => {
  expect(retryAfterOf(error, now)).toBe(delay)
})
