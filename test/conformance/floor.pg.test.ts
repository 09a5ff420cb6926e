import { Client } from 'pg'
import { expect, onTestFinished, test, vi } from 'vitest'
import { job, legwork } from '../../src/index.ts'
import { Lanes } from '../../src/worker/lanes.ts'
import type { TestDatabase } from '../support/database.ts'
import { freshDatabase } from '../support/database.ts'
import { databaseOption, type StoreBench, storeBenches, type StoreWorker } from './support.ts'

const storeBench = storeBenches()

test('a job whose transaction drew a lower place and commits late is found', async () => {
  const bench = await storeBench()
  const worker = await LaneWorker.create(bench)
  const early = await lateTransaction(bench.database)
  const late = await early.enqueue()
  const ids = await bench.enqueue({}, {}, {})
  expect(await worker.drain()).toEqual(ids)
  const more = await bench.enqueue({})
  expect(await worker.drain()).toEqual(more)
  expect(worker.scan).toBeGreaterThan(Number(BigInt(late) >> 8n))
  await early.commit()
  expect(await worker.drain()).toEqual([late])
})

test('also when it has begun before a transaction with a lower id that draws a higher place and commits first', async () => {
  const bench = await storeBench()
  const worker = await LaneWorker.create(bench)
  // Ids are given in the order of hold(), places in the order of enqueue(): here they cross.
  const [older, younger] = [await lateTransaction(bench.database), await lateTransaction(bench.database)]
  await older.hold()
  await younger.hold()
  const low = await younger.enqueue()
  const high = await older.enqueue()
  await older.commit()
  expect(await worker.drain()).toEqual([high])
  expect(await worker.drain()).toEqual([])
  await younger.commit()
  expect(await worker.drain()).toEqual([low])
})

test('also while another transaction holds an id, and after many claims', async () => {
  const bench = await storeBench()
  const worker = await LaneWorker.create(bench)
  const holder = await lateTransaction(bench.database)
  await holder.hold()
  const early = await lateTransaction(bench.database)
  const late = await early.enqueue()
  for (let round = 0; round < 10; round++) expect(await worker.drain(await bench.enqueue({}, {}))).toHaveLength(2)
  await early.commit()
  expect(await worker.drain()).toEqual([late])
  const second = await lateTransaction(bench.database)
  const later = await second.enqueue()
  for (let round = 0; round < 10; round++) expect(await worker.drain(await bench.enqueue({}, {}))).toHaveLength(2)
  await holder.commit()
  await second.commit()
  expect(await worker.drain()).toEqual([later])
})

test('also under a reader that keeps an old snapshot, which must not keep the floor down', async () => {
  const bench = await storeBench()
  const worker = await LaneWorker.create(bench)
  const reader = await lateTransaction(bench.database)
  await reader.readRepeatably()
  const early = await lateTransaction(bench.database)
  const late = await early.enqueue()
  for (let round = 0; round < 5; round++) await worker.drain(await bench.enqueue({}, {}))
  await early.commit()
  expect(await worker.drain()).toEqual([late])
  for (let round = 0; round < 5; round++) await worker.drain(await bench.enqueue({}))
  const last = await bench.enqueue({})
  await worker.drain(last)
  expect(worker.final, 'everything before the last claims is final').toBeGreaterThan(Number(BigInt(late) >> 8n))
})

test('a job that another claim had locked while we passed it is found when that claim is rolled back', async () => {
  const bench = await storeBench()
  const worker = await LaneWorker.create(bench)
  const [locked, ...rest] = await bench.enqueue({}, {}, {})
  const other = await lateTransaction(bench.database)
  await other.lock(locked!)
  expect(await worker.drain()).toEqual(rest)
  for (let round = 0; round < 5; round++) await worker.drain(await bench.enqueue({}))
  await other.rollback()
  expect(await worker.drain()).toEqual([locked])
})

// Claims of many jobs tell other workers where they have got to.
test.each([1, 25])('late transactions among claims of %i jobs: every job is claimed exactly once', async (jobs) => {
  const bench = await storeBench()
  const workers = [await LaneWorker.create(bench), await LaneWorker.create(bench)]
  const claimed: string[] = []
  const added: string[] = []
  const open: Late[] = []
  for (let round = 0; round < 60; round++) {
    const late = await lateTransaction(bench.database)
    added.push(await late.enqueue(), ...(await bench.enqueue(...Array.from({ length: jobs }, () => ({})))))
    open.push(late)
    // Each stays open for some rounds; they end in an order of their own.
    if (round % 3 !== 0) await open.splice((round * 7) % open.length, 1)[0]!.commit()
    claimed.push(...(await workers[round % 2]!.drain()))
  }
  for (const late of open) await late.commit()
  for (const worker of workers) claimed.push(...(await worker.drain()))
  expect(claimed.toSorted()).toEqual(added.toSorted())
  const told = await bench.database.query('select from legwork.floor')
  expect(told.length > 0).toBe(jobs > 1)
})

