import { expect, test } from 'vitest'
import { job, Snooze } from '../../src/index.ts'
import { crashAndReplace, gate, testEngine } from '../support/engine.ts'
import { failureOf } from '../support/failure.ts'

const tick = job('tick', { startWithin: '5m' }, () => 'ran')

test('a job whose queue is paused past its time is not run: it is cancelled as expired, and result() says so', async () => {
  const { engine, advance } = await testEngine({ jobs: [tick] })
  const heard: unknown[] = []
  engine.on('cancelled', (event) => heard.push(event))
  await engine.pause('default')
  const ref = await engine.enqueue(tick)
  await advance('5m')
  expect(await ref.status()).toMatchObject({ state: 'ready' })
  await advance('3s')
  expect(await ref.status()).toMatchObject({ state: 'cancelled', reason: 'expired', attempt: 0, startedAt: undefined })
  expect(await failureOf(ref.result())).toMatchObject({ code: 'LW_JOB_EXPIRED' })
  expect(heard).toEqual([{ id: ref.id, name: 'tick', queue: 'default', reason: 'expired' }])
  expect((await engine.queues())[0]).toMatchObject({ counts: { ready: 0, running: 0, cancelled: 1 }, expired: 1 })
  expect(await ref.attempts()).toEqual([])
  await engine.resume('default')
  await ref.retry() // whoever asks for it gets it
  await advance('1s')
  expect(await ref.result()).toBe('ran')
  expect((await engine.queues())[0]).toMatchObject({ counts: { cancelled: 0, completed: 1 }, expired: 0 })
})

test('expired jobs are counted apart from other cancelled ones, for as long as they are in history', async () => {
  const { engine, advance } = await testEngine({ jobs: [tick], retention: { age: '1d', dead: '1d' } })
  await engine.pause('default')
  const refs = await engine.enqueueMany(tick, [1, 2, 3])
  await refs[0]!.cancel('expired')
  await advance('6m')
  expect((await engine.queues())[0]).toMatchObject({ counts: { cancelled: 3 }, expired: 2 })
  await advance('3d')
  expect((await engine.queues())[0]).toMatchObject({ counts: { cancelled: 0 }, expired: 0 })
})

test('a worker that comes too late does not run it', async () => {
  const ran: unknown[] = []
  const note = job('note', {}, ({ input }) => void ran.push(input))
  const idle = await testEngine({ jobs: [note], work: false })
  const late = await idle.engine.enqueue(note, 'late', { startWithin: '1m' })
  const plain = await idle.engine.enqueue(note, 'plain')
  await idle.advance('1h')
  await idle.engine.work({ stopOnSignal: false })
  await idle.drain()
  expect(ran).toEqual(['plain'])
  expect(await late.status()).toMatchObject({ state: 'cancelled', reason: 'expired', attempt: 0, startedAt: undefined })
  expect((await plain.status()).state).toBe('completed')
  expect((await idle.engine.queues())[0]).toMatchObject({ counts: { cancelled: 1, completed: 1 }, expired: 1 })
  const events: string[] = []
  for await (const { type } of late.events()) events.push(type)
  expect(events).toEqual(['enqueued', 'ended'])
})

test('the time counts from when it may run, and moves with it', async () => {
  const { engine, advance } = await testEngine({ jobs: [tick] })
  await engine.pause('default')
  const [delayed, moved] = await engine.enqueueMany(tick, [1, 2], { delay: '1h', startWithin: '10m' })
  await moved!.change({ delay: '2h' })
  await advance('1h')
  await advance('9m')
  expect((await delayed!.status()).state).toBe('ready')
  await advance('2m')
  expect((await delayed!.status()).reason).toBe('expired')
  await advance('50m')
  expect((await moved!.status()).state).toBe('ready')
  await moved!.change({ startWithin: '1d' })
  await advance('1h')
  await engine.resume('default')
  await advance('1s')
  expect((await moved!.status()).state).toBe('completed')
})

