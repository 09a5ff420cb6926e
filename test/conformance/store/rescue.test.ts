import { expect, test } from 'vitest'
import { rescueRequest, storeBenches } from '../support.ts'

const storeBench = storeBenches()

test('a worker that beats is left alone; one that is silent loses its jobs at once', async () => {
  const { store, enqueue, worker, advance, states } = await storeBench()
  const [a, b] = await enqueue({}, {})
  const [alive, dead] = [await worker(), await worker()]
  await alive.claim({ limit: 1 })
  await dead.claim()
  await advance(9_000)
  expect(await store.beatWorker(alive.id, 1, 'running')).toBe(true)
  expect((await store.rescue(rescueRequest)).workers).toEqual([])
  await advance(2_000)
  const rescued = await store.rescue({ ...rescueRequest, rescuer: alive.id })
  expect(rescued).toMatchObject({ workers: [dead.id], returned: 1, poisoned: [], cancelled: [] })
  expect(rescued.woken).toHaveLength(1)
  expect(await states()).toEqual({ [a!]: 'running', [b!]: 'ready' })
  expect(await store.beatWorker(dead.id, 1, 'running')).toBe(false)
})

test('a rescue counts a crash and no attempt, and fences the old worker out', async () => {
  const { store, enqueue, worker, advance } = await storeBench()
  const [id] = await enqueue({})
  const dead = await worker()
  const old = await dead.claim()
  await advance(20_000)
  await store.rescue(rescueRequest)
  expect(await store.find(id!)).toMatchObject({ state: 'ready', attempt: 0, crashes: 1, claim: 2 })
  expect(await store.attempts(id!)).toMatchObject([{ attempt: 1, claim: 1, outcome: 'crashed', worker: dead.id }])
  expect(await dead.end(old)).toEqual([])
  const [again] = await (await worker()).claim()
  expect(again).toMatchObject({ id, attempt: 1, crashes: 1, claim: 3 })
})

test('a worker does not rescue itself, however late its heartbeat is', async () => {
  const { store, enqueue, worker, advance } = await storeBench()
  await enqueue({})
  const late = await worker()
  await late.claim()
  await advance(60_000)
  expect((await store.rescue({ ...rescueRequest, rescuer: late.id })).workers).toEqual([])
})

test('a job that was running in too many dead workers is poisoned', async () => {
  const { store, enqueue, worker, advance } = await storeBench()
  const [id] = await enqueue({})
  const limits = { plain: 2 }
  for (let crash = 1; crash <= 2; crash++) {
    const doomed = await worker()
    await doomed.claim()
    await store.markSuspect(doomed.id, id)
    await advance(20_000)
    const rescued = await store.rescue({ ...rescueRequest, limits })
    expect(rescued.poisoned).toEqual(crash === 2 ? [id] : [])
  }
  expect(await store.find(id!)).toMatchObject({
    state: 'dead',
    reason: 'poisoned',
    error: { code: 'LW_JOB_POISONED' },
    crashes: 2,
  })
  expect((await store.attempts(id!)).map((row) => row.outcome)).toEqual(['crashed', 'crashed', 'dead'])
})

test('of the suspects a dead worker held, only the one that ran is blamed', async () => {
  const { store, enqueue, worker, advance } = await storeBench()
  const [killer, innocent] = await enqueue({}, {})
  await (await worker()).claim()
  await advance(20_000)
  await store.rescue(rescueRequest)
  const [newcomer] = await enqueue({})
  const second = await worker()
  await second.claim()
  await store.markSuspect(second.id, killer)
  await advance(20_000)
  await store.rescue(rescueRequest)
  expect(await store.find(killer!)).toMatchObject({ crashes: 2, state: 'ready' })
  expect(await store.find(innocent!)).toMatchObject({ crashes: 1, state: 'ready' })
  expect(await store.find(newcomer!), 'now a suspect too').toMatchObject({ crashes: 1, attempt: 0, state: 'ready' })
})

test('a job whose cancel was asked for ends as cancelled when its worker dies', async () => {
  const { store, enqueue, worker, advance } = await storeBench()
  const [id] = await enqueue({})
  await (await worker()).claim()
  await store.cancel(id!, 'enough')
  await advance(20_000)
  expect(await store.rescue(rescueRequest)).toMatchObject({ cancelled: [id], returned: 0 })
  expect(await store.find(id!)).toMatchObject({ state: 'cancelled', reason: 'enough' })
})

