import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { job, schedule, type ScheduleOptions } from '../../src/index.ts'
import { endOfWindow, momentOf } from '../../src/schedule/window.ts'
import { failureOf } from '../support/failure.ts'
import { decided, defaults, everyMs, hour, inShort, later, minute, noon } from './support.ts'

const halfAnHour = 30 * minute

describe('an hourly schedule with half an hour from noon on, for which a moment was chosen', () => {
  /* All times in minutes after noon; `next` is the next instant and the span in which it fires. */
  const table = [
    { when: 'before the moment', chosen: 10, now: 9, runs: [], missed: 0, next: [0, 9, 30] },
    { when: 'at the moment', chosen: 10, now: 10, runs: ['0'], missed: 0, next: [60, 60, 90] },
    { when: 'after it, in the window', chosen: 10, now: 29, runs: ['0'], missed: 0, next: [60, 60, 90] },
    { when: 'a minute after the window', chosen: 10, now: 31, runs: ['0'], missed: 0, next: [60, 60, 90] },
    { when: 'two minutes after the window', chosen: 10, now: 32, runs: ['~0'], missed: 0, next: [60, 60, 90] },
    { when: 'in the window of the next', chosen: 10, now: 70, runs: ['~0'], missed: 0, next: [60, 70, 90] },
    {
      when: 'at the end of the window of the next',
      chosen: 10,
      now: 90,
      runs: ['1'],
      missed: 1,
      next: [120, 120, 150],
    },
    { when: 'three hours later', chosen: 10, now: 200, runs: ['~2'], missed: 2, next: [180, 200, 210] },
    { when: 'when a try failed shortly after', chosen: 31, now: 31, runs: ['0'], missed: 0, next: [60, 60, 90] },
  ] as const
  test.each(table)('$when fires $runs', ({ chosen, now, runs, missed, next: [nominal, begin, end] }) => {
    const decision = decided({ window: halfAnHour }, { dueAt: later(chosen * minute), now: later(now * minute) })
    expect(inShort(decision)).toEqual(runs)
    expect(decision.missed.reduce((sum, { count }) => sum + count, 0)).toBe(missed)
    expect(decision.next?.nominal).toEqual(later(nominal * minute))
    for (const moment of decision.next?.choices?.moments ?? []) {
      expect(moment.getTime()).toBeGreaterThanOrEqual(later(begin * minute).getTime())
      expect(moment.getTime()).toBeLessThan(later(end * minute).getTime())
    }
    expect(decision.next?.choices?.moments).toContainEqual(decision.next?.due)
  })
})

test('a start deadline counts from the end of the window', () => {
  const standing = (minutes: number) => ({ dueAt: later(29 * minute), now: later(minutes * minute) })
  const policy = { window: halfAnHour, startDeadline: 5 * minute }
  expect(inShort(decided(policy, standing(29)))).toEqual(['0'])
  expect(inShort(decided(policy, standing(35)))).toEqual(['~0'])
  expect(decided(policy, standing(36))).toMatchObject({ runs: [], left: [{ reason: 'its start deadline has passed' }] })
})

test('how old a missed instant may be counts from the end of the window', () => {
  const standing = (minutes: number) => ({ dueAt: later(29 * minute), now: later(minutes * minute) })
  const policy = { window: halfAnHour, catchUpWindow: 10 * minute }
  expect(inShort(decided(policy, standing(40)))).toEqual(['~0'])
  expect(inShort(decided(policy, standing(41)))).toEqual([])
})

test('each instant fires in its window and before the next, at the same moments in every process, in their order', () => {
  const window = fc.integer({ min: 1, max: 3 * hour })
  const every = fc.constantFrom(1, 1_000, 7 * minute, hour)
  const passed = fc.integer({ min: -hour, max: 2 * hour })
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), window, every, passed, (id, length, ms, since) => {
      const table = everyMs(ms)
      const policy = { ...defaults, window: length }
      let before = 0
      for (let at = table.next(noon) ?? noon, n = 0; n < 5; at = table.next(at) ?? at, n++) {
        const now = new Date(at.getTime() + since)
        const moment = momentOf(id, at, policy, table, now)
        expect(moment).toEqual(momentOf(id, at, policy, everyMs(ms), now))
        const end = endOfWindow(at, length, table)
        expect(end.getTime()).toBe(at.getTime() + Math.min(length, ms - 1))
        const times = (moment.choices?.moments ?? [moment.due]).map((each) => each.getTime())
        expect(times).toContain(moment.due.getTime())
        for (const time of times) {
          expect(time).toBeGreaterThanOrEqual(at.getTime())
          expect(time).toBeLessThanOrEqual(end.getTime())
          expect(time).toBeLessThan(table.next(at)?.getTime() ?? 0)
          // what is left of a window is to come; of one that is over nothing is
          if (now < end) expect(time).toBeGreaterThan(now.getTime())
        }
        expect(Math.min(...times)).toBeGreaterThan(before)
        before = Math.max(...times)
      }
    }),
  )
})

test('windows of all lengths are compared in parts of the same clock', () => {
  const part = (length: number) =>
    momentOf('a', noon, { ...defaults, window: length }, { ...everyMs(hour), next: () => undefined }, noon).choices
      ?.part
  expect(part(10_000)).toBe(1_000)
  expect(part(5 * minute)).toBe(5_000)
  expect(part(10 * minute)).toBe(10_000)
  expect(part(59 * minute)).toBe(30_000)
  expect(part(12 * hour)).toBe(10 * minute)
  expect(part(1_000 * hour)).toBe(halfAnHour)
})

const noted = job('noted', {}, () => undefined)

test.each([
  [{ cron: '0 2 * * *', window: '30m', jitter: '5m' }, 'left out where jitter is given'],
  [{ every: '1h', window: '30m', anchor: 'lastCompletion' }, "left out where anchor is 'lastCompletion'"],
  [{ cron: '0 2 * * *', window: '0m' }, 'longer than nothing'],
  [{ cron: '0 2 * * *', window: 'half an hour' }, 'a duration'],
] as const)('%j is refused: %s', async (options, rule) => {
  const making = async () => schedule('vacuum', { ...options, job: noted } as ScheduleOptions<unknown>)
  const error = await failureOf(making())
  expect(error).toMatchObject({ code: 'LW_OPTION_INVALID', details: { option: 'window' } })
  expect(error?.message).toContain(rule)
})
