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