test('a job that comes back below a final floor is found by the look from the beginning', async () => {
  const bench = await storeBench()
  const worker = await LaneWorker.create(bench)
  // Other tests on this server hold transactions too: the floor is final only once those have ended.
  for (let round = 0; round < 500 && (round < 5 || worker.lowest <= 2); round++)
    await worker.drain(await bench.enqueue({}, {}))
  // As after a standby took over that had not heard of the last numbers.
  await bench.database.query('alter sequence legwork.job_seq restart with 2')
  await bench.database.query('delete from legwork.job where seq = 2')
  const [low] = await bench.enqueue({})
  expect(await worker.drain()).toEqual([])
  // The virtual clock begins at zero, whatever the real one says.
  const later = performance.now() + 60_000
  vi.useFakeTimers({ toFake: ['performance'] })
  onTestFinished(() => void vi.useRealTimers())
  vi.advanceTimersByTime(later)
  expect(await worker.drain()).toEqual([low])
})

test('the engine runs it too', async () => {
  const database = await freshDatabase()
  const plain = job('plain', {}, async () => undefined)
  const lw = await legwork({ jobs: [plain], database: databaseOption(database) })
  onTestFinished(() => lw.close())
  await lw.work({ poll: '100ms', stopOnSignal: false })
  const early = await lateTransaction(database)
  const late = await early.enqueue()
  for (let round = 0; round < 5; round++)
    await Promise.all((await lw.enqueueMany(plain, [1, 2, 3])).map((ref) => ref.result()))
  await early.commit()
  await expect(lw.ref(late).result({ timeout: '10s' })).resolves.toBeUndefined()
})

/** Most jobs of a claim. */
const most = 50

/** A worker's view of its lanes over the store alone: claims until nothing is hot, as the claim loop does. */
class LaneWorker {
  readonly #bench: StoreBench
  readonly #worker: StoreWorker
  readonly #lanes = new Lanes(0)
  #batch = 0
  scan = 0
  final = 0
  /** Where the last claim of a drain began: at the final floor. */
  lowest = 0

  private constructor(bench: StoreBench, worker: StoreWorker) {
    this.#bench = bench
    this.#worker = worker
  }

  static async create(bench: StoreBench): Promise<LaneWorker> {
    await bench.store.ensureQueues(['default'])
    const worker = new LaneWorker(bench, await bench.worker())
    worker.#lanes.serve(await bench.store.queues())
    return worker
  }

  /** Polls once. Two rounds of scans: the second one finds what a first one was too early for. */
  async drain(expected?: readonly string[]): Promise<string[]> {
    const ids: string[] = []
    this.#lanes.heatAll()
    while (this.#lanes.hot) {
      const plan = this.#lanes.plan(most, () => most)
      const request = {
        slot: 0,
        workerId: this.#worker.id,
        batch: ++this.#batch,
        limit: most,
        lanes: plan,
        names: ['plain'],
        pins: [],
      }
      const claimed = await this.#bench.store.claim(request)
      this.#lanes.learn(plan, claimed, most, 0)
      this.scan = Math.max(this.scan, ...claimed.jobs.map((one) => one.seq))
      this.lowest = Math.min(...plan.map((lane) => lane.floor))
      this.final = Math.max(this.final, Math.min(...plan.map((lane) => lane.floor)))
      ids.push(...claimed.jobs.map((one) => one.id))
    }
    if (expected) expect(ids).toEqual(expected)
    return ids
  }
}

interface Late {
  enqueue(): Promise<string>
  /** Takes a transaction id and writes nothing. */
  hold(): Promise<void>
  readRepeatably(): Promise<void>
  lock(id: string): Promise<void>
  commit(): Promise<void>
  rollback(): Promise<void>
}

/** A transaction that stays open until the test ends it. */
async function lateTransaction(database: TestDatabase): Promise<Late> {
  if (database.kind !== 'postgres') throw new Error('This needs a server.')
  const client = new Client(database.url)
  await client.connect()
  onTestFinished(() => client.end())
  await client.query('begin')
  return {
    enqueue: async () => (await client.query<{ id: string }>(`select legwork.enqueue('plain') as id`)).rows[0]!.id,
    hold: async () => void (await client.query('select pg_current_xact_id()')),
    readRepeatably: async () =>
      void (await client.query('rollback; begin isolation level repeatable read; select from legwork.job')),
    lock: async (id) =>
      void (await client.query('select from legwork.job where slot = 0 and id = $1 for update', [id])),
    commit: async () => void (await client.query('commit')),
    rollback: async () => void (await client.query('rollback')),
  }
}
