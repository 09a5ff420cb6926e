import { expect, test } from 'vitest'
import { type CalendarRules, type TimetableSpec, wireSpec } from '../../../src/core/calendar/spec.ts'
import { timetable } from '../../../src/core/calendar/timetable.ts'

const berlin = 'Europe/Berlin'
const calendars: Readonly<Record<string, CalendarRules>> = {
  holidays: [{ dates: ['2026-12-25', '2026-12-26'] }, { calendar: { month: 1, day: 1 } }],
  freeze: { between: [['2026-12-20', '2027-01-04T06:00']] },
}

function between(spec: TimetableSpec, from: string, to: string): string[] {
  const table = timetable(spec, { calendars })
  const found: Date[] = []
  for (let at = table.next(new Date(Date.parse(from) - 1)); at && at < new Date(to); at = table.next(at)) found.push(at)
  const back: Date[] = []
  for (let at = table.previous(new Date(to)); at && at >= new Date(from); at = table.previous(at)) back.unshift(at)
  expect(back).toEqual(found)
  return found.map((at) => at.toISOString().slice(5, 16))
}

test.each([
  ['every with a phase', { every: '8h', phase: '1h' }, ['01-01T01:00', '01-01T09:00', '01-01T17:00']],
  [
    'instants, and times on the clock of the zone',
    { at: [new Date('2026-01-01T05:00Z'), '2026-01-01T12:00', '2026-01-01T12:00+02:00'], timezone: berlin },
    ['01-01T05:00', '01-01T10:00', '01-01T11:00'],
  ],
  [
    'a calendar is 0 below its finest field',
    { calendar: { hour: [6, '18-19'] } },
    ['01-01T06:00', '01-01T18:00', '01-01T19:00'],
  ],
  [
    'and any above it',
    { calendar: { minute: 30 }, only: { calendar: { hour: '0-1' } } },
    ['01-01T00:30', '01-01T01:30'],
  ],
  [
    'the fields of a calendar must all fit',
    [
      { day: 1, weekday: 'thu', hour: 4 },
      { day: 1, weekday: 'fri', hour: 5 },
    ],
    ['01-01T04:00'],
  ],
  [
    'several rules are a union, each instant once',
    { cron: ['0 */12 * * *', '0 6 * * *'], every: '12h' },
    ['01-01T00:00', '01-01T06:00', '01-01T12:00'],
  ],
  [
    'from startAt on and before endAt',
    { every: '6h', startAt: '2026-01-01T06:00', endAt: new Date('2026-01-01T18:00Z') },
    ['01-01T06:00', '01-01T12:00'],
  ],
  [
    'minutes of a five-field cron are left out whole, and seconds of six fields alone',
    {
      cron: '*/30 0-2 0 * * *',
      dialect: 'seconds',
      exclude: [{ cron: '0 * * * *' }, { cron: '30 1 * * * *', dialect: 'seconds' }],
    },
    ['01-01T00:01', '01-01T00:02', '01-01T00:02'],
  ],
  [
    'office hours',
    { every: '4h', only: { calendar: { hour: '8-17' } } },
    ['01-01T08:00', '01-01T12:00', '01-01T16:00'],
  ],
  [
    'without lunch',
    { every: '4h', only: { calendar: { hour: '8-17' } }, exclude: { calendar: { hour: 12 } } },
    ['01-01T08:00', '01-01T16:00'],
  ],
  [
    'without single instants',
    { every: '8h', exclude: [{ at: '2026-01-01T08:00' }, { every: '16h', phase: '8h' }] },
    ['01-01T00:00', '01-01T16:00'],
  ],
] as const)('%s', (_, given, expected) => {
  const spec = (Array.isArray(given) ? { calendar: given } : given) as TimetableSpec
  expect(between(spec, '2026-01-01T00:00Z', '2026-01-02T00:00Z')).toEqual(expected)
})

test('named calendars are left out on the clock of the timetable, or alone kept', () => {
  const daily = { cron: '30 0 * * *', timezone: berlin } as const
  const days = (spec: TimetableSpec) =>
    between(spec, '2026-12-23T12:00Z', '2026-12-28T12:00Z').map((at) => at.slice(0, 5))
  expect(days(daily)).toEqual(['12-23', '12-24', '12-25', '12-26', '12-27'])
  expect(days({ ...daily, exclude: 'holidays' })).toEqual(['12-23', '12-26', '12-27'])
  expect(days({ ...daily, only: 'holidays' })).toEqual(['12-24', '12-25'])
  expect(days({ ...daily, exclude: ['holidays', { calendar: { weekday: 'sun,mon' } }] })).toEqual(['12-23'])
  expect(between({ ...daily, exclude: 'freeze' }, '2026-12-18T00:00Z', '2027-01-06T00:00Z')).toEqual([
    '12-18T23:30',
    '01-04T23:30',
    '01-05T23:30',
  ])
})

