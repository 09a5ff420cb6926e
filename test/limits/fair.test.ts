import { expect, test } from 'vitest'
import { job } from '../../src/index.ts'
import { testEngine } from '../support/engine.ts'

test('tenants take turns by their weight, however many jobs one of them has', async () => {
  const order: string[] = []
  const fair = (input: unknown): string => String(input)
  const call = job('call', { limit: { running: 1, fair, weight: { b: 2 } } }, async ({ input }) => {
    order.push(String(input))
    await new Promise((resolve) => setImmediate(resolve))
  })
  const { engine, drain } = await testEngine({ jobs: [call] })
  await engine.enqueueMany(call, [...Array<string>(30).fill('a'), ...Array<string>(8).fill('b')])
  await drain()
  expect(order).toHaveLength(38)
  const lastOfB = order.lastIndexOf('b')
  expect(order.slice(0, lastOfB).filter((tenant) => tenant === 'a').length).toBeLessThanOrEqual(6)
})

test('a limit per value holds for each value alone', async () => {
  const running = new Map<unknown, number>()
  let most = 0
  let together = 0
  const per = (input: unknown): string => String(input)
  const call = job('call', { limit: { running: 2, per } }, async ({ input }) => {
    running.set(input, (running.get(input) ?? 0) + 1)
    most = Math.max(most, running.get(input) ?? 0)
    together = Math.max(
      together,
      [...running.values()].reduce((sum, n) => sum + n, 0),
    )
    await new Promise((resolve) => setImmediate(resolve))
    running.set(input, (running.get(input) ?? 0) - 1)
  })
  const { engine, drain } = await testEngine({ jobs: [call] })
  await engine.enqueueMany(
    call,
    Array.from({ length: 20 }, (_, n) => (n % 2 === 0 ? 'a' : 'b')),
  )
  await drain()
  expect(most).toBe(2)
  expect(together).toBe(4)
})
