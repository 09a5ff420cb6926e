import { RRuleTemporal } from 'rrule-temporal'
import { expect, test } from 'vitest'
import { timetable } from '../../../src/core/calendar/timetable.ts'

const start = 'DTSTART;TZID=UTC:20260105T093000'

function ours(rrule: string, n: number): string[] {
  const table = timetable({ rrule })
  const found: Date[] = []
  for (let at = table.next(new Date(0)); at && found.length < n; at = table.next(at)) found.push(at)
  const back: Date[] = []
  for (let at = found.at(-1); at; at = table.previous(at)) back.unshift(at)
  expect(back).toEqual(found)
  return found.map((at) => at.toISOString())
}

function theirs(rruleString: string, n: number): string[] {
  const rule = new RRuleTemporal({ rruleString })
  const found: string[] = []
  for (let at = rule.next(new Date(0), true); at && found.length < n; at = rule.next(new Date(at.epochMilliseconds)))
    found.push(new Date(at.epochMilliseconds).toISOString())
  return found
}

test.each([
  'FREQ=DAILY',
  'FREQ=DAILY;INTERVAL=3;COUNT=10',
  'FREQ=DAILY;UNTIL=20260201T093000Z',
  'FREQ=DAILY;BYMONTH=2,3;BYHOUR=6,18;BYMINUTE=0,15',
  'FREQ=DAILY;BYMONTHDAY=31',
  'FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR;INTERVAL=2',
  'FREQ=WEEKLY',
  'FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,MO;WKST=MO',
  'FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,MO;WKST=SU',
  'FREQ=WEEKLY;BYDAY=TU,TH;BYMONTH=6',
  'FREQ=WEEKLY;BYDAY=MO,WE,FR;BYSETPOS=-1',
  'FREQ=MONTHLY',
  'FREQ=MONTHLY;BYMONTHDAY=-1',
  'FREQ=MONTHLY;BYMONTHDAY=31',
  'FREQ=MONTHLY;BYDAY=1FR,-1MO',
  'FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13',
  'FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1',
  'FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=2,-2;INTERVAL=5',
  'FREQ=MONTHLY;BYMONTHDAY=1,15;BYHOUR=8,20;BYSETPOS=1,4',
  'FREQ=YEARLY',
  'FREQ=YEARLY;INTERVAL=3;BYMONTH=1,6',
  'FREQ=YEARLY;BYMONTH=11;BYDAY=4TH',
  'FREQ=YEARLY;BYDAY=20MO,-1SU',
  'FREQ=YEARLY;BYYEARDAY=1,100,-1',
  'FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29',
  'FREQ=YEARLY;BYMONTHDAY=13;BYDAY=FR',
  'FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO',
  'FREQ=YEARLY;BYDAY=MO;BYSETPOS=5',
  'FREQ=HOURLY;INTERVAL=5',
  'FREQ=HOURLY;BYHOUR=9,10;BYMINUTE=0,30;BYDAY=MO',
  'FREQ=HOURLY;BYMONTH=3;INTERVAL=7',
  'FREQ=MINUTELY;INTERVAL=90',
  'FREQ=MINUTELY;BYHOUR=9;BYMINUTE=0,20,40;BYMONTHDAY=1',
  'FREQ=SECONDLY;INTERVAL=45;COUNT=50',
])('%s has the instants that rrule-temporal finds', (rule) => {
  const text = `${start}\nRRULE:${rule}`
  expect(ours(text, 30)).toEqual(theirs(text, 30))
})

test('weeks without a weekday have that of the start', () => {
  const text = `${start}\nRRULE:FREQ=YEARLY;BYWEEKNO=1,53`
  expect(ours(text, 4).map((at) => at.slice(0, 10))).toEqual(['2026-12-28', '2027-01-04', '2028-01-03', '2029-01-01'])
})

test('in a zone, a time that the clock skips comes after the gap, and one that it shows twice comes once', () => {
  const around = (from: string) => {
    const table = timetable({ rrule: 'DTSTART;TZID=America/New_York:20260101T013000\nRRULE:FREQ=DAILY;BYHOUR=1,2' })
    const first = table.next(new Date(from))
    return [first, first && table.next(first)].map((at) => at?.toISOString().slice(5, 16))
  }
  expect(around('2026-03-08T05:00Z')).toEqual(['03-08T06:30', '03-08T07:00'])
  expect(around('2026-11-01T05:00Z')).toEqual(['11-01T05:30', '11-01T07:30'])
})

test('an end in UTC is compared with instants, and a date means its whole day', () => {
  const last = (until: string) =>
    ours(`DTSTART;TZID=Asia/Tokyo:20260101T080000\nRRULE:FREQ=DAILY;UNTIL=${until}`, 30).at(-1)
  expect(last('20260103T230000Z')).toBe('2026-01-03T23:00:00.000Z')
  expect(last('20260103T225959Z')).toBe('2026-01-02T23:00:00.000Z')
  expect(last('20260104')).toBe('2026-01-03T23:00:00.000Z')
})

test.each([
  ['RRULE:FREQ=DAILY', 'DTSTART'],
  [`${start}\nRRULE:FREQ=FORTNIGHTLY`, 'FREQ of rrule'],
  [`${start}\nRRULE:FREQ=DAILY;COUNT=3;UNTIL=20260301`, 'COUNT or UNTIL'],
  [`${start}\nRRULE:FREQ=DAILY;INTERVAL=0`, 'INTERVAL of rrule'],
  [`${start}\nRRULE:FREQ=DAILY;BYDAY=1MO`, 'BYDAY of rrule'],
  [`${start}\nRRULE:FREQ=DAILY;BYHOUR=24`, 'BYHOUR of rrule'],
  [`${start}\nRRULE:FREQ=WEEKLY;BYMONTHDAY=3`, 'BYMONTHDAY of rrule'],
  [`${start}\nRRULE:FREQ=MONTHLY;BYWEEKNO=3`, 'BYWEEKNO of rrule'],
  [`${start}\nRRULE:FREQ=DAILY;BYSETPOS=1`, 'BYSETPOS of rrule'],
  [`${start}\nRRULE:FREQ=DAILY;BYEASTER=1`, 'BYEASTER'],
  [`${start}\nRRULE:FREQ=DAILY\nEXDATE:20260107T093000`, 'exclude'],
  [`${start}\nRRULE:FREQ=DAILY;COUNT=20000`, 'COUNT of rrule'],
  [`${start}\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30`, 'fire at some time'],
])('%j is refused, and the reason names %s', (rrule, reason) => {
  expect(() => timetable({ rrule })).toThrow(reason)
})
