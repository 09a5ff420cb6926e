import { beforeAll, onTestFinished } from 'vitest'
import type { DatabaseOption } from '../../src/store/open.ts'
import { openStore } from '../../src/store/open.ts'
import type { Claimed } from '../../src/store/queries/claim.ts'
import type { ClaimedJob } from '../../src/store/queries/claimed-job.ts'
import type { NewJob } from '../../src/store/queries/enqueue.ts'
import type { Keys } from '../../src/store/queries/keys.ts'
import type { Ending, Return } from '../../src/store/queries/settle.ts'
import type { Store } from '../../src/store/store.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'

/** Where the virtual time of a test begins: now, because the partitions of history are made for these days. */
const begin = Date.now()

/** A store on a database of its own whose time stands still until the test moves it. */
export interface StoreBench {
  readonly store: Store
  readonly database: TestDatabase
  /** Moves the database's clock. */
  readonly advance: (ms: number) => Promise<void>
  /** Adds plain jobs; the rest of each is given. */
  readonly enqueue: (...jobs: readonly Partial<NewJob>[]) => Promise<string[]>
  /** A registered worker with a memory for its batches. */
  readonly worker: () => Promise<StoreWorker>
  /** Job id to state, of all jobs. */
  readonly states: () => Promise<Record<string, string>>
  readonly stateOf: (id: string) => Promise<string | undefined>
}

/** How a database is named for `openStore`. */
export function databaseOption(database: TestDatabase): DatabaseOption {
  return database.kind === 'pglite' ? { pglite: database.pglite } : { url: database.url }
}

/**
 * Gives each test of a file a bench on an empty database whose time stands still. The file opens one database and
 * empties it between tests: an embedded one takes longer to open than most of these tests run.
 */
export function storeBenches(): () => Promise<StoreBench> {
  let database: TestDatabase
  beforeAll(async () => {
    database = await freshDatabase()
    await stopTime(database)
  })
  return async () => {
    await emptied(database)
    const store = await openStore(databaseOption(database))
    onTestFinished(() => store.close())
    return benchOf(store, database)
  }
}

/** Removes every row, so that the next test or history finds what a new database has. */
export async function emptied(database: TestDatabase): Promise<void> {
  const tables = await database.query<{ name: string }>(
    `select c.oid::regclass::text as name from pg_class c
      where c.relnamespace = 'legwork'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
        and c.relname not in ('migration', 'test_clock')`,
  )
  await database.query(`truncate ${tables.map((table) => table.name).join(', ')} restart identity`)
  await database.query('alter sequence legwork.job_seq restart')
  await database.query('update legwork.test_clock set at = $1', [new Date(begin)])
}

/** A bench on a database that is there already, with its time stopped. */
export function benchOf(store: Store, database: TestDatabase): StoreBench {
  const states = async () => {
    const rows = await database.query<{ id: string; state: string }>('select id, state from legwork.jobs')
    return Object.fromEntries(rows.map((row) => [row.id, row.state]))
  }
  return {
    store,
    database,
    advance: async (ms) => {
      await database.query(`update legwork.test_clock set at = at + $1 * interval '1 millisecond'`, [ms])
    },
    enqueue: async (...jobs) => (await store.enqueue(jobs.map(newJob))).map((added) => added.id),
    worker: () => StoreWorker.register(store),
    states,
    stateOf: async (id) => (await states())[id],
  }
}

/** Puts the one clock of a database under the test's control. */
export async function stopTime(database: TestDatabase): Promise<void> {
  await database.query('create table legwork.test_clock (at timestamptz not null)')
  await database.query('insert into legwork.test_clock values ($1)', [new Date(begin)])
  await database.query(
    `create or replace function legwork.now() returns timestamptz language sql stable parallel safe as 'select at from legwork.test_clock'`,
  )
}

export function newJob(rest: Partial<NewJob> = {}): NewJob {
  return {
    name: 'plain',
    input: null,
    queue: 'default',
    priority: 0,
    runAt: undefined,
    delayMs: undefined,
    key: undefined,
    unique: undefined,
    tags: [],
    headers: null,
    trace: undefined,
    options: null,
    ...rest,
  }
}

