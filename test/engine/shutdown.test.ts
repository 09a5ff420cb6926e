import { expect, test } from 'vitest'
import { job } from '../../src/index.ts'
import { gate, testEngine } from '../support/engine.ts'

test('close waits for running jobs and hands back what has not begun', async () => {
  const door = gate()
  const started = gate()
  const slow = job('slow', {}, async () => {
    started.open()
    await door.opened
    return 'finished'
  })
  const one = await testEngine({ jobs: [slow], work: { concurrency: 1 } })
  const refs = await one.engine.enqueueMany(slow, [1, 2, 3])
  await started.opened
  const closing = one.engine.close({ timeout: '1m' })
  door.open()
  await closing
  const two = await one.another({ work: false })
  const found = await Promise.all(refs.map(({ id }) => two.engine.ref(id).status()))
  expect(found.map(({ state, attempt }) => [state, attempt])).toEqual([
    ['completed', 1],
    ['ready', 0],
    ['ready', 0],
  ])
  expect((await two.engine.workers())[0]).toMatchObject({ state: 'stopped', running: 0 })
})

test('what had been claimed ahead goes back untouched', async () => {
  const door = gate()
  const started = gate()
  const quick = job('quick', {}, async ({ input }) => {
    if (input !== 200) return
    started.open()
    await door.opened
  })
  const one = await testEngine({ jobs: [quick], work: { concurrency: 1 } })
  const refs = await one.engine.enqueueMany(
    quick,
    Array.from({ length: 300 }, (_, n) => n),
  )
  await started.opened
  const released: string[] = []
  one.engine.on('released', ({ id }) => released.push(id))
  const closing = one.engine.close({ timeout: '1m' })
  door.open()
  await closing
  const two = await one.another({ work: false })
  const { jobs } = await two.engine.list({ state: 'ready', limit: 1000, order: 'oldest' })
  expect(jobs.map(({ id, attempt }) => [id, attempt])).toEqual(refs.slice(201).map(({ id }) => [id, 0]))
  expect(released.length).toBeGreaterThan(0)
})

test('after the deadline running jobs are told, handed back at once, and the attempt is not counted', async () => {
  const started = gate()
  const reasons: unknown[] = []
  const slow = job('slow', { retry: false }, async ({ signal }) => {
    started.open()
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    reasons.push(signal.reason)
    throw new Error('interrupted')
  })
  const one = await testEngine({ jobs: [slow] })
  const ref = await one.engine.enqueue(slow)
  await started.opened
  const released: string[] = []
  one.engine.on('released', ({ id }) => released.push(id))
  await one.engine.close({ timeout: 0 })
  expect(reasons).toEqual([expect.objectContaining({ code: 'LW_SHUTDOWN' })])
  expect(released).toEqual([ref.id])
  const two = await one.another({ work: false })
  expect(await two.engine.ref(ref.id).status()).toMatchObject({ state: 'ready', attempt: 0, crashes: 0 })
  expect((await two.engine.ref(ref.id).attempts()).map(({ outcome }) => outcome)).toEqual(['released'])
})

test('a handler that ignores the deadline is left behind, and what it does later is not recorded', async () => {
  const started = gate()
  const door = gate()
  const deaf = job('deaf', {}, async () => {
    started.open()
    await door.opened
    return 'too late'
  })
  const one = await testEngine({ jobs: [deaf], work: { grace: '10ms' } })
  const ref = await one.engine.enqueue(deaf)
  await started.opened
  await one.engine.close({ timeout: 0 })
  door.open()
  const two = await one.another({ work: false })
  expect(await two.engine.ref(ref.id).status()).toMatchObject({ state: 'ready', attempt: 0 })
})

test('close may be called twice, and without work', async () => {
  const { engine } = await testEngine({ jobs: [], work: false })
  await Promise.all([engine.close(), engine.close()])
  expect(await engine.close()).toBeUndefined()
})

test('jobs enqueued just before close are kept', async () => {
  const plain = job('plain')
  const one = await testEngine({ jobs: [plain], work: false })
  const enqueued = Promise.all(Array.from({ length: 50 }, (_, n) => one.engine.enqueue(plain, n)))
  await one.engine.close()
  expect((await enqueued).length).toBe(50)
  const two = await one.another({ work: false })
  expect((await two.engine.list({ limit: 100 })).jobs.length).toBe(50)
})
