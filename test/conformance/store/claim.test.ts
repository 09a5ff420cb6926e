import { expect, test } from 'vitest'
import { storeBenches } from '../support.ts'

const storeBench = storeBenches()

test('jobs are claimed in the order they were added', async () => {
  const { enqueue, worker } = await storeBench()
  const ids = await enqueue({}, {}, {})
  const [one, two] = [await worker(), await worker()]
  expect((await one.claim({ limit: 2 })).map((job) => job.id)).toEqual(ids.slice(0, 2))
  expect((await two.claim()).map((job) => job.id)).toEqual(ids.slice(2))
  expect(await one.claim()).toEqual([])
})

test('the smaller priority goes first, whatever was added first', async () => {
  const { enqueue, worker } = await storeBench()
  const [low, normal, urgent, second] = await enqueue({ priority: 10 }, {}, { priority: -20 }, {})
  const claimer = await worker()
  expect((await claimer.claim({ limit: 3 })).map((job) => job.id)).toEqual([urgent, normal, second])
  expect((await claimer.claim()).map((job) => job.id)).toEqual([low])
})

test('lanes are served in the order they are given, each up to its own limit', async () => {
  const { store, enqueue, worker } = await storeBench()
  const [a1, , b1, b2] = await enqueue({ queue: 'a' }, { queue: 'a' }, { queue: 'b' }, { queue: 'b' })
  const claimer = await worker()
  const idOf = new Map((await store.queues()).map((queue) => [queue.name, queue.id]))
  const lanes = [
    { queueId: idOf.get('b')!, priority: 0, floor: 0, max: 5 },
    { queueId: idOf.get('a')!, priority: 0, floor: 0, max: 1 },
  ]
  const { jobs } = await store.claim({
    slot: 0,
    workerId: claimer.id,
    batch: 1,
    limit: 10,
    lanes,
    names: ['plain'],
    pins: [],
  })
  expect(jobs.map((job) => job.id)).toEqual([b1, b2, a1])
})

test('a worker starts where others that take the same jobs have got to, if it asks for that', async () => {
  const { store, enqueue, worker } = await storeBench()
  const [first, ...rest] = await enqueue(...Array.from({ length: 60 }, () => ({})))
  const [one, two] = [await worker(), await worker()]
  // As if another claim had the first one locked, which comes to nothing: behind it there is nothing left to see.
  expect(await one.claim({ limit: 30, floor: 1, follows: true })).toHaveLength(30)
  expect((await two.claim({ limit: 5, follows: true })).map((job) => job.id)).toEqual(rest.slice(30, 35))
  const [unled] = await two.claim({ limit: 1 })
  expect(unled?.id, 'without following').toBe(first)
  await enqueue({ name: 'other' })
  const { jobs, whole } = await two.claimFully({ limit: 1, names: ['plain', 'other'], floor: 1, follows: true })
  expect([jobs[0]?.id, whole], 'workers with other names are no measure').toEqual([rest[35], false])
  await store.maintain({ done: 1e9, dead: 1e9, count: undefined })
  expect((await one.claim({ limit: 1, follows: true })).map((job) => job.id)).toEqual([rest[36]])
})

test('a claim that was planned before a pause does not find what was added after it', async () => {
  const { store, enqueue, worker } = await storeBench()
  const claimer = await worker()
  await enqueue({ queue: 'a' }, { queue: 'b' })
  await store.pauseQueue('a', undefined, undefined)
  const [, other] = await enqueue({ queue: 'a' }, { queue: 'b' })
  const a = (await store.queues()).find((queue) => queue.name === 'a')
  const { jobs, paused } = await claimer.claimFully({ queues: ['a', 'b'] })
  expect(jobs.map((job) => job.id)).toContain(other)
  expect(jobs).toHaveLength(2)
  expect(paused).toEqual([a!.id])
  await store.resumeQueue('a', undefined)
  expect(await claimer.claim({ queues: ['a'] })).toHaveLength(2)
})

