import { expect, test } from 'vitest'
import { type StoreBench, storeBenches } from '../support.ts'

const storeBench = storeBenches()

const keyed = { key: 'k' }

test('jobs with one key run one at a time, in the order they were added', async () => {
  const { enqueue, worker, states } = await storeBench()
  const [a, b, c] = await enqueue(keyed, keyed, keyed)
  const [one, two] = [await worker(), await worker()]
  const first = await one.claim()
  expect(first.map((job) => job.id)).toEqual([a])
  expect(await two.claim()).toEqual([])
  expect(await states()).toEqual({ [a!]: 'running', [b!]: 'blocked', [c!]: 'blocked' })
  await one.end(first)
  const second = await two.claim()
  expect(second.map((job) => job.id)).toEqual([b])
  await two.end(second, 'dead')
  expect((await one.claim()).map((job) => job.id)).toEqual([c])
})

test('keys are of one job name', async () => {
  const { enqueue, worker } = await storeBench()
  await enqueue(keyed, { ...keyed, name: 'other' }, { key: 'k2' })
  expect(await (await worker()).claim({ names: ['plain', 'other'] })).toHaveLength(3)
})

test('a job that waits to be retried keeps its key and its place', async () => {
  const { store, enqueue, worker, advance } = await storeBench()
  const [a, b] = await enqueue(keyed, keyed)
  const claimer = await worker()
  await claimer.giveBack(await claimer.claim(), 'retry', 1_000)
  expect(await claimer.claim()).toEqual([])
  await advance(1_000)
  await store.stage(0, 10)
  const again = await claimer.claim()
  expect(again.map((job) => job.id)).toEqual([a])
  await claimer.end(again)
  expect((await claimer.claim()).map((job) => job.id)).toEqual([b])
})

test('the order of a key outranks priority and queue', async () => {
  const { enqueue, worker } = await storeBench()
  const [a, b] = await enqueue({ ...keyed, priority: 10 }, { ...keyed, priority: -20, queue: 'fast' })
  const claimer = await worker()
  const only = await claimer.claim({ queues: ['fast'] })
  expect(only).toEqual([])
  const first = await claimer.claim({ queues: ['default', 'fast'] })
  expect(first.map((job) => job.id)).toEqual([a])
  await claimer.end(first)
  expect((await claimer.claim({ queues: ['default', 'fast'] })).map((job) => job.id)).toEqual([b])
})

test('cancelling the holder or one in line lets the next one run', async () => {
  const { store, enqueue, worker, stateOf } = await storeBench()
  const [a, b, c] = await enqueue(keyed, keyed, keyed)
  const claimer = await worker()
  const first = await claimer.claim()
  expect(await store.cancel(b!, 'no')).toMatchObject({ outcome: 'cancelled', woken: [] })
  await claimer.giveBack(first, 'retry', 60_000)
  expect((await store.cancel(a!, 'no')).woken).toHaveLength(1)
  expect(await stateOf(c!)).toBe('ready')
  expect((await claimer.claim()).map((job) => job.id)).toEqual([c])
})

test('the key of a crashed worker stays with its job; a poisoned one frees it', async () => {
  const { store, enqueue, worker, advance } = await storeBench()
  const [a, b] = await enqueue(keyed, keyed)
  await (await worker()).claim()
  await advance(20_000)
  await store.rescue({ rescuer: 0, lease: 10_000, limits: {}, defaultLimit: 2 })
  const second = await worker()
  expect((await second.claim()).map((job) => job.id)).toEqual([a])
  await store.markSuspect(second.id, a)
  await advance(20_000)
  const rescue = await store.rescue({ rescuer: 0, lease: 10_000, limits: {}, defaultLimit: 2 })
  expect(rescue).toMatchObject({ poisoned: [a] })
  expect(rescue.woken).toHaveLength(1)
  expect((await (await worker()).claim()).map((job) => job.id)).toEqual([b])
})

test('a redriven job goes to the end of the line of its key', async () => {
  const { store, enqueue, worker } = await storeBench()
  const [a, b, c] = await enqueue(keyed, keyed, keyed)
  const claimer = await worker()
  await claimer.end(await claimer.claim(), 'dead')
  await store.redrive([a!])
  for (const next of [b, c, a]) {
    const jobs = await claimer.claim()
    expect(jobs.map((job) => job.id)).toEqual([next])
    await claimer.end(jobs)
  }
})

