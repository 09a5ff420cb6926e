import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Duration, milliseconds } from '../../src/core/duration.ts'

test.each<[Duration, number]>([
  [0, 0],
  [1500.4, 1500],
  ['250ms', 250],
  ['1.5s', 1_500],
  ['5m', 300_000],
  ['2h', 7_200_000],
  ['7d', 604_800_000],
  ['1w', 604_800_000],
])('%o is %i ms', (given, ms) => {
  expect(milliseconds(given, 'delay')).toBe(ms)
})

test.each([-1, NaN, Infinity, '', '5', '5 minutes', '-5m', '1e3s', '101000w', null, {}, []])(
  '%o is no duration',
  (given) => {
    expect(() => milliseconds(given as Duration, 'retry.first')).toThrow(
      /^Option retry.first must be a duration: .*; received .* \[LW_OPTION_INVALID\]$/,
    )
  },
)

test('text and number agree for every unit', () => {
  const units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
  const unit = fc.constantFrom(...(Object.keys(units) as (keyof typeof units)[]))
  fc.assert(
    fc.property(fc.nat(30_000), unit, (n, u) => {
      expect(milliseconds(`${n}${u}`, 'x')).toBe(n * units[u])
    }),
  )
})
