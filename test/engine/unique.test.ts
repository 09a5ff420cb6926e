import { expect, test } from 'vitest'
import { z } from 'zod'
import { type EnqueueOptions, job } from '../../src/index.ts'
import { gate, testEngine } from '../support/engine.ts'
import { failureOf } from '../support/failure.ts'

const note = job('note', {}, ({ input }) => input)
const cart = job('cart', {
  input: z.object({ items: z.array(z.string()) }),
  merge: (waiting, added) => ({ items: [...waiting.items, ...added.items] }),
})

test.each([
  ['ignore', { created: false, conflict: 'ignored' }, 'first', 0],
  ['replace', { created: false, conflict: 'replaced' }, 'second', -10],
] as const)('on conflict %s', async (onConflict, told, input, priority) => {
  const { engine } = await testEngine({ jobs: [note], work: false })
  const unique = { value: 'a', onConflict }
  const first = await engine.enqueue(note, 'first', { unique })
  expect(first).toMatchObject({ created: true, conflict: undefined })
  const second = await engine.enqueue(note, 'second', { unique, priority: 'high', headers: { by: 'ada' }, tags: ['t'] })
  expect(second).toMatchObject({ ...told, id: first.id })
  const headers = onConflict === 'replace' ? { by: 'ada' } : {}
  expect(await first.status()).toMatchObject({ input, priority, headers, state: 'ready' })
})