test('a claim that meets many jobs of one key says so, and all the others of it are set aside without being claimed', async () => {
  const { store, enqueue, worker, stateOf } = await storeBench()
  const hot = await enqueue(...Array.from({ length: 12 }, () => keyed))
  const others = await enqueue({}, { key: 'another' })
  const claimer = await worker()
  const { jobs, crowded } = await claimer.claimFully({ limit: 8 })
  expect(jobs.map((job) => job.id)).toEqual([hot[0]])
  expect(crowded).toEqual({ names: ['plain'], keys: ['k'] })
  const request = { slot: 0, lanes: [{ queueId: 1, priority: 0, floor: 0 }], keys: crowded!, most: 100 }
  expect(await store.setAside(request)).toEqual({ jobs: 4, lanes: [{ queueId: 1, priority: 0, floor: 14, looked: 6 }] })
  for (const id of hot.slice(1)) expect(await stateOf(id)).toBe('blocked')
  expect((await claimer.claim()).map((job) => job.id)).toEqual(others)
  // The key is handed on, so the job that has it now stays ready.
  await claimer.end(jobs)
  expect(await store.setAside(request)).toMatchObject({ jobs: 0 })
  for (const next of hot.slice(1)) {
    const [job, ...more] = await claimer.claim()
    expect([job?.id, more]).toEqual([next, []])
    await claimer.end([job!])
  }
  // Nobody has the key any more.
  await enqueue(keyed, keyed)
  expect(await store.setAside(request)).toMatchObject({ jobs: 0 })
})

test('a claim passes over a crowded key, but for the job that was given it', async () => {
  const { enqueue, worker, stateOf } = await storeBench()
  const hot = await enqueue(...Array.from({ length: 6 }, () => keyed))
  const others = await enqueue({}, { key: 'another' }, { name: 'other', key: 'k' })
  const claimer = await worker()
  const { jobs } = await claimer.claimFully({ limit: 3 })
  const crowded = { names: ['plain'], keys: ['k'] }
  const names = ['plain', 'other']
  const passing = await claimer.claimFully({ crowded, names })
  expect(passing.jobs.map((job) => job.id)).toEqual(others)
  expect(passing.whole).toBe(false)
  expect(await stateOf(hot[5]!)).toBe('ready')
  await claimer.end(jobs)
  expect((await claimer.claim({ crowded, names })).map((job) => job.id)).toEqual([hot[1]])
})

test('the sweep frees a place that somebody waits at and nobody holds', async () => {
  const { store, database, enqueue, worker, stateOf } = await storeBench()
  const [a] = await enqueue(keyed, keyed)
  // As a claim leaves it that set a job aside because the first in line was locked by another claim, which then failed.
  await database.query(`insert into legwork.key_holder (slot, name, key, job_id) values (0, 'plain', 'k', null)`)
  await database.query(`update legwork.job set state = 2 where id = $1`, [a])
  expect(await store.sweep(0)).toHaveLength(1)
  expect(await stateOf(a!)).toBe('ready')
  expect(await store.sweep(0)).toEqual([])
  expect((await (await worker()).claim()).map((job) => job.id)).toEqual([a])
})

const patience = { timeout: 60_000 } // the embedded database needs ten seconds alone

test(
  'a thousand keyed jobs and six workers: one at a time per key, in order, and none is forgotten',
  patience,
  async () => {
    const bench = await storeBench()
    const total = bench.store.kind === 'postgres' ? 1_000 : 300
    // Most of them have one key, so that claims find it crowded and set others aside.
    const keyOf = (n: number) => Math.max(0, (n % 10) - 6)
    const ids = await bench.enqueue(...Array.from({ length: total }, (_, n) => ({ key: `k${keyOf(n)}` })))
    const { finished, running } = await drainKeyed(bench, total)
    expect(finished.size).toBe(total)
    expect([...running.values()].every((set) => set.size === 0)).toBe(true)
    for (let key = 0; key < 4; key++) {
      const mine = ids.filter((_, n) => keyOf(n) === key)
      expect([...finished].filter((id) => mine.includes(id))).toEqual(mine)
    }
    const holders = await bench.database.query('select * from legwork.key_holder')
    expect(holders).toEqual([])
  },
)

/** Six workers claim and settle as fast as they can, without a sweep unless all of them find nothing. */
async function drainKeyed(
  bench: StoreBench,
  total: number,
): Promise<{ finished: Set<string>; running: Map<string, Set<string>> }> {
  const finished = new Set<string>()
  const running = new Map<string, Set<string>>()
  const everywhere = { queueId: 1, priority: 0, floor: 0 }
  let aside = 0
  let sweeps = 0
  const work = async () => {
    const claimer = await bench.worker()
    while (finished.size < total) {
      const { jobs, crowded } = await claimer.claimFully({ limit: 10 })
      if (crowded) aside += (await bench.store.setAside({ slot: 0, lanes: [everywhere], keys: crowded, most: 50 })).jobs
      for (const job of jobs) {
        const set = running.get(job.key!) ?? new Set()
        running.set(job.key!, set.add(job.id))
        expect(set.size, `jobs with key ${job.key} at once`).toBe(1)
      }
      if (jobs.length === 0 && ++sweeps % 20 === 0) await bench.store.sweep(0)
      // Cleared before the settle is sent: from its commit on another worker may have the next one.
      for (const job of jobs) running.get(job.key!)?.delete(job.id)
      for (const job of jobs) finished.add(job.id)
      expect(await claimer.end(jobs)).toHaveLength(jobs.length)
    }
  }
  await Promise.all(Array.from({ length: 6 }, work))
  expect(aside).toBeGreaterThan(0)
  return { finished, running }
}
