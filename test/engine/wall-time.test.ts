import { expect, test } from 'vitest'
import { job, type WallTime } from '../../src/index.ts'
import { testEngine } from '../support/engine.ts'
import { failureOf } from '../support/failure.ts'

const quick = job('quick', {}, () => undefined)
const newYork = 'America/New_York'

test('a job may be due at a time on the clocks of a zone, also one that they show twice or skip', async () => {
  const table: [WallTime, string][] = [
    [{ local: '2026-07-01T09:00', timezone: newYork }, '2026-07-01T13:00:00.000Z'],
    [{ local: '2026-11-01T01:30', timezone: newYork }, '2026-11-01T05:30:00.000Z'],
    [{ local: '2026-11-01T01:30', timezone: newYork, disambiguation: 'later' }, '2026-11-01T06:30:00.000Z'],
    [{ local: '2027-03-14T02:30', timezone: newYork }, '2027-03-14T07:30:00.000Z'],
    [{ local: '2027-03-14T02:30', timezone: newYork, disambiguation: 'earlier' }, '2027-03-14T06:30:00.000Z'],
  ]
  const { engine } = await testEngine({ jobs: [quick], start: new Date('2026-06-01T00:00:00Z') })
  for (const [at, due] of table) {
    const ref = await engine.enqueue(quick, undefined, { at })
    expect((await ref.status()).runAt?.toISOString()).toBe(due)
  }
  const reject = { local: '2026-11-01T01:30', timezone: newYork, disambiguation: 'reject' } as const
  expect(await failureOf(engine.enqueue(quick, undefined, { at: reject }))).toMatchObject({ code: 'LW_OPTION_INVALID' })
  for (const local of ['2026-02-30T10:00', '2026-11-01', 'soon'])
    expect(await failureOf(engine.enqueue(quick, undefined, { at: { local, timezone: newYork } }))).toMatchObject({
      code: 'LW_OPTION_INVALID',
    })
})

test('it is put off and cancelled by its key', async () => {
  const { engine, advance } = await testEngine({ jobs: [quick], start: new Date('2026-06-01T00:00:00Z') })
  const ref = await engine.enqueue(quick, undefined, {
    key: 'order-7',
    at: { local: '2026-06-01T09:00', timezone: newYork },
  })
  await engine.change({ name: 'quick', key: 'order-7' }, { at: { local: '2026-06-02T09:00', timezone: newYork } })
  await advance('1d')
  expect((await ref.status()).state).toBe('scheduled')
  await engine.cancel({ name: 'quick', key: 'order-7' })
  expect((await ref.status()).state).toBe('cancelled')
})
