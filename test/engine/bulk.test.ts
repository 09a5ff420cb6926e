import { expect, test } from 'vitest'
import { job } from '../../src/index.ts'
import { gate, testEngine } from '../support/engine.ts'
import { failureOf } from '../support/failure.ts'

const note = job('note')
const inputs = (count: number) => Array.from({ length: count }, (_, n) => n)

test('a dry run counts and changes nothing', async () => {
  const { engine } = await testEngine({ jobs: [note], work: false })
  await engine.enqueueMany(note, inputs(7), (n) => ({ tags: [n % 2 ? 'odd' : 'even'] }))
  expect(await engine.bulk('cancel', { tag: 'odd' }, { dryRun: true })).toEqual({ count: 3 })
  expect(await engine.bulk('change', { name: 'note' }, { change: { priority: 1 }, dryRun: true })).toEqual({ count: 7 })
  expect(await engine.bulk('redrive', {}, { dryRun: true })).toEqual({ count: 0 })
  expect((await engine.list()).jobs.length).toBe(7)
})

test('a bulk operation is a job: it tells how far it is, what it did, and leaves itself alone', async () => {
  const { engine, drain } = await testEngine({ jobs: [note] })
  await engine.enqueueMany(note, inputs(1_100))
  const change = await engine.bulk('change', { createdAfter: new Date(0) }, { change: { priority: 'low' } })
  expect(change.count).toBe(1_100)
  expect(await change.result()).toEqual({ done: 1_100, met: 1_100 })
  expect((await change.status()).progress).toEqual({ percent: 100, message: '1100 of 1100' })
  const cancel = await engine.bulk('cancel', {}, { reason: 'not needed' })
  expect(await cancel.result()).toEqual({ done: 1_100, met: 1_100 })
  const [last] = (await engine.list({ name: 'note', limit: 1 })).jobs
  expect(last).toMatchObject({ state: 'cancelled', reason: 'not needed', priority: 10 })
  expect(await (await engine.bulk('redrive', { state: 'cancelled' })).result()).toEqual({ done: 1_100, met: 1_100 })
  await drain()
  expect((await engine.queues())[0]?.counts).toMatchObject({ ready: 1_100, cancelled: 0, completed: 3 })
})

test('aborted, it stops between two pages', async () => {
  const { engine, drain } = await testEngine({ jobs: [note] })
  const { opened, open } = gate()
  await engine.enqueueMany(note, inputs(1_200))
  const operation = await engine.bulk('cancel', { name: 'note' })
  const off = engine.on('progress', () => {
    off()
    void operation.cancel().finally(open)
  })
  await opened
  await drain()
  expect((await operation.status()).state).toBe('cancelled')
  const { counts } = (await engine.queues())[0]!
  expect(counts.ready + counts.cancelled).toBe(1_201)
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
