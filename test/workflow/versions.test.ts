import { expect, test } from 'vitest'
import { job } from '../../src/index.ts'
import { gate, testEngine } from '../support/engine.ts'
import { failureOf } from '../support/failure.ts'

/** One job in two versions of its code. */
function versions(pin: boolean) {
  const contract = { pin, retry: 1 } as const
  const one = job('order', { ...contract, version: 1 }, async ({ step, sleep }) => {
    await step('a', () => 'a of 1')
    await sleep('1h')
    return step('b', () => 'b of 1')
  })
  const two = job('order', { ...contract, version: 2 }, async ({ step, sleep, version }) => {
    const a = await step('a', () => 'a of 2')
    await sleep('1h')
    return `${a}, b of 2 for a job of ${version}`
  })
  return { one, two }
}

test('a job goes on in newer code, and is told the version that it was enqueued with', async () => {
  const { one, two } = versions(false)
  const { engine, advance, another, crash } = await testEngine({ jobs: [one], replay: false })
  const ref = await engine.enqueue(one)
  await advance('1m')
  expect(await ref.status()).toMatchObject({ state: 'waiting', version: '1', pin: undefined })
  await crash()
  const next = await another({ jobs: [two] })
  await next.advance('2h')
  expect(await next.engine.ref(ref.id).result()).toBe('a of 1, b of 2 for a job of 1')
})

test('a pinned job waits for a worker with its version, and says so', async () => {
  const { one, two } = versions(true)
  const { engine, advance, another, crash } = await testEngine({ jobs: [one], replay: false })
  const ref = await engine.enqueue(one)
  await advance('1m')
  await crash()
  const newer = await another({ jobs: [two] })
  await newer.advance('2h')
  expect(await newer.engine.ref(ref.id).status()).toMatchObject({
    state: 'ready',
    version: '1',
    pin: '1',
    waitsFor: 'no running worker serves queue "default" and knows version 1 of a job named "order"',
  })
  expect(await (await newer.engine.enqueue(two)).status()).toMatchObject({ pin: '2' })
  await newer.crash()
  const both = await newer.another({ jobs: [two, one] })
  await both.advance('15s')
  expect(await both.engine.ref(ref.id).result()).toBe('b of 1')
})

test('a process with two versions runs each job with its own; by name the first is enqueued', async () => {
  const { one, two } = versions(true)
  const { engine, advance } = await testEngine({ jobs: [two, one] })
  const refs = [await engine.enqueue(one), await engine.enqueue(two), await engine.enqueue('order')]
  await advance('2h')
  expect(await Promise.all(refs.map((ref) => ref.result()))).toEqual([
    'b of 1',
    'a of 2, b of 2 for a job of 2',
    'a of 2, b of 2 for a job of 2',
  ])
})

test('pinned jobs are moved to another version, or to any, by a change', async () => {
  const { one, two } = versions(true)
  const { engine, advance, another, crash } = await testEngine({ jobs: [one], replay: false })
  const first = await engine.enqueue(one)
  const second = await engine.enqueue(one, undefined, { key: 'second' })
  await advance('1m')
  await crash()
  const next = await another({ jobs: [two] })
  await next.engine.ref(first.id).change({ pin: '2' })
  expect(await next.engine.change({ name: 'order', state: 'waiting', key: 'second' }, { pin: null })).toBe(1)
  await next.advance('2h')
  for (const ref of [first, second])
    expect(await next.engine.ref(ref.id).result()).toBe('a of 1, b of 2 for a job of 1')
})

test('a pinned job that begins again with another input may move on to a newer version', async () => {
  const door = gate()
  const old = job('endless', { version: 'old', pin: true }, async ({ restart, input }) => {
    await door.opened
    return restart(Number(input ?? 0) + 1)
  })
  const fresh = job('endless', { version: 'new', pin: true }, ({ input, version }) => [input, version ?? 'any'])
  const { engine, advance, another } = await testEngine({ jobs: [old], replay: false })
  const ref = await engine.enqueue(old)
  await advance('1s')
  const next = await another({ jobs: [fresh] })
  door.open()
  await engine.close()
  await next.advance('15s')
  expect(await next.engine.ref(ref.id).result()).toEqual([1, 'any'])
})

test('two jobs of one name need versions that differ; a pin needs one', async () => {
  const plain = job('order', {}, () => 1)
  const one = job('order', { version: '1' }, () => 1)
  await expect(testEngine({ jobs: [plain, one] })).rejects.toThrow(/each a version, if they are versions of one job/)
  await expect(testEngine({ jobs: [one, one] })).rejects.toThrow(/Two jobs are named "order" and have the version "1"/)
  expect(failureOf(() => job('order', { pin: true }))).toMatchObject({ code: 'LW_OPTION_INVALID' })
})