export interface ClaimChoice {
  readonly limit?: number
  readonly names?: readonly string[]
  /** Queue names in the order of preference; each with all priorities that jobs have. */
  readonly queues?: readonly string[]
  readonly floor?: number
  /** Looked for when they are not given. */
  readonly priorities?: readonly number[]
  readonly follows?: boolean
  readonly crowded?: Keys
}

/** What a worker process is to the store: an id, and numbers for its claims. */
export class StoreWorker {
  readonly id: number
  readonly #store: Store
  #batch = 0

  constructor(store: Store, id: number) {
    this.#store = store
    this.id = id
  }

  static async register(store: Store): Promise<StoreWorker> {
    const info = {
      pid: process.pid,
      host: 'here',
      process: 'test',
      names: ['job'],
      pins: [],
      version: '0',
      concurrency: 10,
      queues: undefined,
      labels: [],
    }
    return new StoreWorker(store, await store.registerWorker(info))
  }

  get lastBatch(): number {
    return this.#batch
  }

  async claim(choice: ClaimChoice = {}): Promise<ClaimedJob[]> {
    return [...(await this.claimFully(choice)).jobs]
  }

  /** Looks for the priorities first, as a worker does that knows none of them. */
  async claimFully({
    limit = 100,
    names = ['plain'],
    queues = ['default'],
    floor = 0,
    priorities: given,
    follows = false,
    crowded,
  }: ClaimChoice = {}): Promise<Claimed> {
    const known = new Map((await this.#store.queues()).map((queue) => [queue.name, queue]))
    const ids = queues.flatMap((name) => known.get(name)?.id ?? [])
    const lanes = await Promise.all(ids.map(async (queueId) => given ?? priorities(this.#store, queueId)))
    const wanted = lanes.flatMap((found, place) =>
      found.map((priority) => ({ queueId: ids[place]!, priority, floor, max: limit, follows })),
    )
    return this.#store.claim({
      slot: 0,
      workerId: this.id,
      batch: ++this.#batch,
      limit,
      lanes: wanted,
      names,
      pins: [],
      ...(crowded && { crowded }),
    })
  }

  /** Ends jobs; returns the ids that were still this claim's. */
  async end(
    jobs: readonly ClaimedJob[],
    state: Ending['state'] = 'completed',
    rest: Partial<Ending> = {},
  ): Promise<string[]> {
    const endings = jobs.map((job) => endingOf(job, state, rest))
    return [...(await this.#store.settle(this.scope(), endings, [])).ids]
  }

  async giveBack(jobs: readonly ClaimedJob[], outcome: Return['outcome'], delay = 0): Promise<string[]> {
    const returns = jobs.map((job) => ({ id: job.id, claim: job.claim, outcome, delay, error: null }))
    return [...(await this.#store.settle(this.scope(), [], returns)).ids]
  }

  scope(emptyBatches: readonly number[] = []): { slot: number; workerId: number; emptyBatches: readonly number[] } {
    return { slot: 0, workerId: this.id, emptyBatches }
  }
}

export function endingOf(job: ClaimedJob, state: Ending['state'], rest: Partial<Ending> = {}): Ending {
  return {
    id: job.id,
    claim: job.claim,
    state,
    output: null,
    error: null,
    reason: null,
    key: job.key,
    ...rest,
  }
}

/** All priorities of a queue with ready jobs, smallest first: one probe after the other, each above the last. */
async function priorities(store: Store, queueId: number): Promise<number[]> {
  const found: number[] = []
  for (let low = -32_768; ;) {
    const [lane] = await store.probeLanes(0, [{ queueId, low, high: 32_767 }])
    if (!lane) return found
    found.push((low = lane.priority))
  }
}

/** What every rescue in these tests asks; a worker silent for ten seconds is dead. */
export const rescueRequest = { rescuer: 0, lease: 10_000, limits: {}, defaultLimit: 3 } as const
