import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Policy } from '../../src/core/schedule.ts'
import type { Instants } from '../../src/schedule/timetables.ts'
import { momentOf } from '../../src/schedule/window.ts'
import { decide, type Standing } from '../../src/schedule/decide.ts'
import { decided, defaults, everyMs, hour, inShort, later, minute, noon } from './support.ts'

describe('while earlier runs are unfinished', () => {
  test.each([
    { overlap: 'skip', live: [], runs: ['0'], left: 0, stop: undefined },
    { overlap: 'skip', live: ['7'], runs: [], left: 1, stop: undefined },
    { overlap: 'bufferOne', live: ['7'], runs: ['7<0'], left: 0, stop: undefined },
    { overlap: 'bufferOne', live: ['7', '8'], runs: [], left: 1, stop: undefined },
    { overlap: 'bufferAll', live: ['7', '8'], runs: ['7+8<0'], left: 0, stop: undefined },
    { overlap: 'cancelRunning', live: ['7'], runs: ['7<0'], left: 0, stop: { ids: ['7'], how: 'asked' } },
    { overlap: 'terminateRunning', live: ['7'], runs: ['0'], left: 0, stop: { ids: ['7'], how: 'now' } },
    { overlap: 'allow', live: ['7', '8'], runs: ['0'], left: 0, stop: undefined },
  ] as const)('$overlap with $live fires $runs', ({ overlap, live, runs, left, stop }) => {
    const decision = decided({ overlap }, { live })
    expect(inShort(decision)).toEqual(runs)
    expect(decision.left).toHaveLength(left)
    expect(decision.stop).toEqual(stop)
    expect(decision.next?.nominal).toEqual(later(hour))
  })

  test('bufferAll lets no more wait than its limit', () => {
    expect(inShort(decided({ overlap: 'bufferAll', bufferLimit: 2 }, { live: ['1', '2', '3'] }))).toEqual([])
    expect(inShort(decided({ overlap: 'bufferAll', bufferLimit: 3 }, { live: ['1', '2', '3'] }))).toEqual(['1+2+3<0'])
  })

  test('of several instants that are due at once, skip fires the first and cancelRunning the last', () => {
    const rest = { table: everyMs(20_000), now: later(50_000) }
    expect(decided({ overlap: 'skip' }, rest)).toMatchObject({ runs: [{ nominal: noon }], left: [{}, {}] })
    expect(decided({ overlap: 'cancelRunning' }, rest)).toMatchObject({
      runs: [{ nominal: later(40_000) }],
      left: [{}, {}],
    })
  })
})

describe('after nobody fired for a while', () => {
  const now = later(5 * hour + 30 * minute)
  test.each([
    { catchUp: 'last', window: undefined, runs: ['~5'], missed: 5 },
    { catchUp: 'last', window: 10 * minute, runs: [], missed: 6 },
    { catchUp: 'none', window: undefined, runs: [], missed: 6 },
    {
      catchUp: 'all',
      window: undefined,
      runs: ['~0', '0<~1', '0+1<~2', '0+1+2<~3', '0+1+2+3<~4', '0+1+2+3+4<~5'],
      missed: 0,
    },
    { catchUp: 'all', window: 2 * hour, runs: ['~4', '0<~5'], missed: 4 },
  ] as const)('$catchUp within $window fires $runs', ({ catchUp, window, runs, missed }) => {
    const decision = decided({ catchUp, ...(window && { catchUpWindow: window }) }, { now })
    expect(inShort(decision)).toEqual(runs)
    expect(decision.missed.reduce((sum, { count }) => sum + count, 0)).toBe(missed)
    expect(decision.next?.nominal).toEqual(later(6 * hour))
  })

  test('a minute late is in time, a millisecond more is not', () => {
    expect(inShort(decided({ catchUp: 'none' }, { now: later(minute) }))).toEqual(['0'])
    expect(inShort(decided({ catchUp: 'none' }, { now: later(minute + 1) }))).toEqual([])
  })

  test('last needs no run of its own when a later instant is in time', () => {
    const decision = decided({}, { now: later(5 * hour) })
    expect(inShort(decision)).toEqual(['5'])
    expect(decision.missed).toMatchObject([{ from: noon, until: later(4 * hour), count: 5 }])
  })

  test('the window is an hour for what fires more often than hourly, else a day', () => {
    expect(inShort(decided({}, { now: later(30 * hour + 30 * minute) }))).toEqual(['~30'])
    expect(inShort(decided({ catchUpWindow: 30 * minute }, { now: later(30 * minute) }))).toEqual(['~0'])
    expect(inShort(decided({ catchUpWindow: 30 * minute }, { now: later(30 * minute + 1) }))).toEqual([])
    expect(inShort(decided({ catchUp: 'all' }, { now: later(30 * hour + 30 * minute) }))).toHaveLength(24)
    expect(
      inShort(decided({ catchUp: 'all' }, { table: everyMs(10 * minute), now: later(30 * hour + 5 * minute) })),
    ).toHaveLength(6)
  })

  test('all is capped at a hundred, and what is dropped is counted', () => {
    const decision = decided({ catchUp: 'all', catchUpWindow: 400 * hour }, { now: later(250 * hour - minute) })
    expect(decision.runs).toHaveLength(100)
    expect(decision.missed).toMatchObject([{ from: noon, until: later(149 * hour), count: 150, more: false }])
  })

  test('a year of missed seconds costs a bounded number of steps', () => {
    let steps = 0
    const table = everyMs(1_000)
    const counting: Instants = {
      next: (at) => (steps++, table.next(at)),
      previous: (at) => (steps++, table.previous(at)),
    }
    const decision = decided({ catchUp: 'all' }, { table: counting, now: later(365 * 24 * hour) })
    expect(steps).toBeLessThan(1_300)
    expect(decision.runs).toHaveLength(161)
    expect(decision.missed).toMatchObject([{ count: 1_000, more: true }])
  })
})

