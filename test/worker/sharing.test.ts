import fc from 'fast-check'
import { expect, test } from 'vitest'
import { job, type WorkOptions } from '../../src/index.ts'
import { Shares } from '../../src/worker/shares.ts'
import { gate, testEngine } from '../support/engine.ts'

const weights: readonly (readonly [string, WorkOptions, Readonly<Record<string, number>>])[] = [
  ['equal without weights', { concurrency: 4 }, { a: 1, b: 1, c: 1 }],
  ['3 to 1 to 1, one at a time', { concurrency: 1, queues: { a: { weight: 3 }, b: {}, c: {} } }, { a: 3, b: 1, c: 1 }],
  [
    '3 to 2 to 1, many',
    { concurrency: 30, queues: { a: { weight: 3 }, b: { weight: 2 }, c: {} } },
    { a: 3, b: 2, c: 1 },
  ],
  ['half as many', { concurrency: 4, queues: { a: {}, b: { weight: 0.5 }, c: {} } }, { a: 2, b: 1, c: 2 }],
]
test.each(weights)('queues in which jobs wait share a worker by weight: %s', async (_, work, expected) => {
  const order: string[] = []
  const note = job('note', {}, async ({ queue }) => {
    order.push(queue)
    await new Promise((resolve) => setImmediate(resolve))
  })
  const { engine, drain } = await testEngine({ jobs: [note], work: false })
  const each = 180
  for (const queue of Object.keys(expected)) await engine.enqueueMany(note, Array(each).fill(0), { queue })
  // beside a reserve nothing is claimed ahead: one claim, in which each queue has its share, is as small as can be
  const concurrency = (work.concurrency ?? 10) + 1
  await engine.work({ stopOnSignal: false, ...work, concurrency, reserve: { '-100': 1 } })
  await drain()
  const total = Object.values(expected).reduce((sum, weight) => sum + weight, 0)
  const contended = order.slice(0, Math.floor((each * total) / Math.max(...Object.values(expected)) / 1.5))
  for (const [queue, weight] of Object.entries(expected)) {
    const share = contended.filter((name) => name === queue).length / contended.length
    expect(Math.abs(share - weight / total), `${queue} had ${share}`).toBeLessThan(0.15)
  }
})

test('a weight gives nothing away while the others are empty, and a cap of its own holds', async () => {
  let now = 0
  let most = 0
  const busy = job('busy', {}, async () => {
    most = Math.max(most, ++now)
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
    now--
  })
  const queues = { a: { weight: 0.1, concurrency: 5 }, b: { weight: 9 } }
  const { engine, drain } = await testEngine({ jobs: [busy], work: { concurrency: 8, queues } })
  await engine.enqueueMany(busy, Array(60).fill(0), { queue: 'a' })
  await drain()
  expect(most).toBe(5)
})

test('shares: all that fits is given, nobody has more than there is room for, and over time each has its weight', () => {
  const queue = fc.record({ weight: fc.integer({ min: 1, max: 9 }), room: fc.integer({ min: 0, max: 50 }) })
  fc.assert(
    fc.property(fc.array(queue, { minLength: 1, maxLength: 6 }), fc.integer({ min: 1, max: 60 }), (queues, limit) => {
      const waiting = queues.map(({ room }, queueId) => ({ queueId, room }))
      const shares = new Shares((id) => queues[id]?.weight ?? 1)
      const given = shares.divide(limit, shares.order(waiting))
      const sum = [...given.values()].reduce((total, n) => total + n, 0)
      expect(sum).toBe(
        Math.min(
          limit,
          waiting.reduce((total, { room }) => total + room, 0),
        ),
      )
      for (const { queueId, room } of waiting) expect(given.get(queueId)).toBeLessThanOrEqual(room)
    }),
  )
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 2, maxLength: 5 }),
      fc.integer({ min: 1, max: 7 }),
      (list, limit) => {
        const shares = new Shares((id) => list[id] ?? 1)
        const got = list.map(() => 0)
        for (let n = 0; n < 500; n++)
          for (const [id, jobs] of shares.divide(
            limit,
            shares.order(list.map((_, queueId) => ({ queueId, room: 100 }))),
          )) {
            shares.took(id, jobs)
            got[id] = (got[id] ?? 0) + jobs
          }
        const rounds = got.map((jobs, id) => jobs / (list[id] ?? 1))
        expect(Math.max(...rounds) - Math.min(...rounds)).toBeLessThanOrEqual(2 * limit)
      },
    ),
  )
})

test('one that was idle has saved nothing up', () => {
  const shares = new Shares()
  const a = { queueId: 1, room: 9 }
  const b = { queueId: 2, room: 9 }
  for (let n = 0; n < 100; n++) {
    shares.order([a])
    shares.took(1, 1)
  }
  let first = 0
  for (let n = 0; n < 10; n++) {
    const [next] = shares.order([a, b])
    if (next === b) first++
    shares.took(next!.queueId, 1)
  }
  expect(first).toBeLessThanOrEqual(6)
})

/**
 * High jobs that each take 10 s and are followed by another one, two of them always ready, and one low job; beside the reserve
 * there is one place for them, and nothing is claimed ahead.
 */
