import { expect, test } from 'vitest'
import type { ListOptions } from '../../../src/store/queries/list.ts'
import { storeBenches } from '../support.ts'

const storeBench = storeBenches()

test('a queue is made by its first job, and may be made before', async () => {
  const { store, enqueue } = await storeBench()
  await store.ensureQueues(['b', 'a'])
  await enqueue({ queue: 'c' })
  await store.ensureQueues(['a', 'c'])
  expect((await store.queues()).map((queue) => queue.name).toSorted()).toEqual(['a', 'b', 'c'])
  expect((await store.queueStatus()).map((queue) => queue.name)).toEqual(['a', 'b', 'c'])
})

test('pause keeps the first moment and the last reason; resume forgets both', async () => {
  const { store, advance } = await storeBench()
  await store.pauseQueue('q', undefined, 'ada')
  const first = (await store.queueStatus())[0]
  expect(first).toMatchObject({ name: 'q', paused: true, pauseReason: undefined, pausedBy: 'ada' })
  await advance(1_000)
  await store.pauseQueue('q', 'deploy', undefined)
  await store.pauseQueue('q', undefined, undefined)
  expect((await store.queueStatus())[0]).toMatchObject({ pausedAt: first?.pausedAt, pauseReason: 'deploy' })
  expect((await store.queues())[0]).toMatchObject({ paused: true })
  await store.resumeQueue('q', undefined)
  expect((await store.queueStatus())[0]).toMatchObject({ paused: false, pausedAt: undefined, pauseReason: undefined })
})

test('counters equal the rows through every kind of move, folded or not', async () => {
  const { store, enqueue, worker, advance } = await storeBench()
  const [a, b, c] = await enqueue({}, {}, {}, { delayMs: 500 }, { key: 'k' }, { key: 'k' }, { queue: 'other' })
  const claimer = await worker()
  const jobs = await claimer.claim()
  const find = (id: string | undefined) => jobs.filter((job) => job.id === id)
  await claimer.end(find(a), 'completed')
  await claimer.end(find(b), 'dead')
  await store.sweep(0)
  await claimer.giveBack(find(c), 'retry', 1_000)
  const counts = async (name: string) => (await store.queueStatus()).find((queue) => queue.name === name)?.counts
  const expected = { scheduled: 2, ready: 0, running: 1, blocked: 1, completed: 1, dead: 1, cancelled: 0 }
  expect(await counts('default')).toMatchObject(expected)
  await store.sweep(0)
  expect(await counts('default')).toMatchObject(expected)
  expect(await counts('other')).toMatchObject({ ready: 1 })
  await advance(2_000)
  await store.stage(0, 10)
  await store.redrive([b!])
  await store.cancel(c!, 'no')
  expect(await counts('default')).toMatchObject({
    scheduled: 0,
    ready: 2,
    running: 1,
    blocked: 1,
    dead: 0,
    cancelled: 1,
  })
})

test('cancel ends what waits, asks what runs, and leaves the rest alone', async () => {
  const { store, enqueue, worker } = await storeBench()
  const [running, ready, scheduled] = await enqueue({}, { queue: 'slow' }, { delayMs: 1_000 })
  const claimer = await worker()
  const jobs = await claimer.claim()
  expect(await store.cancel(running!, 'why')).toEqual({ outcome: 'asked', woken: [], isParent: false })
  expect(await store.cancel(running!, 'again')).toMatchObject({ outcome: 'asked' })
  for (const id of [ready, scheduled]) {
    expect(await store.cancel(id!, 'why')).toMatchObject({ outcome: 'cancelled' })
    expect(await store.find(id!)).toMatchObject({ state: 'cancelled', reason: 'why' })
    expect(await store.cancel(id!, 'why')).toMatchObject({ outcome: 'none' })
  }
  // It completes before it notices: then it has completed.
  await claimer.end(jobs)
  expect(await store.find(running!)).toMatchObject({ state: 'completed', reason: undefined })
  expect(await store.cancel('99999999', 'why')).toMatchObject({ outcome: 'none' })
})

test('cancel and claim at once: the job is cancelled, or it runs and was asked to stop', async () => {
  const { store, enqueue, worker } = await storeBench()
  const ids = await enqueue(...Array.from({ length: 20 }, () => ({})))
  const claimer = await worker()
  const [cancels, jobs] = await Promise.all([Promise.all(ids.map((id) => store.cancel(id, 'no'))), claimer.claim()])
  const held = new Set(jobs.map((job) => job.id))
  cancels.forEach(({ outcome }, place) => expect(outcome).toBe(held.has(ids[place]!) ? 'asked' : 'cancelled'))
})

