import { expect, test } from 'vitest'
import { z } from 'zod'
import { job } from '../../src/index.ts'
import { crashAndReplace, testEngine } from '../support/engine.ts'

const release = (log: unknown[], failures = 0) => {
  let left = failures
  return job('release', { input: z.object({ order: z.string() }), retry: false }, ({ input }) => {
    if (left-- > 0) throw new Error('closed')
    log.push(input.order)
  })
}

test('an undo can be a job of its own, which needs no run of the handler', async () => {
  const log: unknown[] = []
  const undo = release(log)
  let runs = 0
  const order = job('order', { retry: false }, async ({ step, sleep }) => {
    runs++
    if (runs > 1) return // the code has changed
    await step('a', () => undefined, { undo: undo.with({ order: '7' }) })
    await step('b', () => undefined, { undo: undo.with({ order: '8' }) })
    await sleep('30d')
  })
  const { engine, advance } = await testEngine({ jobs: [order, undo] })
  const ref = await engine.enqueue(order)
  await advance('1m')
  await ref.cancel('no')
  await advance('1m')
  expect(await ref.status()).toMatchObject({ state: 'compensated', reason: 'no' })
  expect(log).toEqual(['8', '7'])
})

test('an undoing job that fails for good leaves it to a person, and a retry runs it anew', async () => {
  const log: unknown[] = []
  const undo = release(log, 1)
  const order = job('order', { retry: false }, async ({ step }) => {
    await step('a', () => undefined, { undo: undo.with({ order: '7' }) })
    throw new Error('no')
  })
  const { engine, advance } = await testEngine({ jobs: [order, undo] })
  const ref = await engine.enqueue(order)
  await advance('1m')
  expect(await ref.status()).toMatchObject({ state: 'compensation_failed' })
  expect((await ref.status()).error?.message).toMatch(/release\) is dead: Error: closed/)
  await ref.retry()
  await advance('1m')
  expect(await ref.status()).toMatchObject({ state: 'compensated' })
  expect(log).toEqual(['7'])
})

test('a worker that dies while an undoing job runs: it is run once, and the job ends as undone', async () => {
  const log: unknown[] = []
  const undo = job('release', { input: z.string() }, async ({ input, sleep }) => {
    await sleep('1h')
    log.push(input)
  })
  const order = job('order', { retry: false }, async ({ step }) => {
    await step('a', () => undefined, { undo: undo.with('7') })
    throw new Error('no')
  })
  const one = await testEngine({ jobs: [order, undo] })
  const { id } = await one.engine.enqueue(order)
  await one.advance('1m')
  const two = await crashAndReplace(one)
  await two.advance('2h')
  expect(await two.engine.ref(id).status()).toMatchObject({ state: 'compensated' })
  expect(log).toEqual(['7'])
})

test('an input that does not fit the undoing job fails the step before it has begun', async () => {
  const order = job('order', { retry: false }, ({ step }) =>
    step('a', () => log.push('ran'), { undo: release([]).with({ order: 7 as never }) }),
  )
  const log: unknown[] = []
  const { engine, advance } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await advance('1m')
  expect(await ref.status()).toMatchObject({ state: 'dead' })
  expect((await ref.status()).error?.message).toContain('Input of job "release"')
  expect(log).toEqual([])
})