describe('bounds', () => {
  test('an instant whose start deadline has passed is dropped', () => {
    const decision = decided({ startDeadline: 10_000 }, { now: later(10_001) })
    expect(decision).toMatchObject({ runs: [], left: [{ nominal: noon, reason: 'its start deadline has passed' }] })
    expect(inShort(decided({ startDeadline: 10_000 }, { now: later(10_000) }))).toEqual(['0'])
  })

  test('it ends after so many runs', () => {
    expect(decided({ maxRuns: 3 }, { runs: 1 }).next).toBeDefined()
    expect(decided({ maxRuns: 3 }, { runs: 2 })).toMatchObject({ runs: [{}], next: undefined })
  })

  test('jitter puts an instant off, always by the same, and never beyond the next', () => {
    const jitter = 3 * hour
    const first = decided({ jitter }).next
    expect(first).toEqual(decided({ jitter }).next)
    const due = first?.due.getTime() ?? 0
    expect(due).toBeGreaterThanOrEqual(noon.getTime())
    expect(due).toBeLessThan(later(hour).getTime())
    expect(decided({ jitter }, { now: new Date(due - 1) }).runs).toEqual([])
    expect(decided({ jitter }, { now: new Date(due) }).runs).toMatchObject([{ nominal: noon }])
  })

  test('jitter spreads the schedules evenly', () => {
    const shares = Array.from({ length: 1_000 }, (_, n) => {
      const due = decide({
        id: `report-${n}`,
        policy: { ...defaults, jitter: hour },
        table: everyMs(hour),
        nextAt: noon,
        live: [],
        runs: 0,
        now: noon,
      }).next?.due
      return ((due?.getTime() ?? 0) - noon.getTime()) / hour
    })
    for (const low of [0, 0.25, 0.5, 0.75]) {
      const count = shares.filter((share) => share >= low && share < low + 0.25).length
      expect(count).toBeGreaterThan(180)
      expect(count).toBeLessThan(320)
    }
  })
})

test('every instant is dealt with once, in order, whatever the policies and however long the pauses', () => {
  const policies = fc.record({
    overlap: fc.constantFrom('skip', 'bufferOne', 'bufferAll', 'cancelRunning', 'terminateRunning', 'allow'),
    catchUp: fc.constantFrom('none', 'last', 'all'),
    bufferLimit: fc.integer({ min: 1, max: 5 }),
    putOff: fc.oneof(
      fc.constant({}),
      fc.record({ jitter: fc.integer({ min: 1, max: 2 * hour }) }),
      fc.record({ window: fc.integer({ min: 1, max: 2 * hour }) }),
    ),
    startDeadline: fc.option(fc.integer({ min: 1_000, max: hour }), { nil: undefined }),
  })
  const pauses = fc.array(fc.integer({ min: 1, max: 3 * hour }), { minLength: 1, maxLength: 12 })
  const every = fc.constantFrom(20_000, 7 * minute, hour)
  fc.assert(
    fc.property(policies, pauses, every, fc.integer({ min: 0, max: 2 }), ({ putOff, ...given }, waits, ms, busy) => {
      const table = everyMs(ms)
      const policy = { ...defaults, ...clean(given), ...putOff } as Policy
      const first = table.next(noon) ?? noon
      const standing: Writable<Standing> = { id: 'a', policy, table, nextAt: first, live: [], runs: 0, now: noon }
      standing.dueAt = momentOf('a', first, policy, table, noon).due
      let dealt = 0
      for (const wait of waits) {
        standing.now = new Date(standing.now.getTime() + wait)
        standing.live = ['1', '2'].slice(0, busy)
        const { runs, left, missed, next } = decide(standing)
        const all = [...runs, ...left].map(({ nominal }) => nominal.getTime())
        expect(new Set(all).size).toBe(all.length)
        dealt += all.length + missed.reduce((sum, { count }) => sum + count, 0)
        if (!next) throw new Error('it goes on for ever')
        expect(next.due > standing.now).toBe(true)
        expect(next.nominal >= standing.nextAt).toBe(true)
        expect(all.every((at) => at >= standing.nextAt.getTime() && at < next.nominal.getTime())).toBe(true)
        standing.nextAt = next.nominal
        standing.dueAt = next.choices?.moments.at(busy) ?? next.due
      }
      expect(dealt).toBe((standing.nextAt.getTime() - first.getTime()) / ms)
    }),
    { numRuns: 500 },
  )
})

type Writable<T> = { -readonly [K in keyof T]: T[K] }

function clean(given: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}