test('redrive takes dead, cancelled and scheduled jobs, and leaves the rest out of its answer', async () => {
  const { store, enqueue, worker } = await storeBench()
  const [dead, done, running, cancelled, later, ready] = await enqueue(
    {},
    {},
    {},
    {},
    { delayMs: 9_999 },
    { queue: 'x' },
  )
  await store.cancel(cancelled!, 'no')
  const claimer = await worker()
  const jobs = await claimer.claim()
  await claimer.end(jobs.slice(0, 1), 'dead')
  await claimer.end(jobs.slice(1, 2))
  const redriven = await store.redrive([dead!, done!, running!, cancelled!, later!, ready!, '424242'])
  expect(new Set(redriven.ids)).toEqual(new Set([dead, cancelled, later]))
  expect(await store.find(dead!)).toMatchObject({
    state: 'ready',
    attempt: 0,
    claim: 1,
    reason: undefined,
    error: undefined,
  })
  const again = await claimer.claim()
  expect(new Set(again.map((job) => job.id))).toEqual(new Set([dead, cancelled, later]))
  expect(await claimer.end(jobs.slice(0, 1))).toEqual([])
  expect(await claimer.end(again)).toHaveLength(3)
})

test('a redrive does not put a second job beside one that has its unique key', async () => {
  const { store, enqueue, worker } = await storeBench()
  const [first] = await enqueue({ unique: 'u' })
  const claimer = await worker()
  await claimer.end(await claimer.claim(), 'dead')
  const [second] = await enqueue({ unique: 'u' })
  expect((await store.redrive([first!])).ids).toEqual([])
  await claimer.end(await claimer.claim(), 'dead')
  expect((await store.redrive([first!, second!])).ids).toHaveLength(1)
})

test('redrives at once bring a job back once', async () => {
  const { store, enqueue, worker, database } = await storeBench()
  const ids = await enqueue(...Array.from({ length: 10 }, () => ({})))
  const claimer = await worker()
  await claimer.end(await claimer.claim(), 'dead')
  const all = await Promise.all(Array.from({ length: 4 }, () => store.redrive(ids)))
  expect(all.flatMap((one) => one.ids).toSorted()).toEqual(ids.toSorted())
  const rows = await database.query('select from legwork.jobs')
  expect(rows).toHaveLength(10)
})

test('lists filter by everything and page through both tables without gaps or repeats', async () => {
  const { store, enqueue, worker } = await storeBench()
  const many = await enqueue(
    ...Array.from({ length: 23 }, (_, n) => ({
      tags: n % 2 ? ['odd', 'n'] : ['n'],
      input: `{"n":${n},"deep":{"x":${n % 3}}}`,
    })),
  )
  const [keyed] = await enqueue({ key: 'k', queue: 'other', name: 'named', delayMs: 5_000 })
  const claimer = await worker()
  await claimer.end(await claimer.claim({ limit: 10 }))
  const idsOf = async (options: ListOptions) => (await store.list(options)).jobs.map((job) => job.id)
  expect(await idsOf({ order: 'oldest', limit: 100 })).toEqual([...many, keyed])
  expect(await idsOf({ key: 'k' })).toEqual([keyed])
  expect(await idsOf({ queue: ['other', 'nowhere'] })).toEqual([keyed])
  expect(await idsOf({ name: 'named', state: ['scheduled', 'dead'] })).toEqual([keyed])
  expect(await idsOf({ state: 'completed', limit: 100 })).toEqual(many.slice(0, 10).toReversed())
  expect(await idsOf({ tag: ['odd', 'n'], order: 'oldest' })).toEqual(many.filter((_, n) => n % 2 === 1))
  expect(await idsOf({ input: { deep: { x: 2 } }, order: 'oldest' })).toEqual(many.filter((_, n) => n % 3 === 2))
  expect(await idsOf({ state: ['ready', 'running'], order: 'oldest' })).toEqual(many.slice(10))
  expect(await idsOf({ state: 'dead' })).toEqual([])
  for (const order of ['newest', 'oldest'] as const) {
    const seen: string[] = []
    for (let after: string | undefined; ;) {
      const page = await store.list({ order, limit: 5, ...(after !== undefined && { after }) })
      seen.push(...page.jobs.map((job) => job.id))
      after = page.next
      if (after === undefined) break
    }
    expect(seen).toEqual(order === 'oldest' ? [...many, keyed] : [...many, keyed].toReversed())
  }
})

test('bad list options are refused by name', async () => {
  const { store } = await storeBench()
  for (const limit of [0, 1001, 1.5, Number.NaN])
    await expect(store.list({ limit })).rejects.toMatchObject({
      code: 'LW_OPTION_INVALID',
      details: { option: 'limit' },
    })
  await expect(store.list({ state: 'lost' as 'dead' })).rejects.toMatchObject({ details: { option: 'state' } })
  await expect(store.list({ order: 'up' as 'newest' })).rejects.toMatchObject({ details: { option: 'order' } })
  for (const after of ['x', "1'; drop", ''])
    await expect(store.list({ after })).rejects.toMatchObject({ code: 'LW_OPTION_INVALID' })
})

test('ended says which have ended and which are nowhere', async () => {
  const { store, enqueue, worker } = await storeBench()
  const [done, waiting] = await enqueue({}, { delayMs: 1_000 })
  const claimer = await worker()
  await claimer.end(await claimer.claim(), 'completed', { output: '[1]' })
  const { ended, missing } = await store.ended([done!, waiting!, '77777'])
  expect(ended).toMatchObject([{ id: done, state: 'completed', output: '[1]', attempt: 1 }])
  expect(missing).toEqual(['77777'])
})
