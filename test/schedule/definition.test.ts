import { expect, test } from 'vitest'
import { job, schedule } from '../../src/index.ts'
import { testEngine } from '../support/engine.ts'
import { failureOf } from '../support/failure.ts'

const start = new Date('2026-12-23T12:00:00Z')
const noted = job('noted', {}, () => undefined)

test('a calendar with a name leaves out days, for every process that fires', async () => {
  const daily = schedule('daily', { cron: '0 9 * * *', job: noted, exclude: ['holidays'] })
  const calendars = { holidays: { dates: ['2026-12-25', '2026-12-26'] } }
  const world = await testEngine({ jobs: [noted], schedules: [daily], calendars, start })
  const days = [24, 27, 28].map((day) => new Date(Date.UTC(2026, 11, day, 9)))
  expect(await world.engine.schedules.next('daily', 3)).toEqual(days)
  expect(world.engine.schedules.preview({ cron: '0 9 * * *', exclude: 'holidays' }, 3)).toEqual(days)
  await world.crash()
  const { engine, advance } = await world.another({ schedules: [], calendars: {} })
  await advance('6d')
  expect((await engine.schedules.history('daily')).map(({ nominal }) => nominal.getUTCDate())).toEqual([29, 28, 27, 24])
  expect(await failureOf(world.another({ calendars: {} }))).toMatchObject({ code: 'LW_OPTION_INVALID' })
})

test('several rules are one schedule', async () => {
  const mixed = schedule('mixed', { cron: ['0 14 * * *', '0 16 * * *'], at: '2026-12-23T15:00:00Z', job: noted })
  const { engine, advance } = await testEngine({ jobs: [noted], schedules: [mixed], start })
  await advance('6h')
  expect((await engine.schedules.history('mixed')).map(({ nominal }) => nominal.getUTCHours())).toEqual([16, 15, 14])
  expect((await engine.schedules.get('mixed')).description).toContain('14:00')
})

test('a schedule whose input is a function is fired by those that have its code, when they come', async () => {
  const made = schedule('made', { cron: '0 * * * *', job: noted, input: ({ nominal }) => nominal })
  const world = await testEngine({ jobs: [noted], schedules: [made], start })
  await world.crash()
  const other = await world.another({ schedules: [] })
  await other.advance('2h')
  expect(await other.engine.schedules.history('made')).toEqual([])
  expect(await failureOf(other.engine.schedules.run('made'))).toMatchObject({ code: 'LW_SCHEDULE_UNKNOWN' })
  await other.crash()
  const again = await world.another()
  await again.advance('1m')
  expect((await again.engine.schedules.history('made')).length).toBeGreaterThan(0)
})

test('two schedules cannot have one id', async () => {
  const one = schedule('one', { cron: '0 * * * *', job: noted })
  expect(await failureOf(testEngine({ jobs: [noted], schedules: [one, one] }))).toMatchObject({
    code: 'LW_SCHEDULE_TAKEN',
  })
})

test('a durable job may use the facts of its schedule', async () => {
  const report = job('report', {}, async ({ schedule: facts, step }) => {
    await step(['count', facts?.nominal.toISOString() ?? ''], () => 1)
  })
  const daily = schedule('daily', { cron: '0 9 * * *', job: report })
  const { engine, advance, checkReplays } = await testEngine({ jobs: [report], schedules: [daily], start })
  await advance('2d')
  await checkReplays()
  expect((await engine.list({ name: 'report', state: 'completed' })).jobs).toHaveLength(2)
})
