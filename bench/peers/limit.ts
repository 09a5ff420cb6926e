import { connectPostgres } from '../../src/store/postgres.ts'
import { openPglite } from '../../src/store/pglite.ts'
import type { Connection } from '../../src/store/connection.ts'
import { migrate } from '../../src/store/migrate.ts'
import { claim } from '../../src/store/queries/claim.ts'
import { enqueue, type NewJob } from '../../src/store/queries/enqueue.ts'
import { finish } from '../../src/store/queries/settle.ts'
import { type Raw, type RawDatabase, rawPglite, rawPostgres, send } from '../limit/raw.ts'
import { type Ears, inputOf, type Job, type Peer, type Session } from '../peer.ts'

const batch = 500

/** The statements of src/store/queries in a bare loop: what is left when the engine costs nothing. */
export const peer: Peer = {
  name: 'limit',
  store: 'postgres',
  packages: ['pg'],
  settings: `batches of ${batch}, one connection that claims and one that settles, one that enqueues`,
  features: ['delay', 'priority'],
  async open({ url }) {
    await prepare(await connectPostgres({ url, connections: 1 }))
    return openOn(rawPostgres(url))
  },
}

export const embedded: Peer = {
  ...peer,
  name: 'limit-pglite',
  store: 'pglite',
  packages: ['@electric-sql/pglite'],
  settings: `batches of ${batch}, one session`,
  async open({ url }) {
    await prepare(await openPglite({ folder: url }))
    return openOn(await rawPglite(url))
  },
}

async function prepare(connection: Connection): Promise<void> {
  try {
    await migrate(connection)
  } finally {
    await connection.close()
  }
}

async function openOn(database: RawDatabase): Promise<Session> {
  const producing = await database.session()
  const insert = (jobs: readonly Job[]) => send(producing, (on) => enqueue(on, jobs.map(rowOf)))
  const worker = { stopped: false, running: Promise.resolve() }
  return {
    add: grouped(insert),
    addMany: insert,
    async work(ears) {
      const loop = { claiming: await database.session(), settling: await database.session(), ears, worker }
      worker.running = run(loop)
    },
    async close() {
      worker.stopped = true
      await worker.running
      await requireSettled(producing)
      await database.close()
    },
  }
}

/** Every lease has gone with its last job; otherwise this loop is out of step with the statements and its figures are worth nothing. */
async function requireSettled(raw: Raw): Promise<void> {
  const { rows } = await raw.run(
    { name: 'bench_leases', text: 'select count(*)::int from legwork.lease', repeatable: true },
    [],
  )
  if (rows[0]?.[0] !== 0) throw new Error('The limit has claimed jobs that it could not settle.')
}

/** Calls that arrive while a statement is under way share the next one. */
function grouped(insert: (jobs: readonly Job[]) => Promise<unknown>): (job: Job) => Promise<void> {
  let waiting: { job: Job; done: () => void; failed: (error: unknown) => void }[] = []
  let busy = false
  const flush = async () => {
    busy = true
    for (let group = waiting; group.length > 0; group = waiting) {
      waiting = []
      try {
        await insert(group.map(({ job }) => job))
        for (const { done } of group) done()
      } catch (error) {
        for (const { failed } of group) failed(error)
      }
      // Callers add again when their promise resolves: those of one turn belong together.
      await new Promise(setImmediate)
    }
    busy = false
  }
  return (job) =>
    new Promise((done, failed) => {
      waiting.push({ job, done, failed })
      if (!busy) void flush()
    })
}

interface Loop {
  readonly claiming: Raw
  readonly settling: Raw
  readonly ears: Ears
  readonly worker: { readonly stopped: boolean }
}

interface Batch {
  readonly number: number
  readonly ids: string[]
  readonly inputs: string[]
}

/** The next claim and the last settle are under way while handlers run. */
async function run({ claiming, settling, ears, worker }: Loop): Promise<void> {
  const next = claimer(claiming)
  let settled: Promise<unknown> = Promise.resolve()
  for (let claimed = next(); !worker.stopped;) {
    const jobs = await claimed
    claimed = next()
    await Promise.all(jobs.inputs.map(async (input) => ears.started((JSON.parse(input) as { n: number }).n)))
    await settled
    settled = jobs.ids.length > 0 ? settle(settling, jobs, ears) : new Promise((resolve) => setTimeout(resolve, 2))
    if (worker.stopped) {
      await settled
      settled = settle(settling, await claimed, ears)
    }
  }
  await settled
}

function claimer(raw: Raw): () => Promise<Batch> {
  let floor = 0
  let number = 0
  const lane = laneOf(raw)
  return async () => {
    number++
    const lanes = [{ ...(await lane), floor, max: batch }]
    const request = { slot: 0, workerId: 1, batch: number, limit: batch, lanes, names: ['bench.noop'], pins: [] }
    const { column } = await send(raw, (on) => claim(on, request))
    // the first row tells of the claim, the other of its jobs: one kind, in lists
    const ids = (column('ids')[1] as string | undefined)?.slice(1, -1).split(',') ?? []
    const inputs = (column('inputs')[1] as string | undefined)?.split('\n') ?? []
    // these jobs run once, so that their seq is that of their id
    for (const id of ids) floor = Math.max(floor, Math.floor(Number(id) / 256))
    return { number, ids, inputs }
  }
}

async function laneOf(raw: Raw): Promise<{ queueId: number; priority: number }> {
  const text = `select id from legwork.queue where name = 'default'`
  for (;;) {
    const { rows } = await raw.run({ name: 'bench_queue', text, repeatable: true }, [])
    if (rows[0]) return { queueId: rows[0][0] as number, priority: 0 }
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

async function settle(raw: Raw, { number, ids }: Batch, ears: Ears): Promise<void> {
  const completed = { state: 'completed', output: null, error: null, reason: null } as const
  const endings = ids.map((id) => ({ id, claim: 1, ...completed }))
  await send(raw, (on) => finish(on, { slot: 0, workerId: 1, emptyBatches: [number] }, endings))
  ears.settled(ids.length)
}

function rowOf(job: Job): NewJob {
  return {
    name: 'bench.noop',
    input: JSON.stringify(inputOf(job)),
    queue: 'default',
    priority: job.low ? 10 : 0,
    runAt: undefined,
    delayMs: job.delay,
    key: job.key,
    unique: undefined,
    tags: [],
    headers: null,
    trace: undefined,
    options: null,
  }
}