async function lowBesideHigh(work: WorkOptions): Promise<number | undefined> {
  let ranAt: number | undefined
  const high = job('high', { priority: 'high' }, async () => {
    await world.engine.enqueue(high)
    await new Promise<void>((done) => world.clock.after(10_000, done))
  })
  const low = job('low', { priority: 'low' }, () => void (ranAt = world.clock.now()))
  const world = await testEngine({
    jobs: [high, low],
    work: { concurrency: 2, reserve: { urgent: 1 }, ...work },
    patience: 5,
  })
  await world.engine.enqueue(high)
  await world.engine.enqueue(high)
  await world.advance('1s')
  const began = world.clock.now()
  await world.engine.enqueue(low)
  await world.advance('8m')
  return ranAt === undefined ? undefined : (ranAt - began) / 60_000
}

test('without aging a low job does not run while high ones come', async () => {
  expect(await lowBesideHigh({})).toBeUndefined()
})

test('with aging it runs when it has waited as many times that long as it is classes behind', async () => {
  const minutes = await lowBesideHigh({ aging: '2m' })
  expect(minutes).toBeGreaterThan(3.5)
  expect(minutes).toBeLessThan(5)
})

const reserves: readonly (readonly [string, Readonly<Record<string, number>>, Readonly<Record<string, number>>])[] = [
  ['two for urgent ones', { urgent: 2 }, { low: 8, normal: 0, urgent: 2 }],
  ['and one more for normal ones', { urgent: 2, normal: 1 }, { low: 7, normal: 1, urgent: 2 }],
  ['numbers', { '-20': 3 }, { low: 7, normal: 0, urgent: 3 }],
]
test.each(reserves)('places are kept for a priority: %s', async (_, reserve, expected) => {
  const door = gate()
  const running: Record<string, number> = { low: 0, normal: 0, urgent: 0 }
  const busy = job('busy', {}, async ({ input }) => {
    running[String(input)] = (running[String(input)] ?? 0) + 1
    await door.opened
  })
  const { engine, advance, drain } = await testEngine({ jobs: [busy], work: { concurrency: 10, reserve } })
  const add = (priority: 'low' | 'normal' | 'urgent') =>
    engine.enqueueMany(busy, Array(30).fill(priority), { priority, queue: priority === 'low' ? 'other' : 'default' })
  for (const priority of ['low', 'normal', 'urgent'] as const) {
    await add(priority)
    await advance('1s')
  }
  expect(running).toEqual(expected)
  door.open()
  await drain()
  expect(running).toEqual({ low: 30, normal: 30, urgent: 30 })
})

test('a limit per worker: so many at once in a process, and others run beside', async () => {
  let now = 0
  let most = 0
  const heavy = job('heavy', { limit: { running: 2, per: 'worker' } }, async () => {
    most = Math.max(most, ++now)
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
    now--
  })
  const light = job('light', {}, () => 'ran')
  const { engine, drain } = await testEngine({ jobs: [heavy, light], work: { concurrency: 10 } })
  const refs = await engine.enqueueMany(heavy, Array(50).fill(0))
  const others = await engine.enqueueMany(light, Array(50).fill(0))
  await drain()
  expect(most).toBe(2)
  for (const ref of [...refs, ...others]) expect(await ref.status()).toMatchObject({ state: 'completed', attempt: 1 })
})

test('a limit per worker holds no job back that another limit lets in, and keeps priorities', async () => {
  const order: string[] = []
  const options = { limit: [{ running: 1, per: 'worker' as const }, { running: 5 }] }
  const heavy = job('heavy', options, ({ input }) => void order.push(String(input)))
  const light = job('light', {}, ({ input }) => void order.push(String(input)))
  const { engine, drain } = await testEngine({ jobs: [heavy, light], work: false })
  await engine.enqueue(light, 'low', { priority: 'low' })
  await engine.enqueue(heavy, 'normal')
  await engine.enqueue(heavy, 'high', { priority: 'high' })
  await engine.enqueue(light, 'urgent', { priority: 'urgent' })
  await engine.work({ concurrency: 1, stopOnSignal: false })
  await drain()
  expect(order).toEqual(['urgent', 'high', 'normal', 'low'])
})

const wrong: readonly (readonly [string, WorkOptions])[] = [
  ['queues.a.concurrency', { queues: { a: { concurrency: 0 } } }],
  ['queues.a.weight', { queues: { a: { weight: 0 } } }],
  ['queues.a', { queues: { a: 1.5 } }],
  ['reserve.urgent', { reserve: { urgent: -1 } }],
  ['reserve', { reserve: { soon: 1 } }],
  ['reserve', { reserve: { urgent: 10 }, concurrency: 10 }],
  ['aging', { aging: 0 }],
]
test.each(wrong)('refuses a wrong %s', async (option, work) => {
  const { engine } = await testEngine({ jobs: [], work: false })
  await expect(engine.work(work)).rejects.toMatchObject({ code: 'LW_OPTION_INVALID', details: { option } })
})

test('a limit per worker has running and nothing else', () => {
  expect(() => job('a', { limit: { per: 'worker' } })).toThrow(/limit.running/)
  expect(() => job('a', { limit: { per: 'worker', running: 1, rate: '1/1s' } })).toThrow(/running alone/)
})
