import { expect, test } from 'vitest'
import { type EngineEvents, job } from '../../src/index.ts'
import type { TestEngine } from '../../src/testing/index.ts'
import { crashAndReplace, gate, testEngine } from '../support/engine.ts'

test('jobs of a killed process run again elsewhere; the crash is counted apart from the attempts', async () => {
  const never = gate<string>()
  let runs = 0
  const long = job('long', {}, ({ attempt }) => (++runs === 1 ? never.opened : `attempt ${attempt}`))
  const one = await testEngine({ jobs: [long] })
  const { id } = await one.engine.enqueue(long)
  await one.advance('1s')
  const two = await crashAndReplace(one)
  const ref = two.engine.ref(id)
  expect(await ref.result()).toBe('attempt 1')
  expect(await ref.status()).toMatchObject({ attempt: 1, crashes: 1, claim: 3 })
  expect(await ref.attempts()).toEqual([
    expect.objectContaining({ outcome: 'crashed', attempt: 1, claim: 1, error: undefined }),
  ])
  expect((await two.engine.workers()).map(({ state }) => state)).toEqual(['running', 'dead'])
  never.open('')
})

test('what had been claimed and not begun comes back too', async () => {
  const never = gate<string>()
  let first = true
  const long = job('long', {}, () => (first ? never.opened : 'done'))
  const one = await testEngine({ jobs: [long], work: { concurrency: 2 } })
  const refs = await one.engine.enqueueMany(long, [1, 2, 3, 4, 5, 6])
  await one.advance('1s')
  first = false
  const two = await crashAndReplace(one)
  const found = await Promise.all(refs.map(({ id }) => two.engine.ref(id).status()))
  expect(found.map(({ state }) => state)).toEqual(refs.map(() => 'completed'))
  never.open('')
})

test('a job that was running in too many dying processes is put aside as poisoned; its neighbours are not', async () => {
  const never = gate<string>()
  const killer = job('killer', { crashes: 3 }, () => never.opened)
  const innocent = job('innocent', { crashes: 3 }, () => (deaths === 0 ? never.opened : 'done'))
  let deaths = 0
  let process: TestEngine = await testEngine({ jobs: [killer, innocent] })
  const poison = await process.engine.enqueue(killer)
  const neighbours = await process.engine.enqueueMany(innocent, [1, 2, 3])
  const ended: EngineEvents['rescued'][] = []
  await process.advance('1s')
  for (deaths = 1; deaths <= 3; deaths++) {
    await process.crash()
    process = await process.another()
    process.engine.on('rescued', (event) => ended.push(event))
    await process.advance('15s')
  }
  expect(await process.engine.ref(poison.id).status()).toMatchObject({
    state: 'dead',
    reason: 'poisoned',
    crashes: 3,
    error: { code: 'LW_JOB_POISONED' },
  })
  const others = await Promise.all(neighbours.map(({ id }) => process.engine.ref(id).status()))
  expect(others.map(({ state, crashes }) => [state, crashes])).toEqual(neighbours.map(() => ['completed', 1]))
  never.open('')
})

test('suspects run alone: no two jobs that were in a crash at the same time', async () => {
  const never = gate<string>()
  let crashed = false
  let running = 0
  let most = 0
  const suspect = job('suspect', {}, async () => {
    if (!crashed) return never.opened
    most = Math.max(most, ++running)
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
    running--
  })
  const one = await testEngine({ jobs: [suspect] })
  await one.engine.enqueueMany(suspect, [1, 2, 3, 4, 5])
  await one.advance('1s')
  crashed = true
  const two = await crashAndReplace(one)
  expect((await two.engine.list({ state: 'completed' })).jobs.length).toBe(5)
  expect(most).toBe(1)
  never.open('')
})

test('a job whose cancel was asked for ends as cancelled when its worker dies', async () => {
  const never = gate<string>()
  const long = job('long', {}, () => never.opened)
  const one = await testEngine({ jobs: [long] })
  const { id } = await one.engine.enqueue(long)
  await one.advance('1s')
  await one.engine.ref(id).cancel('no longer')
  const two = await crashAndReplace(one)
  expect(await two.engine.ref(id).status()).toMatchObject({ state: 'cancelled', reason: 'no longer' })
  never.open('')
})

test('a key whose holder died goes on with the same job', async () => {
  const never = gate<string>()
  const order: unknown[] = []
  const keyed = job('keyed', { key: () => 'k' }, ({ input }) => {
    order.push(input)
    return order.length === 1 ? never.opened : undefined
  })
  const one = await testEngine({ jobs: [keyed] })
  await one.engine.enqueueMany(keyed, [1, 2])
  await one.advance('1s')
  await crashAndReplace(one)
  expect(order).toEqual([1, 1, 2])
  never.open('')
})
