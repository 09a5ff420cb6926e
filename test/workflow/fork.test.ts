import { expect, test } from 'vitest'
import { z } from 'zod'
import { Abort, job } from '../../src/index.ts'
import { testEngine } from '../support/engine.ts'
import { failureOf } from '../support/failure.ts'

const once = { attempts: 1 } as const

/** Three steps that note that they ran; `broken` names the one that fails. */
function three(log: string[], broken: { step?: string | undefined }) {
  return job('order', { input: z.object({ n: z.number() }), retry: once }, async ({ input, step, uuid }) => {
    const id = await uuid()
    const done: string[] = []
    for (const name of ['a', 'b', 'c']) {
      const work = () => {
        log.push(`${name}${input.n}`)
        if (broken.step === name) throw new Abort(`${name} is broken`)
        return `${name}${input.n} ${id}`
      }
      done.push(await step(name, work))
    }
    return done
  })
}

test('a fork from the last failure keeps the steps before it, with what they came to', async () => {
  const log: string[] = []
  const broken: { step?: string | undefined } = { step: 'c' }
  const order = three(log, broken)
  const { engine, drain } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order, { n: 1 }, { tags: ['shop'], headers: { tenant: 'x' }, priority: 5 })
  await drain()
  const before = await ref.steps()
  broken.step = undefined
  log.length = 0
  const fork = await ref.fork({ from: 'last-failure' })
  await drain()
  expect((await fork.steps()).slice(0, 2)).toEqual(before.slice(0, 2))
  expect(log).toEqual(['c1'])
  const [a, b] = before.map(({ output }) => output)
  expect(await fork.result()).toEqual([a, b, (a as string).replace('a', 'c')])
  expect(await fork.status()).toMatchObject({
    state: 'completed',
    attempt: 1,
    input: { n: 1 },
    tags: ['shop'],
    priority: 5,
    headers: { tenant: 'x', 'legwork-fork': ref.id },
  })
  expect((await ref.status()).state).toBe('dead')
  expect(await ref.steps()).toEqual(before)
})

test('a fork from a step runs that one and all after it, with another input if one is given', async () => {
  const log: string[] = []
  const order = three(log, {})
  const { engine, drain } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order, { n: 1 })
  await drain()
  log.length = 0
  const same = await ref.fork({ from: 'b' })
  const other = await engine.ref(ref.id).fork({ from: 'c', input: { n: 2 } })
  await drain()
  expect(log).toEqual(['b1', 'c1', 'c2'])
  expect((await other.status()).input).toEqual({ n: 2 })
  expect((await same.result()).map((text) => text.slice(0, 2))).toEqual(['a1', 'b1', 'c1'])
  const again = await same.fork({ from: 'a' })
  await drain()
  expect(log.slice(3)).toEqual(['a1', 'b1', 'c1'])
  expect(await again.result()).toEqual(await same.result()) // uuid() came before the first step
})

test('a step in a loop is named as the handler names it', async () => {
  const log: number[] = []
  const loop = job('loop', {}, async ({ step }) => {
    for (const n of [1, 2, 3]) await step(['item', n], () => void log.push(n))
  })
  const { engine, drain } = await testEngine({ jobs: [loop] })
  const ref = await engine.enqueue(loop)
  await drain()
  await ref.fork({ from: ['item', 3] })
  await ref.fork({ from: 'item:2' })
  await drain()
  expect(log).toEqual([1, 2, 3, 3, 2, 3])
})

test('what was kept belongs to the first job: it is not undone with the fork', async () => {
  const log: string[] = []
  let isBroken = false
  const order = job('order', { retry: once }, async ({ step }) => {
    await step('a', () => 'A', { undo: () => void log.push('undo a') })
    await step('b', () => 'B', { undo: () => void log.push('undo b') })
    if (isBroken) throw new Abort('no')
  })
  const { engine, drain } = await testEngine({ jobs: [order], replay: false }) // its code changes
  const ref = await engine.enqueue(order)
  await drain()
  isBroken = true
  const fork = await ref.fork({ from: 'b' })
  await drain()
  expect(log).toEqual(['undo b'])
  expect((await fork.status()).state).toBe('compensated')
  expect((await ref.status()).state).toBe('completed')
})

test('what was undone is not kept: it is done again', async () => {
  const log: string[] = []
  let isBroken = true
  const order = job('order', { retry: once }, async ({ step }) => {
    await step('look', () => void log.push('look'))
    await step('reserve', () => void log.push('reserve'), { undo: () => void log.push('release') })
    await step('charge', () => {
      log.push('charge')
      if (isBroken) throw new Abort('declined')
    })
  })
  const { engine, drain } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await drain()
  isBroken = false
  const fork = await ref.fork({ from: 'last-failure' })
  await drain()
  expect(log).toEqual(['look', 'reserve', 'charge', 'release', 'reserve', 'charge'])
  expect((await fork.status()).state).toBe('completed')
  expect((await ref.status()).state).toBe('compensated')
})

