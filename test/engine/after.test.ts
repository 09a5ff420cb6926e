import { expect, test } from 'vitest'
import { z } from 'zod'
import { job } from '../../src/index.ts'
import { crashAndReplace, gate, testEngine } from '../support/engine.ts'
import { failureOf } from '../support/failure.ts'

const log = (ran: string[]) => job('note', { input: z.string() }, ({ input }) => void ran.push(input))
const fails = job('fails', { retry: false }, () => {
  throw new Error('no')
})

test('a diamond: a job runs when all that it comes after have ended, not before', async () => {
  const ran: string[] = []
  const note = log(ran)
  const { engine, drain } = await testEngine({ jobs: [note], work: { concurrency: 4 } })
  const top = await engine.enqueue(note, 'top', { delay: 0 })
  const sides = [
    await engine.enqueue(note, 'left', { after: [top] }),
    await engine.enqueue(note, 'right', { after: [top.id] }),
  ]
  const end = await engine.enqueue(note, 'end', { after: sides })
  await drain()
  expect(ran[0]).toBe('top')
  expect(new Set(ran.slice(1, 3))).toEqual(new Set(['left', 'right']))
  expect(ran[3]).toBe('end')
  expect((await end.status()).state).toBe('completed')
})

test('a job that comes after one that is blocked itself waits for all of them', async () => {
  const ran: string[] = []
  const note = log(ran)
  const { engine, advance } = await testEngine({ jobs: [note] })
  const first = await engine.enqueue(note, 'first', { delay: '1h' })
  const late = await engine.enqueue(note, 'late', { delay: '2h' })
  const third = await engine.enqueue(note, 'third', { after: [late] })
  await engine.enqueue(note, 'fourth', { after: [first, third] })
  await advance('90m')
  expect(ran).toEqual(['first'])
  expect((await third.status()).state).toBe('blocked')
  await advance('1h')
  expect(ran).toEqual(['first', 'late', 'third', 'fourth'])
})

test('until then it is blocked, and the counters and why() say so', async () => {
  const ran: string[] = []
  const note = log(ran)
  const { engine, advance } = await testEngine({ jobs: [note] })
  const first = await engine.enqueue(note, 'first', { delay: '1h' })
  const second = await engine.enqueue(note, 'second', { after: [first] })
  await advance('1m')
  expect(await second.status()).toMatchObject({ state: 'blocked' })
  expect((await second.status()).waitsFor).toContain(first.id)
  expect((await engine.queues())[0]?.counts).toMatchObject({ scheduled: 1, blocked: 1, ready: 0 })
  await advance('2h')
  expect(ran).toEqual(['first', 'second'])
  expect((await engine.queues())[0]?.counts).toMatchObject({ scheduled: 0, blocked: 0, ready: 0, completed: 2 })
})

test.each([
  ['fail', 'dead', 'dependency'],
  ['skip', 'cancelled', 'skipped'],
  ['run', 'completed', undefined],
] as const)('when one of those fails: %s', async (afterFailure, state, reason) => {
  const ran: string[] = []
  const note = log(ran)
  const { engine, drain } = await testEngine({ jobs: [note, fails] })
  const bad = await engine.enqueue(fails)
  const good = await engine.enqueue(note, 'good')
  const last = await engine.enqueue(note, 'last', { after: [bad, good], afterFailure })
  await drain()
  const status = await last.status()
  expect(status.state).toBe(state)
  if (reason) expect(status.reason).toContain(reason)
  expect(ran.includes('last')).toBe(afterFailure === 'run')
})

test('a failure goes on down the line, and a redrive of the last runs it all the same', async () => {
  const ran: string[] = []
  const note = log(ran)
  const { engine, drain } = await testEngine({ jobs: [note, fails] })
  const bad = await engine.enqueue(fails)
  const middle = await engine.enqueue(note, 'middle', { after: [bad] })
  const last = await engine.enqueue(note, 'last', { after: [middle] })
  await drain()
  expect((await last.status()).state).toBe('dead')
  expect((await last.status()).error).toMatchObject({ code: 'LW_DEPENDENCY_FAILED' })
  expect(ran).toEqual([])
  await last.retry()
  await drain()
  expect(ran).toEqual(['last'])
})

