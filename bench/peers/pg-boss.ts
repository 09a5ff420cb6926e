import pg from 'pg'
import type PgBoss from 'pg-boss'
import { inputOf, type Ears, type Job, type Peer, type Session } from '../peer.ts'

const queue = 'noop'
const batchSize = 500
const workers = 4

type Worked = { name: string; id: string; data: unknown }

const common = { store: 'postgres', packages: ['pg-boss', 'pg'], features: ['priority', 'delay'] } as const

/** `work()` with four workers and the largest batch that still gains; its polling interval cannot be below half a second. */
export const peer: Peer = {
  ...common,
  name: 'pg-boss',
  settings: `work() with batchSize ${batchSize} and ${workers} workers, pollingIntervalSeconds 0.5, 20 connections`,
  open: (place) => open(place.url, workInBatches),
}

/** Its own `fetch` and `complete`, without the pause between two polls. */
export const looping: Peer = {
  ...common,
  name: 'pg-boss-fetch',
  settings: `fetch() and complete() of ${batchSize} in ${workers} loops without a pause, 20 connections`,
  open: (place) => open(place.url, fetchInLoops),
}

type Work = (boss: PgBoss, ears: Ears, signal: AbortSignal) => Promise<Promise<unknown>[]>

async function open(url: string, work: Work): Promise<Session> {
  const { default: Boss } = await import('pg-boss')
  const database = listening(url)
  const boss = new Boss({ db: database, supervise: false, schedule: false })
  boss.on('error', (error) => console.error('pg-boss:', error))
  await boss.start()
  await boss.createQueue(queue)
  const stop = new AbortController()
  let running: Promise<unknown>[] = []
  return {
    add: (one) => boss.send(queue, inputOf(one), specOf(one)),
    addMany: (jobs) => boss.insert(jobs.map((one) => ({ name: queue, data: inputOf(one), ...specOf(one) }))),
    async work(ears) {
      database.completed = (count) => ears.settled(count)
      running = await work(boss, ears, stop.signal)
    },
    async close() {
      stop.abort()
      await Promise.all(running)
      await boss.stop({ graceful: true, wait: true, timeout: 5_000 })
      await database.pool.end()
    },
  }
}

/** The driver it would use itself; the answer to its completing statement tells how many results are stored. */
function listening(url: string): Listening {
  const pool = new pg.Pool({ connectionString: url, max: 20 })
  pool.on('error', () => undefined)
  pool.on('connect', (client) => client.on('error', () => undefined))
  const database: Listening = {
    pool,
    completed: () => undefined,
    async executeSql(text, values) {
      const result = await pool.query(text, values)
      if (/completed_on = now\(\)/i.test(text) && /state = 'completed'/i.test(text)) {
        database.completed(Number((result.rows[0] as { count?: string } | undefined)?.count ?? result.rowCount))
      }
      return result
    },
  }
  return database
}

interface Listening {
  readonly pool: pg.Pool
  completed: (count: number) => void
  executeSql(text: string, values: unknown[]): Promise<pg.QueryResult>
}

async function workInBatches(boss: PgBoss, ears: Ears): Promise<Promise<unknown>[]> {
  for (let place = 0; place < workers; place++) {
    await boss.work(queue, { batchSize, pollingIntervalSeconds: 0.5 }, async (jobs: Worked[]) => startAll(jobs, ears))
  }
  return []
}

async function fetchInLoops(boss: PgBoss, ears: Ears, signal: AbortSignal): Promise<Promise<unknown>[]> {
  const loop = async () => {
    while (!signal.aborted) {
      const jobs = (await boss.fetch(queue, { batchSize })) as Worked[]
      startAll(jobs, ears)
      if (jobs.length > 0)
        await boss.complete(
          queue,
          jobs.map(({ id }) => id),
        )
      else await new Promise((resolve) => setTimeout(resolve, 2))
    }
  }
  return Array.from({ length: workers }, loop)
}

function startAll(jobs: readonly Worked[], ears: Ears): void {
  for (const { data } of jobs) ears.started((data as { n: number }).n)
}

function specOf(one: Job): { startAfter?: Date; priority?: number } {
  return {
    ...(one.delay !== undefined && { startAfter: new Date(Date.now() + one.delay) }),
    ...(one.low && { priority: -10 }),
  }
}
