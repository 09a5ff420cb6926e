import { expect, test } from 'vitest'
import { z } from 'zod'
import { job } from '../../src/index.ts'
import { crashAndReplace, gate, testEngine } from '../support/engine.ts'

const mark = z.object({ row: z.number() })
const soon = { attempts: 2, backoff: 'fixed', first: '1m' } as const

test('the next attempt goes on from the last checkpoint: after a failure, and after retry()', async () => {
  const rows: number[] = []
  let lastRow = 2
  const copy = job('copy', { checkpoint: mark, retry: soon }, async ({ checkpoint }) => {
    const from = await checkpoint.last()
    for (let row = (from?.row ?? 0) + 1; row <= 6; row++) {
      if (row > lastRow) throw new Error('cut off')
      rows.push(row)
      await checkpoint({ row })
    }
    return checkpoint.last()
  })
  const { engine, advance } = await testEngine({ jobs: [copy] })
  const ref = await engine.enqueue(copy)
  await advance('10s')
  lastRow = 4
  await advance('2m')
  expect((await ref.status()).state).toBe('dead')
  lastRow = 9
  await ref.retry()
  await advance('10s')
  expect(await ref.result()).toEqual({ row: 6 })
  expect(rows).toEqual([1, 2, 3, 4, 5, 6])
  expect(await ref.steps()).toEqual([])
})

test('after a crash another worker goes on from it', async () => {
  const stuck = gate()
  const found: unknown[] = []
  const copy = job('copy', { checkpoint: mark }, async ({ checkpoint }) => {
    const from = await checkpoint.last()
    found.push(from)
    await checkpoint({ row: (from?.row ?? 0) + 1 })
    if (!from) await stuck.opened
    return checkpoint.last()
  })
  const one = await testEngine({ jobs: [copy] })
  const { id } = await one.engine.enqueue(copy)
  await one.advance('1s')
  const two = await crashAndReplace(one)
  expect(await two.engine.ref(id).result()).toEqual({ row: 2 })
  expect(found).toEqual([undefined, { row: 1 }])
  stuck.open()
})

test('of many that nobody waits for the last is the one that is kept', async () => {
  const copy = job('copy', { checkpoint: mark, retry: soon }, async ({ checkpoint, attempt }) => {
    if (attempt === 2) return checkpoint.last()
    const told = Array.from({ length: 100 }, (_, row) => checkpoint({ row }))
    await Promise.all(told)
    throw new Error('cut off')
  })
  const { engine, advance } = await testEngine({ jobs: [copy] })
  const ref = await engine.enqueue(copy)
  await advance('2m')
  expect(await ref.result()).toEqual({ row: 99 })
})

test('one that does not fit is refused, and the one before stays', async () => {
  const copy = job('copy', { checkpoint: mark }, async ({ checkpoint }) => {
    await checkpoint({ row: 1 })
    const error = await checkpoint(JSON.parse('{"row":"two"}') as { row: number }).catch((thrown: unknown) => thrown)
    return { error: (error as { code: string }).code, last: await checkpoint.last() }
  })
  const { engine, drain } = await testEngine({ jobs: [copy] })
  const ref = await engine.enqueue(copy)
  await drain()
  expect(await ref.result()).toEqual({ error: 'LW_OUTPUT_INVALID', last: { row: 1 } })
})

test('steps after a checkpoint are found when a new attempt undoes the job', async () => {
  const undone: string[] = []
  const order = job('order', { retry: false }, async ({ step, checkpoint, sleep }) => {
    await step('a', () => undefined, { undo: () => void undone.push('a') })
    await checkpoint('half')
    await step('b', () => undefined, { undo: () => void undone.push('b') })
    await sleep('30d')
  })
  const { engine, advance } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await advance('1m')
  await ref.cancel('no')
  await advance('1m')
  expect((await ref.status()).state).toBe('compensated')
  expect(undone).toEqual(['b', 'a'])
})

test('a durable job with checkpoints passes the replay at the end of a test', async () => {
  const order = job('order', {}, async ({ step, checkpoint }) => {
    await step('a', () => 1)
    await checkpoint(1)
    await step('b', () => 2)
    return checkpoint.last()
  })
  const { engine, drain, checkReplays } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await drain()
  expect(await ref.result()).toBe(1)
  await expect(checkReplays()).resolves.toBeUndefined()
})
