import { expect, test } from 'vitest'
import { job, LegworkError } from '../../src/index.ts'
import { untilAborted } from '../support/aborted.ts'
import { gate, testEngine } from '../support/engine.ts'

test('the signal aborts with LW_JOB_TIMEOUT, the attempt fails and is tried again', async () => {
  const reasons: unknown[] = []
  const slow = job(
    'slow',
    { timeout: '30s', retry: { attempts: 2, backoff: 'fixed', first: '10s' } },
    async ({ signal }) => {
      const reason = await untilAborted(signal)
      reasons.push(reason)
      throw new Error('interrupted')
    },
  )
  const { engine, advance } = await testEngine({ jobs: [slow] })
  const ref = await engine.enqueue(slow)
  await advance('29s')
  expect(reasons).toEqual([])
  await advance('1s')
  expect(reasons[0]).toBeInstanceOf(LegworkError)
  expect(reasons[0]).toMatchObject({ code: 'LW_JOB_TIMEOUT', message: expect.stringContaining('30000 ms') })
  expect((await ref.status()).state).toBe('scheduled')
  await advance('40s')
  expect(await ref.status()).toMatchObject({ state: 'dead', reason: 'attempts', error: { code: 'LW_JOB_TIMEOUT' } })
  expect((await ref.attempts())[0]?.error).toMatchObject({ code: 'LW_JOB_TIMEOUT', cause: { message: 'interrupted' } })
})

test('a handler that ends in time is not touched, one job may have a timeout of its own', async () => {
  const slow = job('slow', { timeout: '1h', retry: false }, async ({ input, signal }) => {
    if (input === 'hang') await untilAborted(signal)
    signal.throwIfAborted()
    return 'in time'
  })
  const { engine, advance } = await testEngine({ jobs: [slow] })
  const quick = await engine.enqueue(slow)
  const cut = await engine.enqueue(slow, 'hang', { timeout: '5s' })
  await advance('10s')
  expect(await quick.result()).toBe('in time')
  expect(await cut.status()).toMatchObject({ state: 'dead', error: { code: 'LW_JOB_TIMEOUT' } })
})

test('a handler that ignores its signal is left behind after the grace, and what it does later is not recorded', async () => {
  const door = gate()
  const ended = gate<unknown>()
  const deaf = job(
    'deaf',
    { timeout: '30s', retry: { attempts: 2, backoff: 'fixed', first: '1m' } },
    async (context) => {
      if (context.attempt === 2) return 'second'
      await door.opened
      try {
        context.progress(99, 'from the past')
        context.log.info('from the past')
      } catch (error) {
        ended.open(error)
      }
      ended.open(undefined)
      return 'first'
    },
  )
  const { engine, advance, drain } = await testEngine({ jobs: [deaf], work: { grace: '2s', concurrency: 1 } })
  const ref = await engine.enqueue(deaf)
  await advance('31s')
  expect((await ref.status()).state).toBe('running')
  await advance('2s')
  expect((await ref.status()).state).toBe('scheduled')
  await advance('1m')
  expect(await ref.result()).toBe('second')
  door.open()
  expect(await ended.opened).toBeUndefined()
  await drain()
  expect(await ref.status()).toMatchObject({ state: 'completed', output: 'second', progress: undefined })
  const events: string[] = []
  for await (const event of ref.events()) events.push(event.type)
  expect(events).toEqual(['enqueued', 'started', 'attempt', 'started', 'ended'])
})

test('a late result during back-off is not recorded either', async () => {
  const door = gate()
  const lateEnd = gate()
  const deaf = job(
    'deaf',
    { timeout: '5s', retry: { attempts: 2, backoff: 'fixed', first: '1h' } },
    async ({ attempt, progress }) => {
      if (attempt === 2) return 'second'
      await door.opened
      progress(50)
      lateEnd.open()
      return 'first'
    },
  )
  const { engine, advance, drain } = await testEngine({ jobs: [deaf] })
  const ref = await engine.enqueue(deaf)
  await advance('10s')
  door.open()
  await lateEnd.opened
  await drain()
  expect(await ref.status()).toMatchObject({ state: 'scheduled', progress: undefined })
})