test.each([
  ['no rule', {}, 'one of cron, every, at, calendar, rrule'],
  ['an unknown calendar', { every: '1d', exclude: 'hollidays' }, 'perhaps holidays'],
  ['an empty exclusion', { every: '1d', exclude: {} }, 'rules with cron'],
  ['a calendar without fields', { calendar: {} }, 'year, month, weekday, day, hour, minute, second'],
  ['a field that there is not', { calendar: { hours: 3 } as object }, 'hours'],
  ['a text that is no time', { at: 'tomorrow' }, '2026-12-24T18:00Z'],
  ['a day that there is not', { every: '1d', exclude: { dates: '2026-13-01' } }, '2026-12-25'],
  [
    'a period the wrong way round',
    { every: '1d', exclude: { between: [['2026-02-01', '2026-01-01']] } },
    'later than the first',
  ],
  ['nothing left', { cron: '0 0 * * sun', only: { calendar: { weekday: 'sat' } } }, 'leave nothing'],
  ['an end before the start', { every: '1d', startAt: '2026-02-01', endAt: '2026-01-01' }, 'leave nothing'],
  ['a phase alone', { cron: '@daily', phase: '1h' }, 'together with every'],
  ['two zones', { cron: 'TZ=Asia/Tokyo 0 0 * * *', timezone: berlin }, 'Asia/Tokyo as the rule itself says'],
  ['a zone that there is not', { every: '1d', timezone: 'Mars/Olympus' }, 'Europe/Berlin'],
  ['a policy that there is not', { cron: '@daily', dst: { gap: 'jump' as 'skip' } }, 'dst.gap'],
  ['a dialect that there is not', { cron: '@daily', dialect: 'jenkins' as 'vixie' }, 'dialect'],
] as const)('%s is refused, and the reason says so', (_, spec, reason) => {
  const make = () => timetable(spec, { calendars })
  expect(make).toThrow(expect.objectContaining({ code: 'LW_OPTION_INVALID' }))
  expect(make).toThrow(reason)
})

test('a spec is stored as JSON, means the same afterwards, and what means the same is written the same', () => {
  const spec: TimetableSpec = {
    timezone: berlin,
    every: '90m',
    phase: '5m',
    at: [new Date('2026-01-01T05:00Z')],
    calendar: { weekday: 'mon', hour: 9 },
    exclude: ['holidays', { between: [[new Date('2026-01-01T06:00Z'), '2026-01-01T12:00']] }],
    startAt: new Date('2025-12-01T00:00Z'),
  }
  const wire = JSON.parse(JSON.stringify(wireSpec(spec))) as ReturnType<typeof wireSpec>
  expect(wire).toEqual(wireSpec(spec))
  expect(wire).toMatchObject({ every: 5_400_000, phase: 300_000, at: ['2026-01-01T05:00:00.000Z'] })
  const days = ['2026-01-01T00:00Z', '2026-01-08T00:00Z'] as const
  expect(between(wire, ...days)).toEqual(between(spec, ...days))
  expect(JSON.stringify(wireSpec({ phase: '60s', every: 5_400_000 }))).toBe(
    JSON.stringify(wireSpec({ every: '1.5h', phase: '1m' })),
  )
})

test.each([
  [{ cron: '30 2 * * *', timezone: berlin }, 'At 02:30 every day, on the clock of Europe/Berlin.'],
  [{ cron: '*/5 * * * *' }, 'Every 5 minutes.'],
  [{ cron: '* * * * *' }, 'Every minute.'],
  [{ cron: '@hourly' }, 'Every hour.'],
  [{ cron: '0 9-17 * * mon-fri' }, 'Every hour from 09:00 to 17:59 on Monday to Friday.'],
  [{ cron: '15,45 8 * * 1,3' }, 'At 08:15 and 08:45 on Monday and Wednesday.'],
  [{ cron: '0 0 13 * 5' }, 'At 00:00 on the 13th, and on Friday.'],
  [{ cron: '0 0 13 * 5', dialect: 'temporal' }, 'At 00:00 on the 13th where that is Friday.'],
  [{ cron: '0 0 1 1,2,3,12 *' }, 'At 00:00 on the 1st in January to March and December.'],
  [{ cron: '0 0 12 ? * 6#3', dialect: 'quartz' }, 'At 12:00 on the 3rd Friday of the month.'],
  [{ cron: '0 0 12 ? * 6L 2030', dialect: 'quartz' }, 'At 12:00 on the last Friday of the month in 2030.'],
  [{ cron: '0 0 12 L-3 * ?', dialect: 'quartz' }, 'At 12:00 on the 4th last day of the month.'],
  [{ cron: '*/10 * * * * *', dialect: 'seconds' }, 'Every 10 seconds.'],
  [{ cron: 'rate(1 hour)', dialect: 'eventbridge' }, 'Every hour.'],
  [{ every: '15m', phase: '5m' }, 'Every 15 minutes and 5 minutes after.'],
  [{ at: ['2026-12-24T18:00:00Z'] }, 'At 2026-12-24 18:00 UTC.'],
  [
    { calendar: { weekday: 'mon', hour: 9 }, exclude: ['holidays', { dates: '2026-12-24/2027-01-06' }] },
    'At 09:00 on Monday, except in the calendar holidays or on 2026-12-24 to 2027-01-06.',
  ],
  [
    { cron: '*/5 * * * *', only: { calendar: { hour: '8-17', weekday: 'mon-fri' } } },
    'Every 5 minutes, only from 08:00 to 17:59 on Monday to Friday.',
  ],
  [
    { rrule: 'DTSTART;TZID=Asia/Tokyo:20260105T090000\nRRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE' },
    'Every 2 weeks on Monday and Wednesday at 09:00 from 2026-01-05, on the clock of Asia/Tokyo.',
  ],
  [
    { cron: '@daily', startAt: '2026-01-01', endAt: '2026-07-01' },
    'At 00:00 every day, from 2026-01-01, until 2026-07-01.',
  ],
] as const)('%j reads: %s', (spec, sentence) => {
  expect(timetable(spec, { calendars }).describe()).toBe(sentence)
})

test('a rule for every second passes a year that is left out in one step, both ways', () => {
  const sparse = timetable({
    cron: '* * * * * *',
    dialect: 'seconds',
    exclude: { between: [['2026-01-01', '2027-01-01']] },
  })
  expect(sparse.next(new Date('2026-01-01T00:00Z'))?.toISOString()).toBe('2027-01-01T00:00:00.000Z')
  expect(sparse.previous(new Date('2026-07-01T00:00Z'))?.toISOString()).toBe('2025-12-31T23:59:59.000Z')
})
