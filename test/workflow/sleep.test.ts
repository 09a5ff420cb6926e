import { expect, test } from 'vitest'
import { job } from '../../src/index.ts'
import { testEngine } from '../support/engine.ts'

test('a sleeping job waits without a worker, and goes on where it was', async () => {
  const ran: string[] = []
  const remind = job('remind', {}, async ({ step, sleep }) => {
    await step('first', () => void ran.push('first'))
    await sleep('30d')
    await step('second', () => void ran.push('second'))
    return 'done'
  })
  const { engine, advance } = await testEngine({ jobs: [remind] })
  const ref = await engine.enqueue(remind)
  await advance('1m')
  expect(await ref.status()).toMatchObject({ state: 'waiting', attempt: 0, worker: undefined })
  expect((await engine.queues())[0]?.counts).toMatchObject({ waiting: 1, ready: 0 })
  await advance('29d')
  expect(ran).toEqual(['first'])
  await advance('2d')
  expect(await ref.result()).toBe('done')
  expect(ran).toEqual(['first', 'second'])
  expect((await engine.queues())[0]?.counts).toMatchObject({ waiting: 0, ready: 0, completed: 1 })
})

test('sleepUntil continues at the instant, at once when it has passed', async () => {
  const remind = job('remind', {}, async ({ input, sleepUntil, now }) => {
    await sleepUntil(new Date(input as string))
    return now()
  })
  const { engine, advance, clock } = await testEngine({ jobs: [remind] })
  const later = new Date(clock.now() + 3_600_000)
  const [past, future] = await engine.enqueueMany(remind, [new Date(0).toISOString(), later.toISOString()])
  await advance('10m')
  expect((await past!.status()).state).toBe('completed')
  expect((await future!.status()).state).toBe('waiting')
  await advance('1h')
  expect(new Date(await future!.result()).getTime()).toBeGreaterThanOrEqual(later.getTime())
})

test('hole: a sleep beside a slow step does not cut it off', async () => {
  let runs = 0
  let finish = (): void => undefined
  const both = job('both', {}, async ({ step, sleep }) => {
    const slow = step('slow', () => new Promise<void>((resolve) => (runs++, (finish = resolve))))
    await Promise.all([slow, sleep('1h')])
  })
  const { engine, advance } = await testEngine({ jobs: [both] })
  const ref = await engine.enqueue(both)
  await advance('10m')
  expect((await ref.status()).state).toBe('running')
  finish()
  await advance('10m')
  expect((await ref.status()).state).toBe('waiting')
  await advance('1h')
  await ref.result()
  expect(runs).toBe(1)
})

test('hole: a catch around a sleep swallows nothing, and a race goes on with the first', async () => {
  const ran: string[] = []
  const race = job('race', {}, async ({ step, sleep }) => {
    try {
      await sleep('1h')
    } catch {
      ran.push('caught')
    } finally {
      ran.push('after')
    }
    return Promise.race([sleep('1d', 'long').then(() => 'long'), step('short', () => 'short')])
  })
  const { engine, advance } = await testEngine({ jobs: [race] })
  const ref = await engine.enqueue(race)
  await advance('2h')
  expect(await ref.result()).toBe('short')
  expect(ran).toEqual(['after'])
})

test('hole: a sleep outlives its worker', async () => {
  const remind = job('remind', {}, async ({ sleep }) => {
    await sleep('2h')
    return 'awake'
  })
  const { engine, advance, database } = await testEngine({ jobs: [remind] })
  const ref = await engine.enqueue(remind)
  await advance('1h')
  const rows = await database.query<{ held: boolean }>('select worker_id is not null as held from legwork.job')
  expect(rows).toEqual([{ held: false }])
  await advance('2h')
  expect(await ref.result()).toBe('awake')
})

test('a waiting job can be cancelled', async () => {
  const remind = job('remind', {}, ({ sleep }) => sleep('2h'))
  const { engine, advance } = await testEngine({ jobs: [remind] })
  const ref = await engine.enqueue(remind)
  await advance('1h')
  expect(await ref.cancel('changed my mind')).toBe(true)
  expect(await ref.status()).toMatchObject({ state: 'cancelled', reason: 'changed my mind' })
})
