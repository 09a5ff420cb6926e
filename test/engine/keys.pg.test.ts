import { expect, test } from 'vitest'
import { job } from '../../src/index.ts'
import { testEngine } from '../support/engine.ts'

test('one key runs one at a time and in order across processes, retries in their place', async () => {
  const running = new Map<string, number>()
  const order = new Map<string, number[]>()
  let most = 0
  const step = job('step', { retry: { backoff: 'fixed', first: '5s' } }, async ({ key = '', input, attempt }) => {
    running.set(key, (running.get(key) ?? 0) + 1)
    most = Math.max(most, running.get(key) ?? 0)
    await new Promise((resolve) => setImmediate(resolve))
    running.set(key, (running.get(key) ?? 0) - 1)
    if (Number(input) % 7 === 0 && attempt === 1) throw new Error('again')
    order.set(key, [...(order.get(key) ?? []), Number(input)])
  })
  const one = await testEngine({ jobs: [step], work: { concurrency: 3 } })
  await one.another()
  const inputs = Array.from({ length: 120 }, (_, n) => n)
  await one.engine.enqueueMany(step, inputs, (n) => ({ key: `k${Number(n) % 4}` }))
  await one.advance('5m')
  expect(most).toBe(1)
  for (const [key, seen] of order) expect([key, seen]).toEqual([key, inputs.filter((n) => `k${n % 4}` === key)])
  expect([...order.values()].flat().length).toBe(120)
})
