import { expect, test } from 'vitest'
import { job } from '../../src/index.ts'
import { gate, testEngine } from '../support/engine.ts'

test('a limit per worker is of each process: two have twice as many', async () => {
  const door = gate()
  let running = 0
  const heavy = job('heavy', { limit: { running: 2, per: 'worker' } }, async () => {
    running++
    await door.opened
  })
  const one = await testEngine({ jobs: [heavy], work: { concurrency: 10 } })
  const refs = await one.engine.enqueueMany(heavy, Array(20).fill(0))
  await one.advance('2s')
  expect(running).toBe(2)
  await one.another({ work: { concurrency: 10 } })
  await one.advance('2s')
  expect(running).toBe(4)
  expect((await refs[19]!.status()).state).toBe('ready')
  door.open()
  await one.drain()
  expect(running).toBe(20)
})

test('at run time a limit per worker is raised, lowered, made and reset, and running workers follow', async () => {
  const doors = Array.from({ length: 20 }, () => gate())
  const all = gate()
  let begun = 0
  const heavy = job('heavy', { limit: { running: 2, per: 'worker' } }, ({ input }) => {
    if (++begun === doors.length) all.open()
    return doors[Number(input)]!.opened
  })
  const one = await testEngine({ jobs: [heavy], work: { concurrency: 20 } })
  const { limits } = one.engine
  const refs = await one.engine.enqueueMany(heavy, [...doors.keys()])
  await one.another({ work: { concurrency: 20 } })
  await one.advance('2s')
  expect(begun).toBe(4)
  expect((await limits.list()).map(({ name, limit }) => [name, limit])).toEqual([['worker:heavy', 2]])
  expect((await refs[19]!.status()).waitsFor).toBe('limit "worker:heavy" is full in every worker: 2 in each')
  await limits.set('worker:heavy', { running: 4 }, { by: 'ada' })
  await one.advance('1s')
  expect(begun).toBe(8)
  await limits.set('worker:heavy', { running: 1 })
  await one.advance('1s')
  for (const door of doors.slice(0, 8)) door.open()
  await one.advance('2s')
  expect(begun).toBe(10)
  await one.database.query(`select legwork.set_limit('worker:heavy', '{"running": null}')`)
  await one.advance('1s')
  await all.opened
  expect((await limits.reset('worker:heavy')).limit).toBe(2)
  expect(await limits.history('worker:heavy')).toHaveLength(4)
  for (const door of doors) door.open()
  await one.drain()
})

test('a limit per worker has no rate', async () => {
  const { engine, database } = await testEngine({ jobs: [], work: false })
  const failed = await engine.limits.set('worker:a', { rate: '1/1s' }).catch((error: unknown) => error)
  expect(failed).toMatchObject({ code: 'LW_OPTION_INVALID', message: expect.stringContaining('running alone') })
  const byHand = database.query(`select legwork.set_limit('worker:a', '{"count": 1, "per": 1000}')`)
  await expect(byHand).rejects.toThrow(/running alone/)
})
