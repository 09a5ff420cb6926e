import { expect, test } from 'vitest'
import { job } from '../../src/index.ts'
import { testEngine } from '../support/engine.ts'
import { failureOf } from '../support/failure.ts'

const good = job('good', {}, ({ log }) => log.info('a line'))
const bad = job('bad', { retry: false }, () => {
  throw new Error('bad')
})

test('history goes by age, dead letters stay longer, counters follow', async () => {
  const { engine, drain, advance } = await testEngine({ jobs: [good, bad], retention: { age: '3d', dead: '20d' } })
  const [fine, dead] = [await engine.enqueue(good), await engine.enqueue(bad)]
  const cancelled = await engine.enqueue(good, null, { delay: '1h' })
  await cancelled.cancel()
  const waiting = await engine.enqueue(good, null, { delay: '60d' })
  await drain()
  await advance('2d')
  expect((await fine.status()).state).toBe('completed')
  await advance('3d')
  await advance('15m')
  for (const ref of [fine, cancelled]) expect(await failureOf(ref.status())).toMatchObject({ code: 'LW_JOB_NOT_FOUND' })
  expect((await dead.status()).state).toBe('dead')
  expect((await dead.attempts()).length).toBe(1)
  expect((await engine.queues())[0]?.counts).toMatchObject({ completed: 0, cancelled: 0, dead: 1, scheduled: 1 })
  await advance('25d')
  await advance('15m')
  expect(await failureOf(dead.status())).toMatchObject({ code: 'LW_JOB_NOT_FOUND' })
  expect((await engine.queues())[0]?.counts).toMatchObject({ completed: 0, dead: 0, scheduled: 1 })
  expect((await waiting.status()).state).toBe('scheduled')
})

test('old history goes partition by partition, and new ones are there in time', async () => {
  const { engine, database, drain, advance, clock } = await testEngine({
    jobs: [good],
    retention: { age: '2d', dead: '2d' },
  })
  await advance((36 - new Date(clock.now()).getUTCHours()) * 3_600_000) // about noon: partitions begin at midnight
  for (let day = 0; day < 6; day++) {
    await engine.enqueue(good)
    await drain()
    await advance('1d')
    await advance('11m')
  }
  const inDefault = await database.query('select id from legwork.finished_done_default')
  expect(inDefault).toEqual([])
  const [left] = await database.query<{ n: number }>('select count(*)::int as n from legwork.finished')
  expect(left?.n).toBeLessThanOrEqual(4)
  expect(left?.n).toBeGreaterThanOrEqual(2)
})

test('history goes by count, the oldest first', async () => {
  const { engine, drain, advance } = await testEngine({ jobs: [good, bad], retention: { count: 5 } })
  const refs = await engine.enqueueMany(good, Array.from({ length: 12 }))
  await engine.enqueueMany(bad, [1, 2])
  await drain()
  await advance('11m')
  const { jobs } = await engine.list({ state: 'completed', order: 'oldest' })
  expect(jobs.map(({ id }) => id)).toEqual(refs.slice(7).map(({ id }) => id))
  expect((await engine.queues())[0]?.counts).toMatchObject({ completed: 5, dead: 2 })
})

test.each([
  [{ count: -1 }, 'Option retention.count must be a whole number from 0; received -1'],
  [{ age: 'x' as '1d' }, 'Option retention.age must be a duration'],
])('%o is refused', async (retention, message) => {
  expect((await failureOf(testEngine({ jobs: [], retention }))).message).toContain(message)
})