test.each(['completed', 'dead', 'cancelled'] as const)('a job that was %s before is not waited for', async (state) => {
  const ran: string[] = []
  const note = log(ran)
  const { engine, drain } = await testEngine({ jobs: [note, fails] })
  const first =
    state === 'completed'
      ? await engine.enqueue(note, 'first')
      : await engine.enqueue(fails, undefined, state === 'cancelled' ? { delay: '1h' } : {})
  if (state === 'cancelled') await first.cancel()
  await drain()
  const next = await engine.enqueue(note, 'next', { after: [first] })
  await drain()
  expect((await next.status()).state).toBe(state === 'completed' ? 'completed' : 'dead')
})

test('cancelling what it comes after decides like a failure', async () => {
  const note = log([])
  const { engine, drain } = await testEngine({ jobs: [note] })
  const first = await engine.enqueue(note, 'first', { delay: '1h' })
  const next = await engine.enqueue(note, 'next', { after: [first], afterFailure: 'skip' })
  await first.cancel('not needed')
  await drain()
  expect(await next.status()).toMatchObject({ state: 'cancelled' })
})

test('a job that waits for others can be cancelled, and they go on', async () => {
  const ran: string[] = []
  const note = log(ran)
  const { engine, advance } = await testEngine({ jobs: [note] })
  const first = await engine.enqueue(note, 'first', { delay: '1h' })
  const next = await engine.enqueue(note, 'next', { after: [first] })
  expect(await next.cancel()).toBe(true)
  await advance('2h')
  expect(ran).toEqual(['first'])
})

test('delay counts from the enqueue, and both must be over', async () => {
  const ran: string[] = []
  const note = log(ran)
  const { engine, advance } = await testEngine({ jobs: [note] })
  const first = await engine.enqueue(note, 'first')
  const next = await engine.enqueue(note, 'next', { after: [first], delay: '1h' })
  await advance('30m')
  expect(await next.status()).toMatchObject({ state: 'scheduled' })
  await advance('31m')
  expect(ran).toEqual(['first', 'next'])
})

test('a key and dependencies: the job takes its turn when both allow it', async () => {
  const ran: string[] = []
  const note = job('note', { input: z.string(), key: () => 'k' }, async ({ input, sleep }) => {
    await sleep('1m')
    ran.push(input)
  })
  const { engine, advance } = await testEngine({ jobs: [note] })
  const first = await engine.enqueue(note, 'first')
  await engine.enqueue(note, 'third', { after: [first] })
  await engine.enqueue(note, 'second')
  await advance('1h')
  expect(new Set(ran)).toEqual(new Set(['first', 'second', 'third']))
  expect(ran[0]).toBe('first')
})

test('a job unknown here is refused and nothing is stored', async () => {
  const note = log([])
  const { engine } = await testEngine({ jobs: [note] })
  const failure = await failureOf(engine.enqueue(note, 'x', { after: ['25600'] }))
  expect(failure).toMatchObject({ code: 'LW_JOB_NOT_FOUND' })
  expect((await engine.list()).jobs).toEqual([])
  for (const after of ['7', [7], ['abc'], [{}]])
    expect(await failureOf(engine.enqueue(note, 'x', { after: after as never }))).toMatchObject({
      code: 'LW_OPTION_INVALID',
    })
})

test('in a transaction of the application: enqueued, and after a job of the same transaction', async () => {
  const ran: string[] = []
  const note = log(ran)
  const { engine, drain } = await testEngine({ jobs: [note] })
  await engine.transaction(async (tx) => {
    const first = await engine.enqueue(note, 'first', { tx })
    await engine.enqueue(note, 'second', { tx, after: [first, first] })
  })
  await drain()
  expect(ran).toEqual(['first', 'second'])
})

test('the worker dies when the last of them has run: what comes after runs elsewhere', async () => {
  const never = gate()
  let isFirst = true
  const ran: string[] = []
  const note = job('note', { input: z.string() }, async ({ input }) => {
    if (isFirst) await never.opened
    ran.push(input)
  })
  const one = await testEngine({ jobs: [note] })
  const first = await one.engine.enqueue(note, 'first')
  await one.engine.enqueue(note, 'second', { after: [first] })
  await one.advance('1s')
  isFirst = false
  const two = await crashAndReplace(one)
  await two.drain()
  expect(ran).toEqual(['first', 'second'])
  never.open()
})

test('many come after one, and one after many', async () => {
  let count = 0
  const tick = job('tick', {}, () => void count++)
  const { engine, drain } = await testEngine({ jobs: [tick] })
  const first = await engine.enqueue(tick)
  const all = await engine.enqueueMany(tick, Array.from({ length: 300 }), { after: [first] })
  const last = await engine.enqueue(tick, undefined, { after: all })
  await drain()
  expect(count).toBe(302)
  expect((await last.status()).state).toBe('completed')
})
