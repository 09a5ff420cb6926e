import { expect, test } from 'vitest'
import { Abort, job, type JobContext, type LegworkError, RetryAfter, StepError } from '../../src/index.ts'
import { failureOf } from '../support/failure.ts'
import { testEngine } from '../support/engine.ts'

const soon = { attempts: 3, backoff: 'fixed', first: '1m' } as const

test('a step is not run again when its handler is', async () => {
  const ran: string[] = []
  const order = job('order', { retry: soon }, async ({ step, attempt }) => {
    const one = await step('one', () => (ran.push('one'), { n: 1 }))
    ran.push('between')
    const two = await step('two', () => ran.push('two'))
    if (attempt === 1) throw new Error('after two')
    return [one, two]
  })
  const { engine, advance } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await advance('2m')
  expect(await ref.result()).toEqual([{ n: 1 }, 3])
  expect(ran).toEqual(['one', 'between', 'two', 'between'])
})

test('steps are known by name and how often it came: a loop, a key, a new step in front', async () => {
  const ran: string[] = []
  let isNew = false
  const order = job('order', { retry: soon }, async ({ step, attempt }) => {
    const say = (text: string) => () => void ran.push(text)
    if (isNew) await step('new', say('new'))
    for (const n of [1, 2]) await step('same', say(`same ${n}`))
    for (const id of ['a', 'b']) await step(['item', id], say(id))
    if (attempt === 1) throw new Error('later')
  })
  const { engine, advance } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await advance('1s')
  isNew = true
  await advance('2m')
  await ref.result()
  expect(ran).toEqual(['same 1', 'same 2', 'a', 'b', 'new'])
})

test('hole: a failed step is retried by the engine; its blips never reach a catch', async () => {
  const log: string[] = []
  const order = job('order', {}, async ({ step }) => {
    try {
      return await step(
        'charge',
        ({ attempt }) => {
          log.push(`try ${attempt}`)
          if (attempt < 3) throw new Error('blip')
          return 'charged'
        },
        { retry: soon },
      )
    } catch {
      return log.push('undone')
    }
  })
  const { engine, advance } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await advance('5m')
  expect(await ref.result()).toBe('charged')
  expect(log).toEqual(['try 1', 'try 2', 'try 3'])
  expect(await ref.attempts()).toEqual([])
})

test('hole: the final failure of a step is remembered, the same in every run of the handler', async () => {
  let tries = 0
  const seen: unknown[] = []
  const order = job('order', { retry: soon }, async ({ step, attempt }) => {
    const error = await failureOf(
      step('charge', () => Promise.reject(new Error(`declined ${++tries}`)), { retry: false }),
    )
    seen.push(error)
    if (attempt === 1) throw new Error('something else')
    return 'handled'
  })
  const { engine, advance } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await advance('2m')
  expect(await ref.result()).toBe('handled')
  expect(tries).toBe(1)
  const [first, second] = seen as StepError[]
  expect(first).toBeInstanceOf(StepError)
  expect(first).toMatchObject({ step: 'charge', attempts: 1, cause: { message: 'declined 1' } })
  expect(second).toMatchObject({ message: first!.message, step: 'charge', cause: { message: 'declined 1' } })
})

test('a StepError that nobody catches ends the job at once; retry() tries only the failed step again', async () => {
  const ran: string[] = []
  let isUp = false
  const order = job('order', { retry: soon }, async ({ step }) => {
    await step('first', () => void ran.push('first'))
    await step(
      'call',
      () => {
        ran.push('call')
        if (!isUp) throw new Abort('no such account')
      },
      { retry: soon },
    )
  })
  const { engine, drain, advance } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await drain()
  expect(await ref.status()).toMatchObject({ state: 'dead', reason: 'step_failed', attempt: 1 })
  isUp = true
  await ref.retry()
  await advance('1s')
  await ref.result()
  expect(ran).toEqual(['first', 'call', 'call'])
})

