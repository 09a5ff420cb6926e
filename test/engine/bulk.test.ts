import { expect, test } from 'vitest'
import { job } from '../../src/index.ts'
import { gate, testEngine } from '../support/engine.ts'
import { failureOf } from '../support/failure.ts'

const note = job('note')
const inputs = (count: number) => Array.from({ length: count }, (_, n) => n)

test('a dry run counts and changes nothing', async () => {
  const { engine } = await testEngine({ jobs: [note], work: false })
  await engine.enqueueMany(note, inputs(7), (n) => ({ tags: [Number(n) % 2 ? 'odd' : 'even'] }))
  expect(await engine.bulk('cancel', { tag: 'odd' }, { dryRun: true })).toEqual({ count: 3 })
  expect(await engine.bulk('change', { name: 'note' }, { change: { priority: 1 }, dryRun: true })).toEqual({ count: 7 })
  expect(await engine.bulk('redrive', {}, { dryRun: true })).toEqual({ count: 0 })
  expect((await engine.list()).jobs.length).toBe(7)
})

test('a bulk operation is a job: it tells how far it is, what it did, and leaves itself alone', async () => {
  const { engine, drain } = await testEngine({ jobs: [note] })
  await engine.enqueueMany(note, inputs(520), (n) => (Number(n) < 20 ? { tags: ['few'] } : {}))
  const change = await engine.bulk('change', { createdAfter: new Date(0) }, { change: { priority: 'low' } })
  expect(change.count).toBe(520)
  expect(await change.result()).toEqual({ done: 520, met: 520 })
  expect((await change.status()).progress).toEqual({ percent: 100, message: '520 of 520' })
  const cancel = await engine.bulk('cancel', { tag: 'few' }, { reason: 'not needed' })
  expect(await cancel.result()).toEqual({ done: 20, met: 20 })
  const { jobs } = await engine.list({ tag: 'few', state: 'cancelled' })
  expect(jobs.map(({ reason, priority }) => [reason, priority])).toEqual(inputs(20).map(() => ['not needed', 10]))
  expect(await (await engine.bulk('redrive', { state: 'cancelled' })).result()).toEqual({ done: 20, met: 20 })
  await drain()
  expect((await engine.queues())[0]?.counts).toMatchObject({ ready: 520, cancelled: 0, completed: 3 })
})

test('aborted, it stops where it is', async () => {
  const { engine, drain } = await testEngine({ jobs: [note] })
  const { opened, open } = gate()
  await engine.enqueueMany(note, inputs(200))
  const off = engine.on('started', ({ id }) => {
    off()
    void engine.ref(id).cancel().finally(open)
  })
  const operation = await engine.bulk('cancel', { name: 'note' })
  await opened
  await drain()
  expect((await operation.status()).state).toBe('cancelled')
  const { counts } = (await engine.queues())[0]!
  expect(counts.ready + counts.cancelled).toBe(201)
  expect(counts.ready).toBeGreaterThan(0)
})

test('what does not fit together is refused before anything is done', async () => {
  const { engine } = await testEngine({ jobs: [note], work: false })
  const bad = [
    engine.bulk('delete' as 'cancel', {}),
    engine.bulk('change', {}),
    engine.bulk('cancel', {}, { change: { priority: 1 } }),
    engine.bulk('cancel', { nam: 'note' } as object),
  ]
  for (const one of bad) expect(await failureOf(one)).toMatchObject({ code: 'LW_OPTION_INVALID' })
  expect((await engine.list()).jobs).toEqual([])
})
