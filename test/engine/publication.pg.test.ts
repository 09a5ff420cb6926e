import { expect, test } from 'vitest'
import { job } from '../../src/index.ts'
import { testEngine } from '../support/engine.ts'

test('a publication for all tables stops nothing', async () => {
  const work = job('work', { retry: false }, ({ input }) => {
    if (input === 'bad') throw new Error('bad')
  })
  const { engine, database, drain, advance } = await testEngine({ jobs: [work], retention: { age: '1d' } })
  await database.query('alter table legwork.virtual_clock replica identity full') // the test's own table
  await database.query('create publication everything for all tables')
  const errors: unknown[] = []
  engine.on('error', ({ error }) => errors.push(error))
  await engine.enqueueMany(work, ['good', 'bad', 'good'], { key: 'k' })
  await drain()
  await engine.redrive()
  await drain()
  await advance('3d') // counters are folded, history is dropped
  expect(errors).toEqual([])
  expect((await engine.queues())[0]?.counts).toMatchObject({ completed: 0, dead: 1 })
})
