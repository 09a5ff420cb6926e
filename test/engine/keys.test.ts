import { expect, test } from 'vitest'
import { job } from '../../src/index.ts'
import { gate, testEngine } from '../support/engine.ts'

test('jobs with the same key run one at a time in the order they came, others beside them', async () => {
  const active = new Map<string, number>()
  const order: string[] = []
  let most = 0
  const step = job('step', {}, async ({ key = '', input }) => {
    active.set(key, (active.get(key) ?? 0) + 1)
    most = Math.max(most, active.get(key) ?? 0)
    order.push(`${key}${String(input)}`)
    await new Promise((resolve) => setImmediate(resolve))
    active.set(key, (active.get(key) ?? 0) - 1)
  })
  const { engine, drain } = await testEngine({ jobs: [step] })
  const inputs = Array.from({ length: 60 }, (_, n) => n)
  await engine.enqueueMany(step, inputs, (n) => ({ key: 'abc'[Number(n) % 3] ?? '' }))
  await drain()
  expect(most).toBe(1)
  for (const key of 'abc') {
    const own = order.filter((each) => each.startsWith(key)).map((each) => Number(each.slice(1)))
    expect(own).toEqual(inputs.filter((n) => 'abc'[n % 3] === key))
  }
})

test('jobs behind many of one key run while these wait, and these run in their order when the key is free', async () => {
  const first = gate()
  const hot: unknown[] = []
  let others = 0
  const mail = job('mail', {}, async ({ input }) => {
    if (input === 0) await first.opened
    hot.push(input)
  })
  const plain = job('plain', {}, () => void others++)
  const { engine, drain } = await testEngine({ jobs: [mail, plain], work: { concurrency: 20 } })
  const inputs = Array.from({ length: 120 }, (_, n) => n)
  await engine.enqueueMany(mail, inputs, { key: 'one' })
  const refs = await engine.enqueueMany(plain, inputs.slice(0, 100))
  await Promise.all(refs.map((ref) => ref.result()))
  expect([others, hot]).toEqual([100, []])
  first.open()
  await drain()
  expect(hot).toEqual(inputs)
})

test('a job in back-off keeps its place before those with its key', async () => {
  const order: string[] = []
  const step = job('step', { retry: { backoff: 'fixed', first: '10s' } }, ({ input, attempt }) => {
    order.push(`${String(input)}.${attempt}`)
    if (input === 'first' && attempt === 1) throw new Error('not yet')
  })
  const { engine, drain, advance } = await testEngine({ jobs: [step] })
  const refs = [await engine.enqueue(step, 'first', { key: 'k' }), await engine.enqueue(step, 'second', { key: 'k' })]
  await engine.enqueue(step, 'stranger', { key: 'other' })
  await drain()
  expect((await Promise.all(refs.map((ref) => ref.status()))).map(({ state }) => state)).toEqual([
    'scheduled',
    'blocked',
  ])
  await advance('10s')
  expect(order.filter((each) => !each.startsWith('stranger'))).toEqual(['first.1', 'first.2', 'second.1'])
})

test('a delayed job does not hold its key before its time', async () => {
  const order: unknown[] = []
  const step = job('step', {}, ({ input }) => void order.push(input))
  const { engine, drain, advance } = await testEngine({ jobs: [step] })
  await engine.enqueue(step, 'later', { key: 'k', delay: '1h' })
  await engine.enqueue(step, 'now', { key: 'k' })
  await drain()
  expect(order).toEqual(['now'])
  await advance('1h')
  expect(order).toEqual(['now', 'later'])
})

test.each(['dead', 'cancelled'] as const)('a job that ends as %s makes way for the next with its key', async (end) => {
  const door = gate()
  const step = job('step', { retry: false }, async ({ input, signal }) => {
    if (input !== 'first') return 'ran'
    await Promise.race([door.opened, new Promise((resolve) => signal.addEventListener('abort', resolve))])
    throw new Error('no')
  })
  const { engine, drain } = await testEngine({ jobs: [step] })
  const first = await engine.enqueue(step, 'first', { key: 'k' })
  const second = await engine.enqueue(step, 'second', { key: 'k' })
  if (end === 'cancelled') await first.cancel()
  else door.open()
  await drain()
  expect([(await first.status()).state, await second.result()]).toEqual([end, 'ran'])
})

test('cancelling a waiting job with a key does not disturb the line', async () => {
  const door = gate()
  const order: unknown[] = []
  const step = job('step', {}, async ({ input }) => {
    order.push(input)
    if (input === 1) await door.opened
  })
  const { engine, advance, drain } = await testEngine({ jobs: [step] })
  const refs = await engine.enqueueMany(step, [1, 2, 3, 4], { key: 'k' })
  await advance('1s')
  expect((await refs[1]?.status())?.state).toBe('blocked')
  expect(await refs[1]?.cancel()).toBe(true)
  door.open()
  await drain()
  expect(order).toEqual([1, 3, 4])
})

test('the key of the definition comes from the input as the caller gave it', async () => {
  const step = job('step', { key: (input) => (input as { order: string }).order }, ({ key }) => key ?? 'none')
  const { engine } = await testEngine({ jobs: [step] })
  expect(await (await engine.enqueue(step, { order: 'A7' })).result()).toBe('A7')
  expect(await (await engine.enqueue(step, { order: 'A7' }, { key: 'own' })).result()).toBe('own')
  expect(await (await engine.enqueue(step, {})).result()).toBe('none')
})

test('the next in line that is put off, or cancelled, before it has begun makes way for the one behind it', async () => {
  const door = gate()
  const order: unknown[] = []
  const step = job('step', {}, async ({ input }) => {
    order.push(input)
    if (input === 1) await door.opened
  })
  const { engine, advance, drain } = await testEngine({ jobs: [step] })
  const [one, two, three, four] = await engine.enqueueMany(step, [1, 2, 3, 4], { key: 'k' })
  await advance('1s')
  await engine.pause('default')
  door.open()
  await one?.result()
  await advance('1s')
  expect((await two?.status())?.state).toBe('ready')
  await two?.change({ delay: '1h' })
  await advance('5s')
  expect((await three?.status())?.state).toBe('ready')
  await three?.cancel()
  await engine.resume('default')
  await drain()
  expect(order).toEqual([1, 4])
  await four?.result()
  await advance('1h')
  expect(order).toEqual([1, 4, 2])
})
