import { expect, test } from 'vitest'
import { job } from '../../src/index.ts'
import { gate, testEngine } from '../support/engine.ts'
import { failureOf } from '../support/failure.ts'

const plain = job('plain', {}, () => 'done')

test('a waiting job is cancelled at once: ready, scheduled, blocked', async () => {
  const keyed = job('keyed', { key: () => 'k' }, async () => opened)
  const door = gate()
  const opened = door.opened
  const { engine, advance, drain } = await testEngine({ jobs: [keyed, plain] })
  const holder = await engine.enqueue(keyed)
  const blocked = await engine.enqueue(keyed)
  const scheduled = await engine.enqueue(plain, null, { delay: '1h' })
  await engine.pause('side')
  const ready = await engine.enqueue(plain, null, { queue: 'side' })
  await advance('2s')
  for (const ref of [ready, blocked, scheduled]) {
    expect(await ref.cancel('not needed')).toBe(true)
    expect(await ref.status()).toMatchObject({ state: 'cancelled', reason: 'not needed', attempt: 0 })
    expect(await ref.cancel()).toBe(false)
    expect(await failureOf(ref.result())).toMatchObject({
      code: 'LW_JOB_CANCELLED',
      message: expect.stringContaining('not needed'),
    })
  }
  door.open()
  await drain()
  expect((await holder.status()).state).toBe('completed')
})

test('a running job is told, and ends as cancelled', async () => {
  const started = gate()
  const reasons: unknown[] = []
  const long = job('long', {}, async ({ signal }) => {
    started.open()
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    reasons.push(signal.reason)
    throw signal.reason
  })
  const { engine, drain } = await testEngine({ jobs: [long] })
  const ref = await engine.enqueue(long)
  await started.opened
  expect(await ref.cancel('changed our mind')).toBe(true)
  await drain()
  expect(reasons).toEqual([
    expect.objectContaining({ code: 'LW_JOB_CANCELLED', details: { reason: 'changed our mind' } }),
  ])
  expect(await ref.status()).toMatchObject({ state: 'cancelled', reason: 'changed our mind', attempt: 1 })
})

test('a running job that completes first has completed', async () => {
  const started = gate()
  const door = gate()
  const stubborn = job('stubborn', {}, async () => {
    started.open()
    await door.opened
    return 'finished anyway'
  })
  const { engine } = await testEngine({ jobs: [stubborn] })
  const ref = await engine.enqueue(stubborn)
  await started.opened
  await ref.cancel()
  door.open()
  expect(await ref.result()).toBe('finished anyway')
  expect(await ref.cancel()).toBe(false)
})

test('a running job that fails after its cancel does not come back', async () => {
  const started = gate()
  const door = gate()
  const failing = job('failing', {}, async () => {
    started.open()
    await door.opened
    throw new Error('too late')
  })
  const { engine, drain } = await testEngine({ jobs: [failing] })
  const ref = await engine.enqueue(failing)
  await started.opened
  await ref.cancel('stop')
  door.open()
  await drain()
  expect(await ref.status()).toMatchObject({ state: 'cancelled', reason: 'stop' })
})

test('a job that fails before it hears of its cancel ends as cancelled, and everyone is told', async () => {
  const started = gate()
  const door = gate()
  const failing = job('failing', { key: () => 'k' }, async ({ input }) => {
    if (input === 'next') return 'ran'
    started.open()
    await door.opened
    throw new Error('too late')
  })
  const { engine, database } = await testEngine({ jobs: [failing] })
  const heard: unknown[] = []
  for (const name of ['retrying', 'cancelled'] as const) engine.on(name, ({ id }) => heard.push([name, id]))
  const ref = await engine.enqueue(failing)
  const next = await engine.enqueue(failing, 'next')
  await started.opened
  await database.query(`update legwork.job set cancel_at = legwork.now(), cancel_reason = 'by hand' where id = $1`, [
    ref.id,
  ])
  const waiting = failureOf(ref.result())
  door.open()
  expect(await waiting).toMatchObject({ code: 'LW_JOB_CANCELLED', message: expect.stringContaining('by hand') })
  expect(await next.result()).toBe('ran')
  expect(heard).toEqual([['cancelled', ref.id]])
})

test('a handler that ignores its cancel is left behind after the grace', async () => {
  const never = gate()
  const deaf = job('deaf', {}, () => never.opened)
  const { engine, advance } = await testEngine({ jobs: [deaf], work: { grace: '2s' } })
  const ref = await engine.enqueue(deaf)
  await advance('1s')
  await ref.cancel()
  await advance('1s')
  expect((await ref.status()).state).toBe('running')
  await advance('1s')
  expect((await ref.status()).state).toBe('cancelled')
  never.open()
})

test('many are cancelled by filter, more than a page of them', async () => {
  const { engine } = await testEngine({ jobs: [plain], work: false })
  await engine.enqueueMany(
    plain,
    Array.from({ length: 620 }, (_, n) => n),
    (n) => ({ tags: [Number(n) < 600 ? 'a' : 'b'] }),
  )
  expect(await engine.cancel({ tag: 'a' }, 'season is over')).toBe(600)
  expect((await engine.queues())[0]?.counts).toMatchObject({ ready: 20, cancelled: 600 })
  expect(await engine.cancel({ tag: 'a' })).toBe(0)
})

test('nothing that never was can be cancelled', async () => {
  const { engine } = await testEngine({ jobs: [plain], work: false })
  expect(await failureOf(engine.ref('2560').cancel())).toMatchObject({ code: 'LW_JOB_NOT_FOUND' })
  expect(() => engine.ref('one')).toThrow(/Option id must be the id of a job/)
  expect(() => engine.ref('9'.repeat(19))).toThrow(/Option id must be the id of a job/)
})
