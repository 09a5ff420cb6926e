import { expect, test } from 'vitest'
import { z } from 'zod'
import { type Change, job, RetryAfter } from '../../src/index.ts'
import { gate, testEngine } from '../support/engine.ts'
import { failureOf } from '../support/failure.ts'

const start = new Date('2030-01-01T00:00:00Z')
const mail = job('mail', {
  input: z.object({ to: z.email() }),
  key: ({ to }) => to,
})

test('a waiting job gets another time, priority, queue, key and input; the counters follow', async () => {
  const { engine } = await testEngine({ jobs: [mail], work: false, start })
  const ref = await engine.enqueue(mail, { to: 'ada@example.com' }, { delay: '1h' })
  await ref.change({ at: new Date('2030-01-02'), priority: 'high' })
  expect(await ref.status()).toMatchObject({ state: 'scheduled', runAt: new Date('2030-01-02'), priority: -10 })
  await ref.change({ delay: 0, queue: 'side', retry: 3 })
  expect(await ref.status()).toMatchObject({ state: 'ready', queue: 'side', key: 'ada@example.com' })
  await ref.change({ input: { to: 'bob@example.com' } })
  expect(await ref.status()).toMatchObject({ input: { to: 'bob@example.com' }, key: 'bob@example.com' })
  await engine.ref(ref.id).change({ input: { to: 'eve@example.com' }, key: null })
  expect(await ref.status()).toMatchObject({ input: { to: 'eve@example.com' }, key: undefined })
  const counts = (await engine.queues()).map((queue) => [queue.name, queue.counts.ready, queue.counts.scheduled])
  expect(counts).toEqual([
    ['default', 0, 0],
    ['side', 1, 0],
  ])
})

test('a changed job runs as it was changed: at its new time, in its new place', async () => {
  const ran: unknown[] = []
  const note = job('note', {}, ({ input }) => void ran.push(input))
  const { engine, advance, drain } = await testEngine({ jobs: [note], work: false })
  const refs = await engine.enqueueMany(note, [1, 2, 3])
  const later = await engine.enqueue(note, 'later', { delay: '1h' })
  await refs[2]!.change({ priority: 'urgent' })
  await refs[0]!.change({ priority: 'low' })
  await refs[1]!.change({ input: 'two' })
  await engine.work({ concurrency: 1, stopOnSignal: false })
  await drain()
  expect(ran).toEqual([3, 'two', 1])
  await later.change({ delay: '5s' })
  await advance('5s')
  expect(ran.at(-1)).toBe('later')
})

test('what cannot be is refused, and changes nothing', async () => {
  const { engine } = await testEngine({ jobs: [mail], work: false })
  const ref = await engine.enqueue(mail, { to: 'ada@example.com' })
  const before = await ref.status()
  const bad: [Change, string, string][] = [
    [{}, 'LW_OPTION_INVALID', 'Option change must be an object of delay'],
    [{ prio: 1 } as Change, 'LW_OPTION_INVALID', 'received "prio"'],
    [{ delay: '1s', at: start }, 'LW_OPTION_INVALID', 'Option at must be left out'],
    [{ at: new Date(NaN) }, 'LW_OPTION_INVALID', 'Option at must be a valid Date'],
    [{ priority: 500 }, 'LW_OPTION_INVALID', 'Option priority'],
    [{ key: '' }, 'LW_OPTION_INVALID', 'Option key'],
    [{ input: { to: 'nobody' }, priority: 1 }, 'LW_INPUT_INVALID', 'Nothing was changed'],
    [{ input: { to: 'nobody' }, key: 'k' }, 'LW_INPUT_INVALID', 'Nothing was changed'],
  ]
  for (const [change, code, message] of bad) {
    const error = await failureOf(ref.change(change))
    expect([error.code, error.message]).toEqual([code, expect.stringContaining(message)])
  }
  expect(await ref.status()).toEqual(before)
  expect(await failureOf(engine.ref('256000').change({ priority: 1 }))).toMatchObject({ code: 'LW_JOB_NOT_FOUND' })
})

test('a job that runs or has ended cannot be changed', async () => {
  const { opened, open } = gate()
  const wait = job('wait', {}, () => opened)
  const { engine, advance, drain } = await testEngine({ jobs: [wait] })
  const ref = await engine.enqueue(wait)
  await advance(1)
  expect(await failureOf(ref.change({ priority: 1 }))).toMatchObject({
    code: 'LW_JOB_STATE',
    details: { state: 'running' },
  })
  open()
  await drain()
  expect(await failureOf(ref.change({ delay: 0 }))).toMatchObject({
    code: 'LW_JOB_STATE',
    details: { state: 'completed' },
  })
})

test('between two attempts a job can be changed, and the attempts go on', async () => {
  const seen: unknown[] = []
  const retry = job('retry', { retry: 2 }, ({ input, attempt }) => {
    seen.push([input, attempt])
    if (input === 'bad') throw new RetryAfter('1h')
  })
  const { engine, drain } = await testEngine({ jobs: [retry] })
  const ref = await engine.enqueue(retry, 'bad')
  await drain()
  await ref.change({ input: 'good', delay: 0 })
  await drain()
  expect(seen).toEqual([
    ['bad', 1],
    ['good', 2],
  ])
})

test('a job that gives its key away lets the next in line go on', async () => {
  const ran: unknown[] = []
  const keyed = job('keyed', {}, ({ input }) => {
    if (input === 'first') throw new RetryAfter('1h')
    ran.push(input)
  })
  const { engine, drain, advance } = await testEngine({ jobs: [keyed] })
  const first = await engine.enqueue(keyed, 'first', { key: 'a' })
  await drain()
  const second = await engine.enqueue(keyed, 'second', { key: 'a' })
  await drain()
  expect((await second.status()).state).toBe('blocked')
  await first.change({ key: 'b' })
  await advance('5s')
  expect(ran).toEqual(['second'])
  const third = await engine.enqueue(keyed, 'third', { key: 'c' })
  await third.change({ key: 'b' }).catch(() => undefined) // a worker may have been faster
  await drain()
  expect(ran).toEqual(['second', 'third'])
})

test('many at once: by filter, by key and by unique text', async () => {
  const note = job('note')
  const { engine } = await testEngine({ jobs: [note], work: false })
  await engine.enqueueMany(note, [1, 2, 3], (n) => ({ key: n === 1 ? 'a' : 'b', unique: `u${String(n)}` }))
  expect(await engine.change({ name: 'note', key: 'b' }, { priority: 'low' })).toBe(2)
  expect(await engine.change({ name: 'note', unique: 'u1' }, { input: 'one' })).toBe(1)
  const { jobs } = await engine.list({ order: 'oldest' })
  expect(jobs.map(({ input, priority }) => [input, priority])).toEqual([
    ['one', 0],
    [2, 10],
    [3, 10],
  ])
  expect(await failureOf(engine.change({ key: 'a' }, { input: 1 }))).toMatchObject({ code: 'LW_OPTION_INVALID' })
})