test('two rescuers at once: each dead worker is buried once, each job counted once', async () => {
  const { store, enqueue, worker, advance } = await storeBench()
  const ids = await enqueue(...Array.from({ length: 40 }, () => ({})))
  for (let n = 0; n < 4; n++) await (await worker()).claim({ limit: 10 })
  await advance(20_000)
  const rescues = await Promise.all(Array.from({ length: 4 }, () => store.rescue(rescueRequest)))
  const rest = await store.rescue(rescueRequest)
  expect([...rescues, rest].reduce((sum, rescue) => sum + rescue.returned, 0)).toBe(40)
  for (const id of ids) expect(await store.find(id)).toMatchObject({ crashes: 1, state: 'ready' })
})

test('a settle that comes while its worker is buried wins or loses, never both', async () => {
  const { store, database, enqueue, worker, advance } = await storeBench()
  const ids = await enqueue(...Array.from({ length: 30 }, () => ({})))
  const dying = await worker()
  const jobs = await dying.claim()
  await advance(20_000)
  const [rescued, settled] = await Promise.all([store.rescue(rescueRequest), dying.end(jobs)])
  expect(rescued.returned + settled.length).toBe(ids.length)
  const rows = await database.query<{ n: number }>('select count(*)::int as n from legwork.jobs')
  expect(rows[0]?.n).toBe(ids.length)
})

test('strays go back without blame', async () => {
  const { store, enqueue, worker } = await storeBench()
  const [id] = await enqueue({})
  const claimer = await worker()
  const lost = await claimer.claim()
  expect(await store.returnStrays(claimer.id, [claimer.lastBatch])).toHaveLength(1)
  expect(await store.find(id!)).toMatchObject({ state: 'ready', attempt: 0, crashes: 0, claim: 2 })
  expect(await claimer.end(lost)).toEqual([])
  expect(await store.leasesOf(claimer.id)).toEqual([])
  expect(await store.returnStrays(claimer.id, [1, 2, 3])).toEqual([])
})

test('jobs that a worker claimed after it was declared dead come back', async () => {
  const { store, enqueue, worker, advance } = await storeBench()
  const paused = await worker()
  await advance(20_000)
  expect((await store.rescue(rescueRequest)).workers).toEqual([paused.id])
  const [id] = await enqueue({})
  await paused.claim()
  await store.rescue(rescueRequest)
  expect(await store.find(id!)).toMatchObject({ state: 'ready', crashes: 0, attempt: 0 })
})

test('jobs that a worker left behind when it signed off come back', async () => {
  const { store, enqueue, worker } = await storeBench()
  const [id] = await enqueue({})
  const leaving = await worker()
  const jobs = await leaving.claim()
  await store.endWorker(leaving.id)
  const rescued = await store.rescue(rescueRequest)
  expect(rescued.woken).toHaveLength(1)
  expect(await store.find(id!)).toMatchObject({ state: 'ready', crashes: 0, attempt: 0 })
  expect(await leaving.end(jobs)).toEqual([])
})

test('workers are listed newest first, with what they said about themselves', async () => {
  const { store } = await storeBench()
  const info = {
    pid: 7,
    host: 'h',
    process: 'test',
    names: ['job'],
    pins: [],
    version: '1',
    concurrency: 3,
    queues: ['a', 'b'],
    labels: ['gpu'],
  }
  const id = await store.registerWorker(info)
  const other = await store.registerWorker({ ...info, queues: undefined })
  await store.beatWorker(id, 2, 'stopping')
  await store.endWorker(other)
  const [second, first] = await store.workers(10)
  expect(first).toMatchObject({ ...info, id, running: 2, state: 'stopping', endedAt: undefined })
  expect(second).toMatchObject({ id: other, queues: undefined, state: 'stopped' })
  expect(second?.endedAt).toBeInstanceOf(Date)
})

test('a look after jobs says which are still this claim of this worker', async () => {
  const { store, enqueue, worker } = await storeBench()
  const [mine, gone, done] = await enqueue({}, {}, {})
  const claimer = await worker()
  const jobs = await claimer.claim()
  await claimer.giveBack(jobs.slice(1, 2), 'released')
  await claimer.end(jobs.slice(2))
  const looks = await store.lookAfter(
    0,
    claimer.id,
    jobs.map(({ id, claim }) => ({ id, claim })),
  )
  expect(new Map(looks.map((look) => [look.id, look.mine]))).toEqual(
    new Map([
      [mine, true],
      [gone, false],
      [done, false],
    ]),
  )
})
