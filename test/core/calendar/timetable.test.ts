import { CronExpressionParser } from 'cron-parser'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { DstPolicy } from '../../../src/core/calendar/clock-rule.ts'
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

const minute = 60_000
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

/** What a clock that is looked at every minute says: the instants of the times that fit. */
function watched(zone: Zone, from: number, to: number, fits: (wall: number) => boolean, dst: DstPolicy): number[] {
  const found = new Map<number, number[]>()
  const moved: number[] = []
  let due = zone.wallAt(from)
  for (let at = from; at < to; at += minute) {
    const wall = zone.wallAt(at)
    for (let skipped = due; skipped < wall; skipped += minute)
      if (fits(skipped) && dst.gap !== 'skip') moved.push(dst.gap === 'after' ? at : at + skipped - due)
    if (fits(wall)) found.set(wall, [...(found.get(wall) ?? []), at])
    due = wall + minute
  }
  const shown = [...found.values()].flatMap((times) => {
    if (dst.overlap === 'both') return times
    return dst.overlap === 'first' ? times.slice(0, 1) : times.slice(-1)
  })
  return [...new Set([...shown, ...moved])].toSorted((a, b) => a - b)
}

const policies = (['after', 'shift', 'skip'] as const).flatMap((gap) =>
  (['first', 'last', 'both'] as const).map((overlap) => ({ gap, overlap })),
)
const fits = (wall: number) =>
  [5, 35].includes(new Date(wall).getUTCMinutes()) && [0, 1, 2, 3, 22, 23].includes(new Date(wall).getUTCHours())
const kinds: readonly [TimetableSpec, (wall: number) => boolean][] = [
  [{ cron: '5,35 0-3,22,23 * * *' }, fits],
  [{ cron: '0 5,35 0-3,22,23 ? * *', dialect: 'quartz' }, fits],
  [{ calendar: { hour: '0-3,22,23', minute: [5, 35] } }, fits],
  [{ rrule: 'DTSTART:20000101T000500\nRRULE:FREQ=DAILY;BYHOUR=0,1,2,3,22,23;BYMINUTE=5,35' }, fits],
]

test.each(kinds)(
  'around every change of every zone in ten years, a watched clock says the same as %j',
  (spec, isFit) => {
    let changes = 0
    for (const timezone of Intl.supportedValuesOf('timeZone')) {
      const zone = Zone.named(timezone)
      for (const change of changesOf(zone)) {
        const dst = policies[changes++ % policies.length]!
        const [from, to] = [change - 1.25 * day, change + 1.25 * day]
        const table = timetable({ ...spec, timezone, dst })
        const there: number[] = []
        for (let at = table.next(new Date(from - 1))!; at.getTime() < to; at = table.next(at)!) there.push(at.getTime())
        const back: number[] = []
        for (let at = table.previous(new Date(to))!; at.getTime() >= from; at = table.previous(at)!)
          back.unshift(at.getTime())
        expect(there, `${timezone} ${JSON.stringify(dst)}`).toEqual(watched(zone, from, to, isFit, dst))
        expect(back, `${timezone} ${JSON.stringify(dst)}`).toEqual(there)
      }
    }
    expect(changes).toBeGreaterThan(1_000)
  },
  60_000,
)

test('rules with a wildcard or a step follow real time through every change', () => {
  for (const timezone of Intl.supportedValuesOf('timeZone')) {
    const zone = Zone.named(timezone)
    const table = timetable({ cron: '*/15 * * * *', timezone })
    for (const change of changesOf(zone)) {
      let at = table.next(new Date(change - day / 4))!
      for (let n = 0; n < 40; n++) {
        const next = table.next(at)!
        expect(next.getTime() - at.getTime(), timezone).toBe(15 * minute)
        at = next
      }
    }
  }
}, 60_000)

test('from any instant, next and previous are each the way back of the other', () => {
  const specs: readonly TimetableSpec[] = [
    { cron: '30 1,2 * * *', dst: { gap: 'shift', overlap: 'both' } },
    { cron: '0 0 2 LW * ?', dialect: 'quartz', dst: { overlap: 'last' } },
    { cron: ['*/20 1-3 * * *', '10 2 * * sun'], every: '7h', exclude: { calendar: { weekday: 'wed' } } },
    { rrule: 'DTSTART:19990101T013000\nRRULE:FREQ=MONTHLY;BYDAY=-1SU;BYHOUR=1,2,3' },
    { calendar: { month: '3,10,11', hour: '*/3', minute: 30 }, only: { calendar: { day: '1-10,25-31' } } },
  ]
  const zones = [
    'America/New_York',
    'Europe/Berlin',
    'Australia/Lord_Howe',
    'Antarctica/Troll',
    'Africa/Casablanca',
    'UTC',
  ]
  const tables = specs.flatMap((spec) => zones.map((timezone) => timetable({ ...spec, timezone })))
  const instant = fc.date({ min: new Date('2005-01-01'), max: new Date('2035-01-01'), noInvalidDate: true })
  fc.assert(
    fc.property(instant, fc.constantFrom(...tables), (at, table) => {
      const next = table.next(at)!
      const previous = table.previous(at)!
      expect(next > at && previous < at).toBe(true)
      expect(table.next(previous)! >= at).toBe(true)
      expect(table.previous(table.next(previous)!)).toEqual(previous)
      expect(table.next(table.previous(next)!)).toEqual(next)
    }),
    { numRuns: 2_000 },
  )
})

test('a day that a country left out has nothing to lose: Samoa had no 30 December in 2011', () => {
  const rule = { cron: '0 12 * * *', timezone: 'Pacific/Apia' } as const
  expect(instants(rule, '2011-12-29T12:00Z', '2011-12-31T12:00Z')).toEqual([
    '12-29T22:00',
    '12-30T10:00',
    '12-30T22:00',
  ])
  expect(instants({ ...rule, dst: { gap: 'skip' } }, '2011-12-29T12:00Z', '2011-12-31T12:00Z')).toEqual([
    '12-29T22:00',
    '12-30T22:00',
  ])
})
