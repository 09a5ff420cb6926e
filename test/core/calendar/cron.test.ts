import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LegworkError } from '../../../src/core/errors.ts'
import type { TimetableSpec } from '../../../src/core/calendar/spec.ts'
import { timetable } from '../../../src/core/calendar/timetable.ts'

/** The next three dates after 2026-01-01T00:00Z. */
function next(spec: TimetableSpec, seed?: string): string {
  const table = timetable(spec, seed === undefined ? {} : { seed })
  const found: string[] = []
  for (let at = table.next(new Date('2026-01-01T00:00:00Z')); at && found.length < 3; at = table.next(at))
    found.push(at.toISOString().slice(0, 19))
  return found.map((at) => at.replace(/:00$/, '')).join(' ')
}

test.each([
  // Six fields mean three different things.
  ['seconds', '30 0 0 * * *', '2026-01-01T00:00:30 2026-01-02T00:00:30 2026-01-03T00:00:30'],
  ['temporal', '0 0 1 1 * 2030', '2030-01-01T00:00'],
  ['quartz', '0 0 12 1 1 ? 2030', '2030-01-01T12:00'],
  ['eventbridge', '0 12 1 1 ? 2030', '2030-01-01T12:00'],
  // Sunday is 0 or 7, but 1 in Quartz and EventBridge.
  ['vixie', '0 0 * * 1', '2026-01-05T00:00 2026-01-12T00:00 2026-01-19T00:00'],
  ['quartz', '0 0 0 ? * 1', '2026-01-04T00:00 2026-01-11T00:00 2026-01-18T00:00'],
  ['eventbridge', '0 0 ? * SUN *', '2026-01-04T00:00 2026-01-11T00:00 2026-01-18T00:00'],
  // Day and weekday: either, both, or one of them.
  ['vixie', '0 0 13 * 5', '2026-01-02T00:00 2026-01-09T00:00 2026-01-13T00:00'],
  ['temporal', '0 0 13 * 5', '2026-02-13T00:00 2026-03-13T00:00 2026-11-13T00:00'],
  // The ends of months.
  ['quartz', '0 0 0 L * ?', '2026-01-31T00:00 2026-02-28T00:00 2026-03-31T00:00'],
  ['quartz', '0 0 0 L-2 * ?', '2026-01-29T00:00 2026-02-26T00:00 2026-03-29T00:00'],
  ['quartz', '0 0 0 LW * ?', '2026-01-30T00:00 2026-02-27T00:00 2026-03-31T00:00'],
  ['quartz', '0 0 0 1W * ?', '2026-02-02T00:00 2026-03-02T00:00 2026-04-01T00:00'],
  ['quartz', '0 0 0 1W AUG ?', '2026-08-03T00:00 2027-08-02T00:00 2028-08-01T00:00'],
  ['quartz', '0 0 0 15W * ?', '2026-01-15T00:00 2026-02-16T00:00 2026-03-16T00:00'],
  ['quartz', '0 0 0 31W * ?', '2026-01-30T00:00 2026-03-31T00:00 2026-05-29T00:00'],
  ['quartz', '0 0 0 ? * 6L', '2026-01-30T00:00 2026-02-27T00:00 2026-03-27T00:00'],
  ['quartz', '0 0 0 ? * FRI#2', '2026-01-09T00:00 2026-02-13T00:00 2026-03-13T00:00'],
  ['quartz', '0 0 0 ? * L', '2026-01-03T00:00 2026-01-10T00:00 2026-01-17T00:00'],
  ['quartz', '0 0 0 1,L * ?', '2026-01-31T00:00 2026-02-01T00:00 2026-02-28T00:00'],
  ['seconds', '0 0 0 * * 5#5', '2026-01-30T00:00 2026-05-29T00:00 2026-07-31T00:00'],
  ['seconds', '0 0 0 LW * *', '2026-01-30T00:00 2026-02-27T00:00 2026-03-31T00:00'],
  // Ranges that go round, and steps from a value on.
  ['quartz', '0 0 22-2/2 * * ?', '2026-01-01T02:00 2026-01-01T22:00 2026-01-02T00:00'],
  ['quartz', '0 0 0 ? NOV-FEB 7', '2026-01-03T00:00 2026-01-10T00:00 2026-01-17T00:00'],
  ['eventbridge', 'cron(0 0 ? * FRI-MON *)', '2026-01-02T00:00 2026-01-03T00:00 2026-01-04T00:00'],
  ['quartz', '0 5/25 0 * * ?', '2026-01-01T00:05 2026-01-01T00:30 2026-01-01T00:55'],
  ['temporal', '5/25 0 * * *', '2026-01-01T00:05 2026-01-01T00:30 2026-01-01T00:55'],
  // Intervals and nicknames.
  ['vixie', '@every 1h30m', '2026-01-01T01:30 2026-01-01T03:00 2026-01-01T04:30'],
  ['temporal', '@every 1h/20m # twice shy', '2026-01-01T00:20 2026-01-01T01:20 2026-01-01T02:20'],
  ['eventbridge', 'rate(5 minutes)', '2026-01-01T00:05 2026-01-01T00:10 2026-01-01T00:15'],
  ['eventbridge', 'at(2026-11-20T13:00:00)', '2026-11-20T13:00'],
  ['seconds', '@weekly', '2026-01-04T00:00 2026-01-11T00:00 2026-01-18T00:00'],
  ['vixie', 'CRON_TZ=Asia/Tokyo 0 0 * * *', '2026-01-01T15:00 2026-01-02T15:00 2026-01-03T15:00'],
  ['vixie', '0 0 29 2 *', '2028-02-29T00:00 2032-02-29T00:00 2036-02-29T00:00'],
] as const)('%s: %s', (dialect, cron, expected) => {
  expect(next({ cron, dialect })).toBe(expected)
})

