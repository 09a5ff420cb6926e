import { expect, test } from 'vitest'
import { job } from '../../src/index.ts'
import { testEngine } from '../support/engine.ts'
import { failureOf } from '../support/failure.ts'

let broken = true
const fragile = job('fragile', { retry: false }, () => {
  if (broken) throw new Error('broken')
  return 'fine'
})
const other = job('other', { retry: false, queue: 'side' }, () => {
  if (broken) throw new Error('broken')
  return 'fine'
})

test('one dead letter runs again with all its attempts, and its history stays', async () => {
  broken = true
  const { engine, drain } = await testEngine({ jobs: [fragile] })
  const ref = await engine.enqueue(fragile, 1, { tags: ['a'], headers: { h: '1' }, priority: 3 })
  await drain()
  expect(await ref.status()).toMatchObject({ state: 'dead', attempt: 1 })
  broken = false
  await ref.retry()
  expect(await ref.result()).toBe('fine')
  expect(await ref.status()).toMatchObject({
    state: 'completed',
    attempt: 1,
    error: undefined,
    reason: undefined,
    tags: ['a'],
    headers: { h: '1' },
    priority: 3,
    input: 1,
  })
  expect((await ref.attempts()).map(({ outcome }) => outcome)).toEqual(['dead'])
})

test('dead letters run again by filter, or all of them', async () => {
  broken = true
  const { engine, drain } = await testEngine({ jobs: [fragile, other] })
  await engine.enqueueMany(fragile, [1, 2, 3, 4], (n) => ({ tags: [Number(n) % 2 ? 'odd' : 'even'] }))
  await engine.enqueueMany(other, [1, 2])
  await drain()
  broken = false
  expect(await engine.redrive({ name: 'fragile', tag: 'odd' })).toBe(2)
  await drain()
  expect((await engine.list({ state: 'completed', order: 'oldest' })).jobs.map(({ input }) => input)).toEqual([1, 3])
  expect(await engine.redrive({ queue: 'side', input: 2 })).toBe(1)
  expect(await engine.redrive()).toBe(3)
  await drain()
  expect((await engine.list({ state: 'dead' })).jobs).toEqual([])
  expect(await engine.redrive()).toBe(0)
})

test('more than a page of dead letters', async () => {
  broken = true
  const { engine, drain } = await testEngine({ jobs: [fragile] })
  await engine.enqueueMany(
    fragile,
    Array.from({ length: 1_203 }, (_, n) => n),
  )
  await drain()
  broken = false
  expect(await engine.redrive()).toBe(1_203)
  await drain()
  const [queue] = await engine.queues()
  expect(queue?.counts).toMatchObject({ completed: 1_203, dead: 0, ready: 0 })
})

test('a cancelled job and one in back-off can be retried, one that has completed cannot', async () => {
  broken = true
  const slow = job('slow', { retry: { backoff: 'fixed', first: '1d' } }, () => {
    if (broken) throw new Error('broken')
    return 'fine'
  })
  const { engine, drain } = await testEngine({ jobs: [slow] })
  const backOff = await engine.enqueue(slow)
  const cancelled = await engine.enqueue(slow, null, { delay: '1h' })
  await cancelled.cancel()
  await drain()
  expect((await backOff.status()).state).toBe('scheduled')
  broken = false
  await backOff.retry()
  await cancelled.retry()
  expect(await Promise.all([backOff.result(), cancelled.result()])).toEqual(['fine', 'fine'])
  const error = await failureOf(backOff.retry())
  expect(error).toMatchObject({ code: 'LW_JOB_STATE', message: expect.stringContaining('it is completed') })
  expect(await failureOf(engine.ref('256000').retry())).toMatchObject({ code: 'LW_JOB_NOT_FOUND' })
})

test('a dead letter whose unique text another job has now stays where it is', async () => {
  broken = true
  const { engine, drain } = await testEngine({ jobs: [fragile] })
  const dead = await engine.enqueue(fragile, 1, { unique: 'u' })
  await drain()
  await engine.enqueue(fragile, 2, { unique: 'u', delay: '1h' })
  const error = await failureOf(dead.retry())
  expect(error).toMatchObject({ code: 'LW_JOB_STATE', message: expect.stringContaining('unique key "u"') })
  expect(await engine.redrive()).toBe(0)
  expect((await dead.status()).state).toBe('dead')
})

test('a job that was redriven joins the line of its key', async () => {
  broken = true
  const order: unknown[] = []
  const keyed = job('keyed', { retry: false, key: () => 'k' }, ({ input }) => {
    order.push(input)
    if (broken) throw new Error('broken')
  })
  const { engine, drain } = await testEngine({ jobs: [keyed] })
  await engine.enqueueMany(keyed, [1, 2])
  await drain()
  broken = false
  expect(await engine.redrive()).toBe(2)
  await engine.enqueue(keyed, 3)
  await drain()
  expect(order).toEqual([1, 2, 1, 2, 3])
})
