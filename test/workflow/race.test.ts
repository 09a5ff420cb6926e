import { expect, test } from 'vitest'
import { job } from '../../src/index.ts'
import { gate, testEngine } from '../support/engine.ts'

test('all of several waits: parked until the first, then until the last', async () => {
  let calls = 0
  const order = job('order', {}, async ({ sleep, waitFor, step }) => {
    calls++
    const results = await Promise.all([
      sleep('1h').then(() => step('after the hour', () => 'hour')),
      sleep('3h').then(() => 'three'),
      waitFor<string>('call'),
    ])
    return results
  })
  const { engine, advance } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await advance('30m')
  expect((await ref.status()).state).toBe('waiting')
  await advance('1h')
  expect((await ref.status()).state).toBe('waiting')
  expect((await ref.steps()).find(({ name }) => name === 'after the hour')?.state).toBe('done')
  await ref.signal('call', 'now')
  await advance('2h')
  expect(await ref.result()).toEqual(['hour', 'three', 'now'])
  expect(calls).toBe(4) // at the start, after the hour, for the signal, after three hours
})

test('a race between a signal and a sleep parks, and a step remembers who has won', async () => {
  const order = job('order', {}, async ({ sleep, waitFor, step }) => {
    const winner = await Promise.race([waitFor('paid').then(() => 'paid'), sleep('1h').then(() => 'late')])
    const first = await step('the first', () => winner)
    await sleep('1h', 'after it')
    return first
  })
  const { engine, advance } = await testEngine({ jobs: [order] })
  const late = await engine.enqueue(order)
  const paid = await engine.enqueue(order)
  await advance('10m')
  expect((await late.status()).state).toBe('waiting')
  await paid.signal('paid', true)
  await advance('20m')
  expect((await paid.status()).state).toBe('waiting')
  await advance('3h')
  expect(await paid.result()).toBe('paid')
  expect(await late.result()).toBe('late')
})

test('a race that a step wins leaves its long sleep behind: the job ends without it', async () => {
  const order = job('order', {}, async ({ sleep, step }) => {
    const first = await Promise.race([step('quick', () => 'quick'), sleep('30d').then(() => 'late')])
    await step('next', () => undefined)
    return first
  })
  const { engine, advance } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await advance('5s')
  expect(await ref.result()).toBe('quick')
})

test('hole: two waits for one topic side by side get a signal each, and nobody gets both', async () => {
  const order = job('order', {}, ({ waitFor }) => Promise.all([waitFor('part'), waitFor('part')]))
  const { engine, advance } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await advance('1m')
  await ref.signal('part', 'a')
  await advance('1m')
  expect((await ref.status()).state).toBe('waiting')
  await ref.signal('part', 'b')
  await advance('1m')
  expect(new Set(await ref.result())).toEqual(new Set(['a', 'b']))
})

test('hole: a step and what it tells are written together, each of the events once and in order', async () => {
  const order = job('order', {}, async ({ step, sleep }) => {
    for (let part = 1; part <= 3; part++) {
      await step(['part', part], () => part)
      await sleep('1h', 'pause')
    }
  })
  const { engine, advance } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  for (let hour = 0; hour < 4; hour++) await advance('61m')
  const told: string[] = []
  for await (const event of ref.events()) if (event.type === 'step' && event.kind === 'step') told.push(event.step)
  expect(told).toEqual(['part:1', 'part:2', 'part:3'])
})

test('hole: who has won a race wins it again whenever the handler is run again, also when all sides have ended', async () => {
  const seen: string[] = []
  const slow = gate()
  const order = job('order', {}, async ({ sleep, waitFor, step }) => {
    const winner = await Promise.race([
      step('slow', () => slow.opened).then(() => 'slow'),
      waitFor('paid').then(() => 'paid'),
      sleep('1h').then(() => 'late'),
    ])
    seen.push(winner)
    await sleep('2h', 'after it')
    await step('last', () => undefined)
    await sleep('1h', 'at the end')
    return winner
  })
  const { engine, advance } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await advance('5s')
  await ref.signal('paid', true)
  await advance('5s')
  slow.open()
  await advance('5h')
  expect(await ref.result()).toBe('paid')
  expect(seen.length).toBeGreaterThan(2)
  expect(new Set(seen)).toEqual(new Set(['paid']))
})

test('hole: of steps side by side the first to end is the first in every run, whatever the order in the code', async () => {
  const seen: string[][] = []
  const doors = [gate(), gate(), gate()]
  const order = job('order', {}, async ({ sleep, step }) => {
    const ended: string[] = []
    const names = ['a', 'b', 'c']
    await Promise.all(
      names.map(async (name, place) => {
        await step(name, () => doors[place]?.opened)
        ended.push(name)
      }),
    )
    seen.push(ended)
    await sleep('1h')
    return ended.join('')
  })
  const { engine, advance } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  for (const [place, name] of [
    [2, 'c'],
    [0, 'a'],
    [1, 'b'],
  ] as const) {
    doors[place]?.open()
    await expect.poll(async () => (await ref.steps()).find((one) => one.name === name)?.state).toBe('done')
  }
  await advance('2h')
  expect(await ref.result()).toBe('cab')
  expect(seen).toEqual([
    ['c', 'a', 'b'],
    ['c', 'a', 'b'],
  ])
})

test('a step that the code does not ask for any more keeps nothing waiting', async () => {
  let version = 1
  const order = job('order', {}, async ({ sleep, step }) => {
    const sides = [step('one', () => 1), step('two', () => 2), ...(version === 1 ? [step('old', () => 0)] : [])]
    if (version === 1) await step('older', () => 0)
    await Promise.all(sides.toReversed())
    await sleep('1h')
    return step('three', () => 3)
  })
  const { engine, advance } = await testEngine({ jobs: [order], replay: false })
  const ref = await engine.enqueue(order)
  await advance('1m')
  version = 2
  await advance('1h')
  expect(await ref.result()).toBe(3)
})
