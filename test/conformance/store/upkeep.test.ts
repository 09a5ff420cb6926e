import { expect, test } from 'vitest'
import { type StoreBench, storeBenches } from '../support.ts'

const storeBench = storeBenches()
const day = 86_400_000
const retention = { done: 7 * day, dead: 90 * day, count: undefined }

/** One job that completes and one that dies, now. */
async function twoEnds({ enqueue, worker }: StoreBench): Promise<{ done: string; dead: string }> {
  await enqueue({}, {})
  const claimer = await worker()
  const [one, two] = await claimer.claim()
  await claimer.end([one!])
  await claimer.end([two!], 'dead', { reason: 'attempts' })
  return { done: one!.id, dead: two!.id }
}

test('history is dropped by age, dead letters later, and the counters know', async () => {
  const bench = await storeBench()
  const { store, advance, stateOf } = bench
  const { done, dead } = await twoEnds(bench)
  await advance(6 * day)
  await store.maintain(retention)
  expect(await stateOf(done)).toBe('completed')
  await advance(3 * day)
  await store.maintain(retention)
  expect(await stateOf(done)).toBeUndefined()
  expect(await stateOf(dead)).toBe('dead')
  expect((await store.queueStatus())[0]?.counts).toMatchObject({ completed: 0, dead: 1 })
  expect(await store.attempts(dead)).toHaveLength(1)
  await advance(100 * day)
  await store.maintain(retention)
  expect(await stateOf(dead)).toBeUndefined()
  expect((await store.queueStatus())[0]?.counts).toMatchObject({ completed: 0, dead: 0 })
})

test('jobs that end when nobody has made a partition for the day are kept and pruned like the rest', async () => {
  const bench = await storeBench()
  const { store, advance, stateOf } = bench
  await advance(200 * day)
  const { done, dead } = await twoEnds(bench)
  await store.maintain(retention)
  expect(await stateOf(done)).toBe('completed')
  expect(await stateOf(dead)).toBe('dead')
  await advance(8 * day)
  expect((await store.maintain(retention)).rows).toBe(1)
  expect(await stateOf(done)).toBeUndefined()
  await advance(91 * day)
  await store.maintain(retention)
  expect(await stateOf(dead)).toBeUndefined()
})

test('attempts and feed that nobody can ask for any more go too, wherever they are', async () => {
  const bench = await storeBench()
  const { store, database, enqueue, worker, advance } = bench
  await advance(400 * day)
  const [id] = await enqueue({})
  const claimer = await worker()
  const jobs = await claimer.claim()
  await store.appendFeed(0, [{ id: id!, claim: 1, kind: 'log', data: '"x"' }])
  await claimer.end(jobs, 'dead', { reason: 'attempts' })
  const rows = async () => {
    const [found] = await database.query<{ n: number }>(
      'select (select count(*) from legwork.attempt)::int + (select count(*) from legwork.feed)::int as n',
    )
    return found?.n
  }
  expect(await rows()).toBe(2)
  await advance(120 * day)
  await store.maintain(retention)
  expect(await rows()).toBe(0)
})

test('what belongs to a job that still lives is kept however old it is', async () => {
  const bench = await storeBench()
  const { store, enqueue, worker, advance } = bench
  const [id] = await enqueue({})
  const claimer = await worker()
  const jobs = await claimer.claim()
  await store.appendFeed(0, [{ id: id!, claim: 1, kind: 'log', data: '"x"' }])
  await claimer.giveBack(jobs, 'retry', 300 * day)
  await advance(200 * day)
  await store.maintain(retention)
  expect(await store.attempts(id!)).toHaveLength(1)
  expect((await store.readFeed(id!, { claim: 0, seq: '0' }, 10))!.lines).toHaveLength(1)
})

test('history is kept to a count, the newest of it', async () => {
  const { store, enqueue, worker, states } = await storeBench()
  const ids = await enqueue(...Array.from({ length: 10 }, () => ({})))
  const claimer = await worker()
  await claimer.end(await claimer.claim())
  expect(await store.maintain({ ...retention, count: 4 })).toMatchObject({ rows: 6 })
  expect(Object.keys(await states()).toSorted()).toEqual(ids.slice(6).toSorted())
  expect((await store.queueStatus())[0]?.counts).toMatchObject({ completed: 4 })
})

test('partitions are made for the next days, and making them twice does nothing', async () => {
  const bench = await storeBench()
  const { store, database, advance } = bench
  await advance(30 * day)
  await Promise.all([store.maintain(retention), store.maintain(retention)])
  await twoEnds(bench)
  const rows = await database.query<{ table: string }>(
    'select tableoid::regclass::text as table from legwork.finished order by 1',
  )
  expect(rows.map((row) => row.table)).toEqual([
    expect.stringMatching(/_dead_\d{8}$/),
    expect.stringMatching(/_done_\d{8}$/),
  ])
})

test('workers that ended long ago are forgotten', async () => {
  const { store, worker, advance } = await storeBench()
  const [gone, alive] = [await worker(), await worker()]
  await store.endWorker(gone.id)
  await advance(2 * day)
  await store.maintain(retention)
  expect((await store.workers(10)).map((record) => record.id)).toEqual([alive.id])
})