test('a step may say when to try again', async () => {
  let tries = 0
  const order = job('order', {}, ({ step }) =>
    step('call', () => {
      if (++tries === 1) throw new RetryAfter('3h')
      return tries
    }),
  )
  const { engine, advance } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await advance('2h')
  expect(await ref.status()).toMatchObject({ state: 'waiting', attempt: 0 })
  await advance('2h')
  expect(await ref.result()).toBe(2)
})

test('the idempotency key of a step is the same for every try', async () => {
  const keys: string[] = []
  const order = job('order', {}, async ({ step }) => {
    await step('a', ({ idempotencyKey, attempt }) => {
      keys.push(idempotencyKey)
      if (attempt < 2) throw new Error('again')
    })
    await step('b', ({ idempotencyKey }) => void keys.push(idempotencyKey))
  })
  const { engine, advance } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await advance('1m')
  await ref.result()
  expect(keys).toHaveLength(3)
  expect(keys[0]).toBe(keys[1])
  expect(keys[2]).not.toBe(keys[1])
})

test('a step that runs into its timeout is told, and tried again', async () => {
  const reasons: unknown[] = []
  const order = job('order', {}, ({ step }) =>
    step(
      'slow',
      ({ attempt, signal }) =>
        attempt > 1
          ? 'fast'
          : new Promise((_, reject) => {
              signal.addEventListener('abort', () => {
                reasons.push((signal.reason as LegworkError).code)
                reject(signal.reason as Error)
              })
            }),
      { timeout: '20s', retry: soon },
    ),
  )
  const { engine, advance } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await advance('2m')
  expect(await ref.result()).toBe('fast')
  expect(reasons).toEqual(['LW_STEP_TIMEOUT'])
})

test('a step inside of a step is refused', async () => {
  const order = job('order', { retry: false }, ({ step }) =>
    step('outer', () => step('inner', () => 1), { retry: false }),
  )
  const { engine, drain } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await drain()
  expect(String((await failureOf(ref.result())) as Error)).toContain('LW_STEP_NESTED')
})

test.each([
  ['', 'name of a step'],
  ['x'.repeat(501), 'name of a step'],
  ['!undo', 'name of a step'],
  ['charge#2', 'name of a step'],
])('a step cannot be called %j', async (name, rule) => {
  const order = job('order', { retry: false }, ({ step }) => step(name, () => 1))
  const { engine, drain } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await drain()
  expect(String((await failureOf(ref.result())) as Error)).toContain(rule)
})

test('time, chance and identity stay the same', async () => {
  const seen: unknown[] = []
  const order = job('order', { retry: soon }, async ({ now, random, uuid, attempt }: JobContext) => {
    seen.push(await Promise.all([now(), random(), random(), uuid()]))
    if (attempt === 1) throw new Error('again')
  })
  const { engine, advance } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await advance('2m')
  await ref.result()
  expect(seen).toHaveLength(2)
  expect(seen[1]).toEqual(seen[0])
  const [time, one, two, id] = seen[0] as unknown[]
  expect(time).toBeInstanceOf(Date)
  expect(one).not.toBe(two)
  expect(id).toMatch(/^[0-9a-f-]{36}$/)
})

test('steps that run side by side are each remembered', async () => {
  const ran: string[] = []
  const order = job('order', { retry: soon }, async ({ step, attempt }) => {
    const all = await Promise.all(['a', 'b', 'c'].map((name) => step(name, async () => (ran.push(name), name))))
    if (attempt === 1) throw new Error('again')
    return all
  })
  const { engine, advance } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await advance('2m')
  expect(await ref.result()).toEqual(['a', 'b', 'c'])
  expect(ran).toEqual(['a', 'b', 'c'])
})

test('a result that JSON cannot hold fails the step with its path', async () => {
  const order = job('order', {}, ({ step }) => step('bad', () => ({ map: new Map() }), { retry: false }))
  const { engine, drain } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await drain()
  expect(String((await failureOf(ref.result())) as Error)).toContain('$.map is a Map')
})
