import { expect, test } from 'vitest'
import { job } from '../../src/index.ts'
import { gate, testEngine } from '../support/engine.ts'

test('at most so many of a job run at once, in the order they came, and all of them run', async () => {
  let running = 0
  let most = 0
  const order: number[] = []
  const call = job('call', { limit: 3 }, async ({ input }) => {
    most = Math.max(most, ++running)
    order.push(Number(input))
    await new Promise((resolve) => setImmediate(resolve))
    running--
  })
  const { engine, drain } = await testEngine({ jobs: [call] })
  const inputs = Array.from({ length: 60 }, (_, n) => n)
  const refs = await engine.enqueueMany(call, inputs)
  await drain()
  expect(most).toBe(3)
  expect(order).toEqual(inputs)
  for (const ref of refs) expect(await ref.status()).toMatchObject({ state: 'completed', attempt: 1 })
})

test('one that waits for a limit is blocked, says so, and has spent no attempt', async () => {
  const door = gate()
  const call = job('call', { limit: 1 }, () => door.opened)
  const free = job('free', {}, () => 'ran')
  const { engine, drain, advance } = await testEngine({ jobs: [call, free] })
  const [first, second] = await engine.enqueueMany(call, [1, 2])
  const other = await engine.enqueue(free)
  await advance('1s')
  expect(await first!.status()).toMatchObject({ state: 'running' })
  expect(await second!.status()).toMatchObject({ state: 'blocked', attempt: 0 })
  expect(await other.result()).toBe('ran')
  door.open()
  await drain()
  expect(await second!.status()).toMatchObject({ state: 'completed', attempt: 1 })
})