test('children, sleeps and signals that are over are kept, those of runAll also when the first job is forgotten', async () => {
  const log: string[] = []
  const double = job('double', { input: z.number(), output: z.number() }, ({ input }) => {
    log.push(`double ${input}`)
    return input * 2
  })
  const parent = job('parent', {}, async ({ run, runAll, sleep, waitFor, step }) => {
    const one = await run(double, 1)
    const more = await runAll(double, [2, 3])
    await sleep('1h')
    const by = await waitFor('approved')
    return step('end', () => ({ one, more, by }))
  })
  const { engine, drain, advance, database } = await testEngine({ jobs: [double, parent] })
  const ref = await engine.enqueue(parent)
  await ref.signal('approved', 'Ada')
  await advance('2h')
  const whole = { one: 2, more: [4, 6], by: 'Ada' }
  expect(await ref.result()).toEqual(whole)
  log.length = 0
  const fork = await ref.fork({ from: 'end' })
  await database.query('delete from legwork.batch where kind = 1')
  await drain()
  expect(await fork.result()).toEqual(whole)
  expect(log).toEqual([])
})

test('a job that failed outside of its steps is forked behind them, and one without steps runs as a whole', async () => {
  const log = { order: [] as string[], plain: [] as string[] }
  let isBroken = true
  const order = job('order', { retry: false }, async ({ step }) => {
    await step('a', () => void log.order.push('a'))
    if (isBroken) throw new Error('between')
    return 'done'
  })
  const plain = job('plain', { retry: false }, () => {
    log.plain.push('plain')
    if (isBroken) throw new Error('no')
    return 'done'
  })
  const { engine, drain } = await testEngine({ jobs: [order, plain] })
  const refs = [await engine.enqueue(order), await engine.enqueue(plain)]
  await drain()
  isBroken = false
  for (const ref of refs) {
    const fork = await ref.fork({ from: 'last-failure' })
    await drain()
    expect(await fork.result()).toBe('done')
  }
  expect(log).toEqual({ order: ['a'], plain: ['plain', 'plain'] })
})

test('what cannot be forked says why, and adds nothing', async () => {
  const order = three([], {})
  const { engine, drain } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order, { n: 1 }, { unique: 'one' })
  await drain()
  const unknown = await failureOf(ref.fork({ from: 'd' }))
  expect(unknown).toMatchObject({ code: 'LW_OPTION_INVALID' })
  expect(unknown.message).toContain('one of its steps: "a", "b", "c"')
  expect((await failureOf(ref.fork({ from: 'last-failure' }))).message).toContain('none of them has failed')
  expect(await failureOf(ref.fork({ from: '!uuid' }))).toMatchObject({ code: 'LW_OPTION_INVALID' })
  expect(await failureOf(ref.fork({ from: 7 as never }))).toMatchObject({ code: 'LW_OPTION_INVALID' })
  expect(await failureOf(ref.fork({ from: 'b', input: { n: 'x' } }))).toMatchObject({ code: 'LW_INPUT_INVALID' })
  expect(await failureOf(engine.ref('256000').fork({ from: 'b' }))).toMatchObject({ code: 'LW_JOB_NOT_FOUND' })
  await engine.enqueue(order, { n: 2 }, { unique: 'one', delay: '1h' })
  expect(await failureOf(ref.fork({ from: 'b' }))).toMatchObject({ code: 'LW_JOB_STATE' })
  expect((await engine.list()).jobs).toHaveLength(2)
  const [queue] = await engine.queues()
  expect(queue?.counts).toMatchObject({ completed: 1, scheduled: 1, ready: 0 })
})

test('all that fit are forked, and forks that fit too are not forked again', async () => {
  const log: string[] = []
  const broken: { step?: string | undefined } = { step: 'b' }
  const order = three(log, broken)
  const other = job('other', {}, () => undefined)
  const { engine, drain } = await testEngine({ jobs: [order, other] })
  await engine.enqueueMany(order, [{ n: 1 }, { n: 2 }, { n: 3 }], ({ n }) => ({ tags: [n === 3 ? 'odd one' : 'shop'] }))
  await engine.enqueueMany(other, [undefined, undefined])
  await drain()
  broken.step = undefined
  log.length = 0
  expect(await engine.fork({ tag: 'shop' }, { from: 'last-failure' })).toBe(2)
  await drain()
  expect(log.toSorted()).toEqual(['b1', 'b2', 'c1', 'c2'])
  expect(await engine.fork({ state: ['completed', 'ready'] }, { from: 'c' })).toBe(2)
  expect(await engine.fork({ state: 'completed', name: 'other' }, { from: 'c' })).toBe(0)
  expect(await failureOf(engine.fork({ tag: 'none' }, { from: '' }))).toMatchObject({ code: 'LW_OPTION_INVALID' })
})

test('the feed of a fork begins with what it kept', async () => {
  const broken: { step?: string | undefined } = { step: 'b' }
  const order = three([], broken)
  const { engine, drain } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order, { n: 1 })
  await drain()
  broken.step = undefined
  const fork = await ref.fork({ from: 'b' })
  await drain()
  const events: string[] = []
  for await (const event of fork.events()) events.push('step' in event ? `${event.type} ${event.step}` : event.type)
  expect(events).toEqual(['enqueued', 'step a', 'started', 'step b', 'step c', 'ended'])
})

test('retry of the job itself keeps the steps that are done', async () => {
  const log: string[] = []
  const broken: { step?: string | undefined } = { step: 'c' }
  const order = three(log, broken)
  const { engine, drain } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order, { n: 1 })
  await drain()
  broken.step = undefined
  await ref.retry()
  await drain()
  expect(log).toEqual(['a1', 'b1', 'c1', 'c1'])
  expect((await ref.status()).state).toBe('completed')
})
