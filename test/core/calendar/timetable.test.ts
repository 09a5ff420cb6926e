import { CronExpressionParser } from 'cron-parser'
import { describe, expect, test } from 'vitest'
import type { TimetableSpec } from '../../../src/core/calendar/spec.ts'
import { timetable } from '../../../src/core/calendar/timetable.ts'
import { Zone } from '../../../src/core/calendar/zone.ts'

function instants(options: TimetableSpec, from: string, to: string): string[] {
  const table = timetable(options)
  const found: string[] = []
  for (let at = table.next(new Date(Date.parse(from) - 1)); at && at < new Date(to); at = table.next(at))
    found.push(at.toISOString().slice(5, 16))
  return found
}

describe('New York, 2026: the clock goes from 02:00 to 03:00 on 8 March, from 02:00 to 01:00 on 1 November', () => {
  const gap = ['2026-03-08T05:30Z', '2026-03-08T08:00Z'] as const
  const overlap = ['2026-11-01T04:30Z', '2026-11-01T08:30Z'] as const
  test.each([
    ['30 2 * * *', gap, ['03-08T07:00']],
    ['15,45 2 * * *', gap, ['03-08T07:00']],
    ['*/30 * * * *', gap, ['03-08T05:30', '03-08T06:00', '03-08T06:30', '03-08T07:00', '03-08T07:30']],
    ['0 1-3 * * *', gap, ['03-08T06:00', '03-08T07:00']],
    ['30 1 * * *', overlap, ['11-01T05:30']],
    ['0 1-3 * * *', overlap, ['11-01T05:00', '11-01T07:00', '11-01T08:00']],
    ['0 * * * *', overlap, ['11-01T05:00', '11-01T06:00', '11-01T07:00', '11-01T08:00']],
  ] as const)('%s', (cron, [from, to], expected) => {
    expect(instants({ cron, timezone: 'America/New_York' }, from, to)).toEqual(expected)
  })

  test.each([
    [{ gap: 'skip' }, '30 2 * * *', gap, []],
    [{ gap: 'shift' }, '30 2 * * *', gap, ['03-08T07:30']],
    [{ overlap: 'last' }, '30 1 * * *', overlap, ['11-01T06:30']],
    [{ overlap: 'both' }, '30 1 * * *', overlap, ['11-01T05:30', '11-01T06:30']],
  ] as const)('%o', (dst, cron, [from, to], expected) => {
    expect(instants({ cron, dst, timezone: 'America/New_York' }, from, to)).toEqual(expected)
  })
})

test.each(['*/35 * * * *', '0 0 13 * 5', '0 12 1-7 * mon', '5 4 29 feb *', '0 0 * * 7', '15 9-17/2 * * mon-fri'])(
  '%s fires when cron-parser says so',
  (cron) => {
    const oracle = CronExpressionParser.parse(cron, { tz: 'UTC', currentDate: new Date('2026-01-01T00:00:00Z') })
    const table = timetable({ cron })
    let at: Date | undefined = new Date('2026-01-01T00:00:00Z')
    for (let n = 0; n < 50; n++) {
      at = at && table.next(at)
      expect(at).toEqual(oracle.next().toDate())
    }
  },
)

test.each([
  ['a field too few', { cron: '* * * *' }],
  ['six fields without a dialect', { cron: '0 0 0 * * *' }],
  ['a date that never comes', { cron: '0 0 30 2 *' }],
  ['a range the wrong way round', { cron: '0 17-9 * * *' }],
  ['a step from a single value', { cron: '5/15 * * * *' }],
  ['an unknown zone', { cron: '@daily', timezone: 'Mars/Olympus' }],
  ['two zones', { cron: 'CRON_TZ=Europe/Berlin 0 0 * * *', timezone: 'UTC' }],
] as const)('%s is refused', (_, options) => {
  expect(() => timetable(options)).toThrow(expect.objectContaining({ code: 'LW_OPTION_INVALID' }))
})

test('the other dialects: seconds in front, a year behind, both days must fit', () => {
  const one = (options: TimetableSpec) => timetable(options).next(new Date('2026-01-01T00:00:00Z'))?.toISOString()
  expect(one({ cron: '30 0 0 * * *', dialect: 'seconds' })).toBe('2026-01-01T00:00:30.000Z')
  expect(one({ cron: '0 0 1 1 * 2030', dialect: 'temporal' })).toBe('2030-01-01T00:00:00.000Z')
  expect(one({ cron: '0 0 13 * 5', dialect: 'temporal' })).toBe('2026-02-13T00:00:00.000Z')
})

const day = 86_400_000

/** The instants at which a zone changes its clock, 2020 to 2029. */
function changesOf(zone: Zone): number[] {
  const found: number[] = []
  for (let at = Date.UTC(2020, 0), end = Date.UTC(2030, 0); at < end; at += 14 * day) {
    let [low, high] = [at, at + 14 * day]
    const before = zone.offsetAt(low)
    if (before === zone.offsetAt(high)) continue
    while (high - low > 60_000) {
      const middle = low + Math.floor((high - low) / 120_000) * 60_000
      if (zone.offsetAt(middle) === before) low = middle
      else high = middle
    }
    found.push(high)
  }
  return found
}

test('around every change of every zone in ten years: each wall-clock time once, in order, and back is the way there', () => {
  let changes = 0
  for (const timezone of Intl.supportedValuesOf('timeZone')) {
    const zone = Zone.named(timezone)
    const table = timetable({ cron: '30 1,23 * * *', timezone, dst: { gap: 'shift' } })
    for (const change of changesOf(zone)) {
      changes++
      const walls = new Set<number>()
      for (let at = table.next(new Date(change - 1.5 * day))!; at.getTime() < change + 1.5 * day;) {
        const wall = zone.wallAt(at.getTime())
        expect(walls.has(wall), timezone).toBe(false)
        walls.add(wall)
        const next = table.next(at)!
        expect(next.getTime(), timezone).toBeGreaterThan(at.getTime())
        expect(table.previous(next), timezone).toEqual(at)
        at = next
      }
      expect([5, 6, 7], timezone).toContain(walls.size) // three days, two times on each
    }
  }
  expect(changes).toBeGreaterThan(1_000)
}, 60_000)