test('H is a value of its own for each schedule, always the same one, and within its range', () => {
  const nightly = Array.from({ length: 200 }, (_, index) => next({ cron: 'H H(0-5) * * *' }, `schedule ${index}`))
  expect(next({ cron: 'H H(0-5) * * *' }, 'schedule 7')).toBe(nightly[7])
  expect(new Set(nightly).size).toBeGreaterThan(100)
  expect(nightly.every((times) => /^2026-01-0[12]T0[0-5]/.test(times))).toBe(true)
  const offsets = new Set(nightly.map((_, index) => next({ cron: 'H/15 * * * *' }, `${index}`).slice(14, 16)))
  expect([...offsets].toSorted()).toEqual(
    Array.from({ length: 15 }, (_, n) => String(n || 15).padStart(2, '0')).toSorted(),
  )
  expect(next({ cron: '0 H H ? * H', dialect: 'quartz' }, 'reports')).toMatch(/^2026-01-0\dT/)
})

test.each([
  ['vixie', '* * * *', '5 (minute hour day month weekday) fields'],
  ['vixie', '0 0 0 * * *', "are of the dialect 'seconds' or 'temporal' or 'quartz' or 'eventbridge'"],
  ['vixie', '61 * * * *', 'minute of cron'],
  ['vixie', '0 24 * * *', 'hour of cron'],
  ['vixie', '0 0 0 * *', 'day of month of cron'],
  ['vixie', '0 0 * 13 *', 'month of cron'],
  ['vixie', '0 0 * * funday', 'day of week of cron'],
  ['temporal', '0 0 1 1 * 1066', 'year of cron'],
  ['seconds', '60 0 0 * * *', 'second of cron'],
  ['vixie', '0 17-9 * * *', 'from low to high'],
  ['vixie', '5/15 * * * *', 'steps of * or of a range'],
  ['vixie', '*/0 * * * *', 'minute of cron'],
  ['vixie', '0 0 L * *', 'day of month of cron'],
  ['vixie', '0 0 ? * 1', 'day of month of cron'],
  ['vixie', 'H * * * *', 'id of a schedule'],
  ['vixie', '0 0 30 2 *', 'no date fits'],
  ['vixie', '@reboot', 'no machine that starts'],
  ['vixie', '__proto__', '5 (minute hour day month weekday) fields'],
  ['vixie', '@fortnightly', '@monthly'],
  ['vixie', '@every soon', '90s, 5m or 1h30m'],
  ['vixie', '@every 10ms', 'at least one second'],
  ['quartz', '0 0 12 * * *', '? for the day of month'],
  ['quartz', '0 0 12 ? * ?', '? for the day of month'],
  ['quartz', '0 0 12 ? * 0', 'from 1 to 7'],
  ['quartz', '0 0 12 ? * 6#6', '5#2'],
  ['quartz', '@daily', 'no nicknames'],
  ['eventbridge', 'rate(5 fortnights)', 'rate(5 minutes)'],
  ['eventbridge', 'at(soon)', '2026-12-24T18:00Z'],
] as const)('%s: %s is refused, and the reason says %s', (dialect, cron, reason) => {
  const make = () => timetable({ cron, dialect })
  expect(make).toThrow(expect.objectContaining({ code: 'LW_OPTION_INVALID' }))
  expect(make).toThrow(reason)
})

test('any text is a timetable that fires and can be described, or is refused with a reason', () => {
  const odd = fc.stringMatching(/^(\?|H|L|\d{1,2}|[a-z]{3}|\d-\d{1,2}|\dL|\d#\d|\d{1,2}W)(\/\d)?$/)
  const item = fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom('*', '1', '2-5', '*/3', '3,6') },
    { weight: 1, arbitrary: odd },
  )
  const field = fc.oneof(
    { weight: 4, arbitrary: item },
    fc.array(item, { maxLength: 3 }).map((items) => items.join(',')),
  )
  const text = fc.oneof(
    fc.array(field, { minLength: 5, maxLength: 7 }).map((all) => all.join(' ')),
    fc.string(),
  )
  const dialect = fc.constantFrom('vixie', 'seconds', 'temporal', 'quartz', 'eventbridge')
  let valid = 0
  fc.assert(
    fc.property(text, dialect, (cron, given) => {
      try {
        const table = timetable({ cron, dialect: given, timezone: 'Europe/Berlin' }, { seed: 'fuzz' })
        const first = table.next(new Date('1970-01-01T00:00Z'))!
        expect(table.describe()).toMatch(/^[A-Z].*\.$/)
        expect(table.previous(table.next(first) ?? new Date('9999-01-01T00:00Z'))).toEqual(first)
        valid++
      } catch (error) {
        if (!(error instanceof LegworkError)) throw error
        expect(error.code).toBe('LW_OPTION_INVALID')
      }
    }),
    { numRuns: 6_000 },
  )
  expect(valid).toBeGreaterThan(100)
})
