import { expect, test } from 'vitest'
import { job } from '../../src/index.ts'
import { gate, testEngine } from '../support/engine.ts'

test('a paused queue is left alone, the others go on, and running jobs finish', async () => {
  const door = gate()
  const started = gate()
  const ran: unknown[] = []
  const note = job('note', {}, async ({ input }) => {
    ran.push(input)
    if (input !== 'running') return
    started.open()
    await door.opened
  })
  const { engine, drain, advance, clock } = await testEngine({ jobs: [note] })
  const running = await engine.enqueue(note, 'running')
  await started.opened
  await engine.pause('default', 'provider is down')
  await engine.enqueue(note, 'held back')
  await engine.enqueue(note, 'elsewhere', { queue: 'side' })
  door.open()
  await running.result()
  await advance('1m')
  expect(ran).toEqual(['running', 'elsewhere'])
  const status = (await engine.queues()).find(({ name }) => name === 'default')
  expect(status).toMatchObject({ paused: true, pauseReason: 'provider is down', counts: { ready: 1, completed: 1 } })
  expect(status?.pausedAt?.getTime()).toBe(clock.now() - 60_000)
  await engine.resume('default')
  await drain()
  expect(ran).toEqual(['running', 'elsewhere', 'held back'])
  expect((await engine.queues()).find(({ name }) => name === 'default')).toMatchObject({
    paused: false,
    pauseReason: undefined,
  })
})

test('a queue can be paused before it has jobs', async () => {
  const note = job('note', { queue: 'new' }, () => 'ran')
  const { engine, advance } = await testEngine({ jobs: [note], work: false })
  await engine.pause('new')
  await engine.work({ stopOnSignal: false })
  const ref = await engine.enqueue(note)
  await advance('5s')
  expect((await ref.status()).state).toBe('ready')
  await engine.resume('new')
  expect(await ref.result()).toBe('ran')
})

test('jobs that become due while their queue is paused run when it is resumed', async () => {
  const note = job('note', {}, () => 'ran')
  const { engine, advance } = await testEngine({ jobs: [note] })
  const ref = await engine.enqueue(note, null, { delay: '1m' })
  await engine.pause('default')
  await advance('2m')
  expect((await ref.status()).state).toBe('ready')
  await engine.resume('default')
  expect(await ref.result()).toBe('ran')
})
