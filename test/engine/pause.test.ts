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

test('every change has a version, who made it and why; what changes nothing is not written', async () => {
  const { engine, advance, clock } = await testEngine({ jobs: [], work: false })
  await engine.pause('mail', 'provider is down', { by: 'ada' })
  await advance('1m')
  await engine.pause('mail', 'provider is down', { by: 'bob' })
  await engine.pause('mail')
  expect(await engine.pauseHistory('mail')).toHaveLength(1)
  await engine.pause('mail', 'still down', { by: 'bob' })
  const mail = async () => (await engine.queues()).find(({ name }) => name === 'mail')
  expect(await mail()).toMatchObject({ pauseReason: 'still down', pausedBy: 'bob' })
  expect((await mail())?.pausedAt?.getTime()).toBe(clock.now() - 60_000)
  await engine.resume('mail', { by: 'eve' })
  await engine.resume('mail')
  expect(await engine.pauseHistory('mail')).toMatchObject([
    { version: 3, by: 'eve', from: { paused: true, reason: 'still down' }, to: { paused: false } },
    { version: 2, by: 'bob', from: { reason: 'provider is down' }, to: { paused: true, reason: 'still down' } },
    { version: 1, by: 'ada', from: { paused: false }, to: { paused: true, reason: 'provider is down' } },
  ])
  expect(await mail()).toMatchObject({ paused: false, pausedBy: undefined })
})

test('resuming a queue that nobody has made makes none', async () => {
  const { engine } = await testEngine({ jobs: [], work: false })
  await engine.resume('nowhere')
  expect((await engine.queues()).map(({ name }) => name)).toEqual(['default'])
  expect(await engine.pauseHistory('nowhere')).toEqual([])
})

test('plain SQL pauses and resumes a queue as the engine does', async () => {
  const ran: unknown[] = []
  const note = job('note', { queue: 'mail' }, ({ input }) => void ran.push(input))
  const { engine, database, advance } = await testEngine({ jobs: [note] })
  const paused = await database.query(`select legwork.pause_queue('mail', 'no disk', 'ada') as version`)
  expect(paused).toEqual([{ version: 1 }])
  await engine.enqueue(note, 1)
  await advance('5s')
  expect(ran).toEqual([])
  expect((await engine.queues()).find(({ name }) => name === 'mail')).toMatchObject({
    pauseReason: 'no disk',
    pausedBy: 'ada',
  })
  expect(await database.query(`select legwork.resume_queue('mail') as version`)).toEqual([{ version: 2 }])
  await advance('1s')
  expect(ran).toEqual([1])
  const [{ role } = {}] = await database.query<{ role: string }>('select current_user as role')
  expect(await engine.pauseHistory('mail')).toMatchObject([
    { version: 2, by: role, to: { paused: false } },
    { version: 1, by: 'ada', to: { paused: true, reason: 'no disk' } },
  ])
  await expect(database.query(`select legwork.pause_queue('')`)).rejects.toThrow(/must not be empty/)
})
