import { expect, test } from 'vitest'
import { z } from 'zod'
import { job } from '../../src/index.ts'
import { gate, testEngine } from '../support/engine.ts'
import { failureOf } from '../support/failure.ts'

const approval = job(
  'approval',
  { signals: { approved: z.object({ by: z.string() }), note: z.string() } },
  async ({ waitFor }) => {
    const answer = await waitFor('approved', { timeout: '2d' })
    return answer ? `by ${answer.by}` : 'nobody'
  },
)

test('a job waits for a signal without a worker, and is woken by it', async () => {
  const { engine, advance, drain } = await testEngine({ jobs: [approval] })
  const ref = await engine.enqueue(approval)
  await advance('1h')
  expect(await ref.status()).toMatchObject({ state: 'waiting', worker: undefined })
  await ref.signal('approved', { by: 'Ada' })
  await drain()
  expect(await ref.result()).toBe('by Ada')
})

test('the wait ends without one when its time is up, also after a restart', async () => {
  const { engine, advance, crash, another } = await testEngine({ jobs: [approval] })
  const { id } = await engine.enqueue(approval)
  await advance('1d')
  await crash()
  const two = await another()
  await two.advance('2d')
  expect(await two.engine.ref(id).result()).toBe('nobody')
})

test('hole: a signal that comes before the wait is kept', async () => {
  const door = gate()
  const late = job('late', {}, async ({ step, waitFor }) => {
    await step('first', () => door.opened)
    return waitFor('go')
  })
  const { engine, advance } = await testEngine({ jobs: [late] })
  const ref = await engine.enqueue(late)
  await ref.signal('go', 1)
  await advance('1s')
  door.open()
  await advance('5s')
  expect(await ref.result()).toBe(1)
})

test('hole: signals of one topic are taken one by one, in order', async () => {
  const many = job('many', {}, async ({ waitFor, sleep }) => {
    const got = [await waitFor('n'), await waitFor('n')]
    await sleep('1h')
    return [...got, await waitFor('n')]
  })
  const { engine, advance } = await testEngine({ jobs: [many] })
  const ref = await engine.enqueue(many)
  for (const n of [1, 2, 3]) await ref.signal('n', n)
  await advance('2h')
  expect(await ref.result()).toEqual([1, 2, 3])
})

test('two waits side by side never take the same signal', async () => {
  const both = job('both', {}, async ({ waitFor }) => Promise.all([waitFor('n'), waitFor('n')]))
  const { engine, drain } = await testEngine({ jobs: [both], work: false })
  const ref = await engine.enqueue(both)
  for (const n of [1, 2]) await ref.signal('n', n)
  await engine.work({ stopOnSignal: false })
  await drain()
  expect(new Set(await ref.result())).toEqual(new Set([1, 2]))
})

test('a wait takes what matches and leaves the rest', async () => {
  const picky = job('picky', {}, async ({ waitFor }) => [
    await waitFor('n', { match: (n) => (n as number) > 5 }),
    await waitFor('n'),
  ])
  const { engine, advance } = await testEngine({ jobs: [picky] })
  const ref = await engine.enqueue(picky)
  await ref.signal('n', 1)
  await advance('1m')
  expect((await ref.status()).state).toBe('waiting')
  await ref.signal('n', 9)
  await advance('1m')
  expect(await ref.result()).toEqual([9, 1])
})

test('a signal beside a running step is seen while it runs', async () => {
  const door = gate()
  const race = job('race', {}, async ({ step, waitFor }) =>
    Promise.race([step('long', () => door.opened.then(() => 'long')), waitFor('stop').then(() => 'stopped')]),
  )
  const { engine, advance } = await testEngine({ jobs: [race] })
  const ref = await engine.enqueue(race)
  await advance('5s')
  await ref.signal('stop')
  await advance('5s')
  expect(await ref.result()).toBe('stopped')
  door.open()
})

test('bad signals are refused, and nothing is kept', async () => {
  const { engine, database, advance } = await testEngine({ jobs: [approval] })
  const ref = await engine.enqueue(approval)
  await advance('1s')
  expect(await failureOf(ref.signal('approved', { by: 7 }))).toMatchObject({ code: 'LW_INPUT_INVALID' })
  expect(await failureOf(ref.signal('aproved', { by: 'Ada' }))).toMatchObject({ code: 'LW_OPTION_INVALID' })
  expect(await failureOf(engine.ref('25600').signal('approved'))).toMatchObject({ code: 'LW_JOB_NOT_FOUND' })
  expect(await database.query('select 1 from legwork.signal')).toEqual([])
  await ref.signal('approved', { by: 'Ada' })
  await advance('1s')
  await ref.result()
  expect(await failureOf(ref.signal('approved', { by: 'Ada' }))).toMatchObject({ code: 'LW_JOB_STATE' })
})

test('signals while it parks are not lost: many jobs, many signals', async () => {
  const counter = job('counter', {}, async ({ waitFor }) => {
    let sum = 0
    for (let n = 0; n < 5; n++) sum += (await waitFor('n')) as number
    return sum
  })
  const { engine, drain } = await testEngine({ jobs: [counter] })
  const refs = await engine.enqueueMany(counter, Array.from({ length: 20 }))
  await Promise.all(
    refs.map(async (ref) => {
      for (let n = 1; n <= 5; n++) await ref.signal('n', n)
    }),
  )
  await drain()
  expect(await Promise.all(refs.map((ref) => ref.result()))).toEqual(refs.map(() => 15))
})