test('what has begun once does not expire: a retry, a snooze and a sleep go on', async () => {
  let fails = true
  const flaky = job('flaky', { startWithin: '1m', retry: { first: '1h', jitter: 0 } }, () => {
    if (fails) throw new Error('not yet')
    return 'ran'
  })
  const patient = job('patient', { startWithin: '1m' }, () => {
    if (fails) throw new Snooze('1h')
    return 'ran'
  })
  const sleeper = job('sleeper', { startWithin: '1m' }, async ({ step, sleep }) => {
    await step('first', () => 1)
    await sleep('1h')
    return 'ran'
  })
  const { engine, advance } = await testEngine({ jobs: [flaky, patient, sleeper] })
  const refs = [await engine.enqueue(flaky), await engine.enqueue(patient), await engine.enqueue(sleeper)]
  await advance('1s')
  fails = false
  await advance('2h')
  for (const ref of refs) expect(await ref.result()).toBe('ran')
})

test('its worker dies: what may have begun is run again', async () => {
  const never = gate()
  let first = true
  const work = job('work', { startWithin: '1s' }, async () => {
    if (first) await never.opened
    return 'ran'
  })
  const one = await testEngine({ jobs: [work] })
  const ref = await one.engine.enqueue(work)
  await one.advance('500ms')
  first = false
  const two = await crashAndReplace(one)
  await two.drain()
  expect(await two.engine.ref(ref.id).result()).toBe('ran')
  never.open()
})

test('in the line of a key or of a limit, or after others, it expires too, and the line goes on', async () => {
  const door = gate()
  const keyed = job('keyed', { key: () => 'k' }, () => door.opened)
  const limited = job('limited', { limit: 1 }, () => door.opened)
  const { engine, advance, drain } = await testEngine({ jobs: [keyed, limited], work: { concurrency: 4 } })
  const refs = []
  for (const each of [keyed, limited]) {
    refs.push(await engine.enqueue(each, 1))
    await advance('1s')
    refs.push(await engine.enqueue(each, 2, { startWithin: '1m' }), await engine.enqueue(each, 3))
  }
  const next = await engine.enqueue(limited, 4, { after: [refs[0]!], startWithin: '1m' })
  const skipped = await engine.enqueue(limited, 5, { after: [next], afterFailure: 'skip' })
  await advance('2m')
  door.open()
  await drain()
  const ends = await Promise.all(refs.map(async (ref) => (await ref.status()).state))
  expect(ends).toEqual(['completed', 'cancelled', 'completed', 'completed', 'cancelled', 'completed'])
  expect(await next.status()).toMatchObject({ state: 'cancelled', reason: 'expired' })
  expect((await skipped.status()).state).toBe('cancelled')
  const counts = (await engine.queues())[0]?.counts
  expect(counts).toMatchObject({ ready: 0, blocked: 0, running: 0, scheduled: 0, cancelled: 4, completed: 4 })
})

test('from SQL: its own, else that of the definition', async () => {
  const { engine, database, advance } = await testEngine({ jobs: [tick] })
  await engine.pause('default')
  await database.query(`select legwork.enqueue('tick', '1')`)
  await database.query(`select legwork.enqueue('tick', '2', start_within => '1 hour')`)
  await advance('10m')
  const states = (await engine.list()).jobs.map(({ state }) => state)
  expect(states.toSorted()).toEqual(['cancelled', 'ready'])
})

test.each([0, -1, 'soon', '5 minutes'])('startWithin %j is refused', async (startWithin) => {
  expect(() => job('x', { startWithin: startWithin as never })).toThrow('startWithin')
  const { engine } = await testEngine({ jobs: [tick], work: false })
  expect(await failureOf(engine.enqueue(tick, 1, { startWithin: startWithin as never }))).toMatchObject({
    code: 'LW_OPTION_INVALID',
  })
})