test('on conflict reject: an error with the id, and nothing of the call remains', async () => {
  const { engine } = await testEngine({ jobs: [note], work: false })
  const unique = { value: 'a', onConflict: 'reject' } as const
  const first = await engine.enqueue(note, 1, { unique })
  const error = await failureOf(engine.enqueue(note, 2, { unique }))
  expect(error).toMatchObject({ code: 'LW_DUPLICATE', details: { id: first.id } })
  const many = engine.enqueueMany(note, [1, 2, 3], (n) => (n === 3 ? { unique } : {}))
  expect(await failureOf(many)).toMatchObject({ code: 'LW_DUPLICATE' })
  expect((await engine.list()).jobs.length).toBe(1)
  const calls = await Promise.allSettled(
    [1, 2, 3].map((n) => engine.enqueue(note, n, n === 2 ? { unique } : { key: 'k' })),
  )
  expect(calls.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
})

test("a rejected call leaves the caller's transaction usable", async () => {
  const { engine } = await testEngine({ jobs: [note], work: false })
  const unique = { value: 'a', onConflict: 'reject' } as const
  await engine.enqueue(note, 1, { unique })
  await engine.transaction(async (tx) => {
    expect(await failureOf(engine.enqueue(note, 2, { tx, unique }))).toMatchObject({ code: 'LW_DUPLICATE' })
    await engine.enqueue(note, 3, { tx })
  })
  expect((await engine.list({ order: 'oldest' })).jobs.map(({ input }) => input)).toEqual([1, 3])
})

test('merge makes one input of both, in the order of the calls, also in one call and in a transaction', async () => {
  const { engine } = await testEngine({ jobs: [cart], work: false })
  const options: EnqueueOptions = { unique: { value: 'ada', onConflict: 'merge' } }
  const first = await engine.enqueue(cart, { items: ['a'] }, options)
  expect(await engine.enqueue(cart, { items: ['b'] }, options)).toMatchObject({ conflict: 'merged', id: first.id })
  const inputs = ['c', 'd'].map((item) => ({ items: [item] }))
  expect((await engine.enqueueMany(cart, inputs, options)).map((ref) => ref.conflict)).toEqual(['merged', 'merged'])
  await engine.transaction(async (tx) => void (await engine.enqueue(cart, { items: ['e'] }, { ...options, tx })))
  expect((await first.status()).input).toEqual({ items: ['a', 'b', 'c', 'd', 'e'] })
})

test('a merge that makes something invalid, or throws, changes nothing', async () => {
  const bad = job('bad', {
    input: z.object({ n: z.number().max(3) }),
    merge: (waiting, added) => {
      if (added.n === 0) throw new Error('no zero')
      return { n: waiting.n + added.n }
    },
  })
  const { engine } = await testEngine({ jobs: [bad, note], work: false })
  const options: EnqueueOptions = { unique: { value: 'a', onConflict: 'merge' } }
  const ref = await engine.enqueue(bad, { n: 2 }, options)
  expect(await failureOf(engine.enqueue(bad, { n: 2 }, options))).toMatchObject({ code: 'LW_INPUT_INVALID' })
  await expect(engine.enqueue(bad, { n: 0 }, options)).rejects.toThrow('no zero')
  expect((await ref.status()).input).toEqual({ n: 2 })
  expect(await failureOf(engine.enqueue(note, 1, options))).toMatchObject({ code: 'LW_OPTION_INVALID' })
})

test('until started: a second one may wait while the first runs, and runs after it', async () => {
  const ran: unknown[] = []
  const { opened, open } = gate()
  const sync = job('sync', {}, async ({ input }) => {
    ran.push(input)
    if (input === 1) await opened
  })
  const { engine, drain, advance } = await testEngine({ jobs: [sync] })
  const options: EnqueueOptions = { unique: { value: 's', until: 'started' }, key: 's' }
  const first = await engine.enqueue(sync, 1, options)
  await advance(1)
  expect((await first.status()).state).toBe('running')
  const [second, third] = [await engine.enqueue(sync, 2, options), await engine.enqueue(sync, 3, options)]
  expect([second.created, third.created, third.id]).toEqual([true, false, second.id])
  open()
  await drain()
  expect(ran).toEqual([1, 2])
})

test('until finished: a running one is not changed', async () => {
  const { opened, open } = gate()
  const wait = job('wait', {}, () => opened)
  const { engine, advance, drain } = await testEngine({ jobs: [wait] })
  const unique = { value: 'a', until: 'finished', onConflict: 'replace' } as const
  const first = await engine.enqueue(wait, 1, { unique })
  await advance(1)
  expect(await engine.enqueue(wait, 2, { unique })).toMatchObject({ id: first.id, conflict: 'ignored' })
  open()
  await drain()
  expect((await first.status()).input).toBe(1)
})

test('for a period, and in aligned ones, whether the first has ended or not', async () => {
  const start = new Date('2030-01-01T00:50:00Z')
  const { engine, advance, drain } = await testEngine({ jobs: [note], start })
  const period = { unique: { value: 'a', for: '1h' } } as const
  const bucket = { unique: { value: 'a', bucket: '1h' } } as const
  const firsts = [await engine.enqueue(note, 1, period), await engine.enqueue(note, 1, bucket)]
  await drain()
  await advance('9m')
  expect((await engine.enqueue(note, 2, period)).id).toBe(firsts[0]?.id)
  expect((await engine.enqueue(note, 2, bucket)).id).toBe(firsts[1]?.id)
  await advance('2m')
  expect((await engine.enqueue(note, 3, period)).created).toBe(false)
  expect((await engine.enqueue(note, 3, bucket)).created).toBe(true)
  await advance('49m')
  expect((await engine.enqueue(note, 4, period)).created).toBe(true)
})

test('without a value the input tells what is the same, whatever the order of its names', async () => {
  const { engine } = await testEngine({ jobs: [note], work: false })
  const first = await engine.enqueue(note, { a: 1, b: [2] }, { unique: {} })
  expect((await engine.enqueue(note, { b: [2], a: 1 }, { unique: {} })).id).toBe(first.id)
  expect((await engine.enqueue(note, { a: 1, b: [3] }, { unique: {} })).created).toBe(true)
})

test('debounce: runs once the calls have stopped, with the last input, at the latest after max', async () => {
  const ran: unknown[] = []
  const index = job('index', {}, ({ input }) => void ran.push(input))
  const { engine, advance } = await testEngine({ jobs: [index] })
  const options: EnqueueOptions = { debounce: { wait: '5s', max: '12s' } }
  for (const n of [1, 2, 3]) {
    await engine.enqueue(index, n, options)
    await advance(n < 3 ? '4s' : '3s')
  }
  expect(ran).toEqual([]) // 11 s after the first call, 3 s after the last
  await advance('1s')
  expect(ran).toEqual([3])
  await engine.enqueue(index, 4, options)
  await advance('4s')
  expect(ran).toEqual([3])
  await advance('1s')
  expect(ran).toEqual([3, 4])
})

test('debounce by text, with merge', async () => {
  const ran: unknown[] = []
  const mail = cart.handle(({ input }) => void ran.push(input.items))
  const { engine, advance } = await testEngine({ jobs: [mail] })
  const options = (user: string): EnqueueOptions => ({
    debounce: '5s',
    unique: { value: user, onConflict: 'merge' },
  })
  await engine.enqueue(mail, { items: ['1'] }, options('ada'))
  await engine.enqueue(mail, { items: ['2'] }, options('bob'))
  await engine.enqueue(mail, { items: ['3'] }, options('ada'))
  await advance('6s')
  expect(ran.toSorted((a, b) => String(a).localeCompare(String(b)))).toEqual([['1', '3'], ['2']])
})

test('throttle: leading runs the first at once, trailing the last at the end of the period', async () => {
  const ran: unknown[] = []
  const ping = job('ping', {}, ({ input }) => void ran.push(input))
  const { engine, advance } = await testEngine({ jobs: [ping] })
  const leading: EnqueueOptions = { throttle: '1m', unique: 'lead' }
  const trailing: EnqueueOptions = { throttle: { every: '1m', edge: 'trailing' }, unique: 'trail' }
  for (const n of [1, 2, 3]) {
    await engine.enqueue(ping, `lead ${n}`, leading)
    await engine.enqueue(ping, `trail ${n}`, trailing)
    await advance('15s')
  }
  expect(ran).toEqual(['lead 1'])
  await advance('15s')
  expect(ran).toEqual(['lead 1', 'trail 3'])
  await engine.enqueue(ping, 'lead 4', leading)
  await advance('1s')
  expect(ran).toEqual(['lead 1', 'trail 3', 'lead 4'])
})

test('idempotency key: the same call finds the first job even when it has ended; another input is an error', async () => {
  const { engine, drain } = await testEngine({ jobs: [note] })
  const options: EnqueueOptions = { idempotencyKey: 'request 7' }
  const first = await engine.enqueue(note, { cents: 5, to: 'ada' }, options)
  await drain()
  const again = await engine.enqueue(note, { to: 'ada', cents: 5 }, options)
  expect(again).toMatchObject({ id: first.id, created: false, conflict: 'ignored' })
  expect(await again.result()).toEqual({ cents: 5, to: 'ada' })
  const error = await failureOf(engine.enqueue(note, { cents: 6, to: 'ada' }, options))
  expect(error).toMatchObject({ code: 'LW_IDEMPOTENCY_MISMATCH', details: { id: first.id } })
  expect((await engine.enqueue(note, 1, { idempotencyKey: 'request 8' })).created).toBe(true)
})

test('idempotency keys go with their jobs, later if asked', async () => {
  const { engine, drain, advance } = await testEngine({ jobs: [note], retention: { age: '1d' } })
  const plain: EnqueueOptions = { idempotencyKey: 'a' }
  const kept: EnqueueOptions = { idempotencyKey: { value: 'b', keepFor: '30d' } }
  const first = await engine.enqueue(note, 1, plain)
  const lasting = await engine.enqueue(note, 1, kept)
  await drain()
  await advance('10d')
  expect(await failureOf(first.status())).toMatchObject({ code: 'LW_JOB_NOT_FOUND' })
  expect((await engine.enqueue(note, 2, plain)).created).toBe(true)
  expect(await engine.enqueue(note, 1, kept)).toMatchObject({ id: lasting.id, created: false })
  await advance('21d')
  expect((await engine.enqueue(note, 1, kept)).created).toBe(true)
})

test('what stands for nothing any more is forgotten', async () => {
  const { engine, drain, advance, database } = await testEngine({ jobs: [note], retention: { age: '1d' } })
  await engine.enqueue(note, 1, { idempotencyKey: 'a' })
  await engine.enqueue(note, 1, { unique: { value: 'b', for: '1h' } })
  await engine.enqueue(note, 1, { unique: { value: 'c', for: '30d' } })
  await drain()
  await advance('10d')
  await advance('1h')
  expect(await database.query('select text from legwork.reservation')).toEqual([{ text: 'c' }])
})

test('rules are checked', async () => {
  const { engine } = await testEngine({ jobs: [note], work: false })
  const bad: [EnqueueOptions, string][] = [
    [{ unique: { until: 'now' as 'started' } }, 'Option unique.until must be'],
    [{ unique: { until: 'started', for: '1h' } }, 'Option unique must be given only one of until, for and bucket'],
    [{ unique: { for: 0 } }, 'Option unique.for must be longer than nothing'],
    [{ unique: { onconflict: 'reject' } as object }, 'Option unique must be text, or an object of value'],
    [{ unique: { onConflict: 'merge' } }, 'Option unique.onConflict must be'],
    [{ unique: { value: '' } }, 'Option unique.value must be text'],
    [{ debounce: '5s', throttle: '5s' }, 'Option throttle must be left out'],
    [{ debounce: '5s', delay: '1s' }, 'Option delay must be left out'],
    [{ debounce: { wait: '5s', max: '1s' } }, 'Option debounce.max must be no shorter'],
    [{ debounce: '5s', unique: { until: 'finished' } }, 'Option unique must be text, or {'],
    [{ throttle: { every: '1s', edge: 'middle' as 'leading' } }, "Option throttle.edge must be 'leading'"],
    [{ idempotencyKey: '' }, 'Option idempotencyKey must be text'],
    [{ idempotencyKey: { value: 'a', keepFor: 0 } }, 'Option idempotencyKey.keepFor must be'],
  ]
  for (const [options, message] of bad)
    expect((await failureOf(engine.enqueue(note, 1, options))).message).toContain(message)
  expect((await engine.list()).jobs).toEqual([])
})