test('jobs whose name the worker does not know stay ready', async () => {
  const { enqueue, worker, stateOf } = await storeBench()
  const [unknown, known] = await enqueue({ name: 'other' }, {})
  const claimer = await worker()
  expect((await claimer.claim()).map((job) => job.id)).toEqual([known])
  expect(await stateOf(unknown!)).toBe('ready')
  expect((await claimer.claim({ names: ['other'] })).map((job) => job.id)).toEqual([unknown])
})

test('a claim carries everything the job was given', async () => {
  const { enqueue, worker } = await storeBench()
  const [id] = await enqueue({
    input: '{"deep":[1,"two",null]}',
    tags: ['x', 'y'],
    headers: '{"tenant":"t1"}',
    trace: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    options: '{"timeout":5}',
    priority: -10,
  })
  const [job] = await (await worker()).claim()
  expect(job).toMatchObject({ id, claim: 1, attempt: 1, crashes: 0, priority: -10, key: undefined, tags: ['x', 'y'] })
  expect(job).toMatchObject({ headers: { tenant: 't1' }, options: { timeout: 5 } })
  expect(JSON.parse(job?.input ?? '')).toEqual({ deep: [1, 'two', null] })
  expect(job?.trace).toMatch(/^00-/)
})

test('a scan from a floor does not look below it', async () => {
  const { enqueue, worker } = await storeBench()
  const ids = await enqueue({}, {}, {})
  const claimer = await worker()
  const floor = Number(BigInt(ids[1]!) >> 8n)
  expect((await claimer.claim({ floor })).map((job) => job.id)).toEqual(ids.slice(2))
  expect((await claimer.claim()).map((job) => job.id)).toEqual(ids.slice(0, 2))
})

test('delayed jobs are not claimed before they are staged', async () => {
  const { store, enqueue, worker, advance, stateOf } = await storeBench()
  const [id] = await enqueue({ delayMs: 5_000 })
  const claimer = await worker()
  expect(await stateOf(id!)).toBe('scheduled')
  expect(await claimer.claim()).toEqual([])
  expect(await store.nextDue(0)).toBe(5_000)
  await store.stage(0, 10)
  expect(await claimer.claim()).toEqual([])
  await advance(5_000)
  expect(await store.nextDue(0)).toBe(0)
  expect((await store.stage(0, 10)).woken).toHaveLength(1)
  expect(await store.nextDue(0)).toBeUndefined()
  expect((await claimer.claim()).map((job) => job.id)).toEqual([id])
})

test('staging takes the longest due first and says whether there is more', async () => {
  const { store, enqueue, worker, advance } = await storeBench()
  const [late, early, middle] = await enqueue({ delayMs: 3_000 }, { delayMs: 1_000 }, { delayMs: 2_000 })
  await advance(10_000)
  expect(await store.stage(0, 2)).toMatchObject({ more: true })
  const claimer = await worker()
  expect((await claimer.claim()).map((job) => job.id)).toEqual([early, middle])
  expect(await store.stage(0, 2)).toMatchObject({ more: false })
  expect((await claimer.claim()).map((job) => job.id)).toEqual([late])
})

test('many workers at once share the jobs without one being claimed twice', async () => {
  const { enqueue, worker } = await storeBench()
  const ids = await enqueue(...Array.from({ length: 200 }, () => ({})))
  const workers = await Promise.all(Array.from({ length: 5 }, worker))
  const claimed: string[] = []
  const drain = async (claimer: (typeof workers)[number]) => {
    for (;;) {
      const jobs = await claimer.claim({ limit: 7 })
      if (jobs.length === 0) return
      claimed.push(...jobs.map((job) => job.id))
    }
  }
  await Promise.all(workers.map(drain))
  expect(claimed.toSorted()).toEqual(ids.toSorted())
})

test('every claim leaves a lease that names its jobs, an empty one leaves none', async () => {
  const { store, enqueue, worker } = await storeBench()
  const ids = await enqueue({}, {})
  const claimer = await worker()
  await claimer.claim()
  await claimer.claim()
  const [lease, ...rest] = await store.leasesOf(claimer.id)
  expect(rest).toEqual([])
  expect(lease).toMatchObject({ batch: 1, slot: 0 })
  expect(lease?.ids.toSorted()).toEqual(ids)
})
