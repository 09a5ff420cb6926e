import { expect, test } from 'vitest'
import { batch, job } from '../../src/index.ts'
import { gate, testEngine } from '../support/engine.ts'

test('a limit per worker counts the jobs of a batch, and a batch that cannot fill goes when it has waited', async () => {
  const sizes: number[] = []
  const door = gate()
  const send = job(
    'send',
    { limit: { running: 3, per: 'worker' } },
    batch({ size: 5 }, async ({ items }) => {
      sizes.push(items.length)
      await door.opened
    }),
  )
  const { engine, advance, drain } = await testEngine({ jobs: [send], work: { concurrency: 10 } })
  const refs = await engine.enqueueMany(send, Array(7).fill(0))
  await advance('1s')
  expect(sizes).toEqual([3])
  door.open()
  await drain()
  await advance('1s')
  expect(sizes.reduce((sum, size) => sum + size)).toBe(7)
  expect(Math.max(...sizes)).toBe(3)
  for (const ref of refs) expect(await ref.status()).toMatchObject({ state: 'completed', attempt: 1 })
})

test('with places kept for urgent jobs a batch of others has one place, and is full', async () => {
  const sizes: number[] = []
  const door = gate()
  const send = job(
    'send',
    { priority: 'low' },
    batch({ size: 5, wait: '1s' }, async ({ items }) => {
      sizes.push(items.length)
      await door.opened
    }),
  )
  const fire = job('fire', { priority: 'urgent' }, () => 'ran')
  const { engine, advance } = await testEngine({
    jobs: [send, fire],
    work: { concurrency: 3, reserve: { urgent: 1 } },
  })
  const refs = await engine.enqueueMany(send, Array(20).fill(0))
  await advance('5s')
  expect(sizes).toEqual([5, 5])
  const urgent = await engine.enqueue(fire)
  await advance('2s')
  expect(await urgent.result()).toBe('ran')
  expect(sizes).toEqual([5, 5])
  door.open()
  await advance('5s')
  expect(sizes).toEqual([5, 5, 5, 5])
  for (const ref of refs) expect((await ref.status()).state).toBe('completed')
})

test('batches of different values leave urgent jobs their places too', async () => {
  const batches: number[][] = []
  const door = gate()
  const send = job(
    'send',
    { priority: 'low' },
    batch({ size: 3, wait: '1s', per: (shop: number) => String(shop) }, async ({ items }) => {
      batches.push(items.map(({ input }) => Number(input)))
      await door.opened
    }),
  )
  const fire = job('fire', { priority: 'urgent' }, () => 'ran')
  const { engine, advance } = await testEngine({ jobs: [send, fire], work: { concurrency: 3, reserve: { urgent: 1 } } })
  const refs = await engine.enqueueMany(send, [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4])
  await advance('5s')
  expect(batches.map((each) => new Set(each).size)).toEqual([1, 1])
  const urgent = await engine.enqueue(fire)
  await advance('2s')
  expect(await urgent.result()).toBe('ran')
  expect(batches).toHaveLength(2)
  door.open()
  await advance('5s')
  for (const ref of refs) expect((await ref.status()).state).toBe('completed')
})
