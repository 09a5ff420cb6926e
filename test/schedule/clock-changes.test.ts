import { expect, test } from 'vitest'
import { job, type Schedule, schedule, type ScheduleOptions } from '../../src/index.ts'
import { testEngine } from '../support/engine.ts'

const noted = job('noted', {}, () => undefined)
const newYork = 'America/New_York'

interface Night {
  readonly rule: Omit<ScheduleOptions<unknown>, 'job'>
  /** When it fired, on the clocks of New York. */
  readonly spring: readonly string[]
  readonly autumn: readonly string[]
}

/** On 8 March 2026 there is no time from 2:00 to 3:00; on 1 November the hour from 1:00 to 2:00 comes twice. */
const nights: readonly Night[] = [
  { rule: { cron: '30 2 * * *' }, spring: ['03:00 EDT'], autumn: ['02:30 EST'] },
  { rule: { cron: '30 1 * * *' }, spring: ['01:30 EST'], autumn: ['01:30 EDT'] },
  { rule: { cron: '30 2 * * *', dst: { gap: 'skip' } }, spring: [], autumn: ['02:30 EST'] },
  { rule: { cron: '30 2 * * *', dst: { gap: 'shift' } }, spring: ['03:30 EDT'], autumn: ['02:30 EST'] },
  { rule: { cron: '30 1 * * *', dst: { overlap: 'both' } }, spring: ['01:30 EST'], autumn: ['01:30 EDT', '01:30 EST'] },
  {
    rule: { cron: '0 0-3/1 * * *' },
    spring: ['00:00 EST', '01:00 EST', '03:00 EDT'],
    autumn: ['00:00 EDT', '01:00 EDT', '01:00 EST', '02:00 EST', '03:00 EST'],
  },
  { rule: { every: '2h' }, spring: ['01:00 EST', '04:00 EDT'], autumn: ['00:00 EDT', '01:00 EST', '03:00 EST'] },
]

test.each(nights)('$rule through the nights in which the clocks are changed', async ({ rule, spring, autumn }) => {
  expect(await firedIn(rule, new Date('2026-03-08T04:59:00Z'), new Date('2026-03-08T08:30:00Z'))).toEqual(spring)
  expect(await firedIn(rule, new Date('2026-11-01T03:59:00Z'), new Date('2026-11-01T08:30:00Z'))).toEqual(autumn)
})

async function firedIn(rule: Night['rule'], start: Date, end: Date): Promise<string[]> {
  const rules: Schedule = schedule('night', { timezone: newYork, ...rule, job: noted, overlap: 'allow' })
  const { engine, advance } = await testEngine({ jobs: [noted], schedules: [rules], start })
  await advance(end.getTime() - start.getTime())
  const history = await engine.schedules.history('night')
  expect(history.every(({ outcome, kind }) => outcome === 'fired' && kind === 'scheduled')).toBe(true)
  return history.map(({ nominal }) => clock.format(nominal)).toReversed()
}

const clock = new Intl.DateTimeFormat('en-US', {
  hourCycle: 'h23',
  timeZone: newYork,
  hour: '2-digit',
  minute: '2-digit',
  timeZoneName: 'short',
})
