import { expect, onTestFinished, test } from 'vitest'
import { planDue, type PlanParts, unchanged } from '../../../src/schedule/plan.ts'
import type { Standing } from '../../../src/store/scheduling.ts'
import { createStore } from '../../../src/store/sql-store.ts'
import { freshDatabase, type TestDatabase } from '../../support/database.ts'
import type { ClaimedJob } from '../../../src/store/queries/claimed-job.ts'
import type { JobRecord } from '../../../src/store/queries/find.ts'
import { benchOf, newJob, type StoreBench } from '../support.ts'
import { type Explained, ExplainingConnection } from './explained.ts'

/** Jobs a statement of these tests is about. */
const batch = 50

/** Tables that grow with the work; none of them may ever be read from end to end. */
const growing =
  /^(job|key_holder|permit|queued_for|step|signal|attempt|feed|finished|batch|member|schedule|firing|floor)/

/** What an ending has beside its state. */
const nothing = { output: null, error: null, reason: null }

const names = ['plain', 'keyed', 'delayed', 'unique']

/** Rows that a statement may read for each that it is about, where it is more: three moments of a window, counted up to 256. */
const each = new Map([['lw_schedule_loads', 3 * 256]])

/** Sets of jobs that other jobs wait for, over and ended long ago. */
const sets = 2_000

const histories: readonly [string, (database: TestDatabase) => Promise<void>][] = [
  ['were never analyzed', (database) => fill(database, 20_000)],
  [
    'were analyzed when they were empty',
    async (database) => {
      await analyze(database)
      await fill(database, 20_000)
    },
  ],
  [
    'were analyzed when they had one row',
    async (database) => {
      await fill(database, 1)
      await analyze(database)
      await fill(database, 20_000)
    },
  ],
  [
    'are big and were analyzed',
    async (database) => {
      await fill(database, 50_000)
      await analyze(database)
    },
  ],
]

test.each(histories)(
  'statements read no more than they are about on tables that %s',
  { timeout: 60_000 },
  async (_, prepare) => {
    expect(await everyStatement(prepare)).toBeGreaterThan(25)
  },
)

/** Runs every hot statement on filled tables and holds its plan against the rules. */
async function everyStatement(prepare: (database: TestDatabase) => Promise<void>): Promise<number> {
  const database = await freshDatabase()
  if (database.kind !== 'postgres') throw new Error('This needs a server.')
  for (const table of [
    'job',
    'key_holder',
    'lease',
    'tally',
    'finished_done_default',
    'finished_dead_default',
    'schedule',
    'firing',
  ])
    await database.query(`alter table legwork.${table} set (autovacuum_enabled = off)`)
  await prepare(database)
  const connection = await ExplainingConnection.connect(database.url)
  onTestFinished(() => connection.close())
  const bench = benchOf(createStore(connection), database)
  await useEverything(bench, connection)
  return connection.count
}

async function useEverything(bench: StoreBench, connection: ExplainingConnection): Promise<void> {
  const { store, worker, enqueue } = bench
  const [one, two] = [await worker(), await worker()]
  connection.take()
  const some = async (what: string, work: () => Promise<unknown>, most = batch) => {
    await work()
    for (const explained of connection.take()) {
      check(what, explained, most)
      if (explained.name === 'lw_schedule_loads') expect(indexes(explained)).toContain('schedule_due')
    }
  }
  // Some of them are set aside, because a job with their key goes first.
  const jobs = (await one.claim({ limit: 2 * batch, names, priorities: [0] })).slice(0, batch)
  for (const explained of connection.take()) {
    check('claim', explained, 2 * batch)
    if (explained.name.startsWith('lw_claim')) expect(indexes(explained), 'the ready scan').toContain('job_ready')
  }
  expect(jobs.filter((job) => job.key !== undefined).length).toBeGreaterThan(0)
  const held = jobs.map(({ id, claim }) => ({ id, claim }))
  await some('lookAfter', () => store.lookAfter(0, one.id, held))
  await some('feed', () =>
    store.appendFeed(
      0,
      held.map((job) => ({ ...job, kind: 'progress', data: '1' })),
    ),
  )
  await some('settle', () => one.end(jobs.slice(0, 30)))
  await some('die', () => one.end(jobs.slice(30, 35), 'dead'))
  await some('return', () => one.giveBack(jobs.slice(35, 40), 'retry', 5))
  await some('release', () => one.giveBack(jobs.slice(40, 45), 'released'))
  await some('strays', () => store.returnStrays(one.id, [one.lastBatch]))
  await some('probe', () => store.probeLanes(0, [{ queueId: 1, low: -100, high: 0 }]))
  await some('ages', () => store.laneAges(0, [{ queueId: 1, priority: 0, floor: 0 }], names))
  await some('stage', () => store.stage(0, batch))
  await some('nextDue', () => store.nextDue(0))
  const lane = { queueId: 1, priority: 0, floor: 0 }
  const ones = { names: ['keyed'], keys: [jobs.find((job) => job.key)?.key ?? ''] }
  await some('set aside', () => store.setAside({ slot: 0, lanes: [lane], keys: ones, most: 5 * batch }))
  await some('claim beside others', () =>
    two.claim({ limit: batch, names: ['plain'], priorities: [0], follows: true, crowded: ones }),
  )
  await some('claim where they have got to', () =>
    one.claim({ limit: batch, names: ['plain'], priorities: [0], follows: true, crowded: ones }),
  )
  await some('claim keyed', () => two.claim({ limit: batch, names: ['keyed'], priorities: [0] }), 8 * batch)
  await some('rescue', () => store.rescue({ rescuer: one.id, lease: -1, limits: {}, defaultLimit: 9 }))
  await some('sweep', () => store.sweep(0))
  await some('find', () => store.find(jobs[0]!.id))
  await some('attempts', () => store.attempts(jobs[30]!.id))
  await some('readFeed', () => store.readFeed(jobs[0]!.id, { claim: 0, seq: '0' }, 10))
  await some('ended', () => store.ended(jobs.map((job) => job.id)))
  await some('cancel', () => store.cancel(jobs[44]!.id, 'no'))
  await some('redrive', () => store.redrive(jobs.slice(30, 35).map((job) => job.id)))
  await some('enqueue', () =>
    enqueue(...Array.from({ length: batch }, (_, n) => ({ name: 'unique', unique: `u${n}` }))),
  )
  await enqueue(...Array.from({ length: batch }, () => ({ name: 'late', options: '{"startBy": 1}' })))
  await some('expire', () => store.expire(0, one.id, batch))
  await store.setRule('bound', 'bounded', { depth: batch, whenFull: 'shed' }, undefined)
  await enqueue(...Array.from({ length: batch }, () => ({ name: 'plain', queue: 'bounded' })))
  await some('shed', () => enqueue({ name: 'plain', queue: 'bounded' }))
  await some('list', () => store.list({ limit: batch }))
  await useKeys(bench, some)
  await useLimits(bench, connection, some)
  await useFamilies(bench, some)
  await useSchedules(bench, connection, some)
}

/** Jobs that keep their keys when they fail, and jobs that yield them. */
async function useKeys({ store, worker, enqueue }: StoreBench, some: Some): Promise<void> {
  const one = await worker()
  await enqueue(...Array.from({ length: 2 * batch }, (_, n) => ({ name: 'row', queue: 'keys', key: `r${n % batch}` })))
  const jobs = await one.claim({ limit: 2 * batch, names: ['row'], queues: ['keys'], priorities: [0] })
  expect(jobs).toHaveLength(batch)
  const scope = { slot: 0, workerId: one.id, emptyBatches: [] }
  const endings = jobs
    .slice(0, 30)
    .map(({ id, claim, key }) => ({ ...nothing, id, claim, key, state: 'dead' as const, keepsKey: true }))
  await some('block', () => store.settle(scope, endings, []))
  const returns = jobs
    .slice(30)
    .map(({ id, claim, key }) => ({ id, claim, error: null, outcome: 'retry' as const, delay: 5, yields: key }))
  await some('yield', () => store.settle(scope, [], returns))
  await some('blocked', () => store.blockedKeys('row'))
  expect(await store.blockedKeys('row')).toHaveLength(30)
  await some('unblock', () => store.unblockKey('row', jobs[0]!.key ?? '', undefined))
}

/** Jobs with a limit: as many as may run at once, with a long line behind them. */
async function useLimits(
  { store, worker, enqueue }: StoreBench,
  connection: ExplainingConnection,
  some: Some,
): Promise<void> {
  const one = await worker()
  const ask = { name: 'few', instance: '', cost: 1, share: null, weight: 1 }
  // As a worker's: what older transactions keep of the rows before it is not walked over.
  let floor = 0
  const admit = async (limit: number) => {
    const jobs = await one.claim({ limit, names: ['limited'], queues: ['limits'], priorities: [0], floor })
    floor = Math.max(floor, ...jobs.map((job) => job.seq))
    const asking = jobs.map(({ id, claim }) => ({ id, claim, asks: [ask] }))
    const { ids } = await store.admit({ slot: 0, workerId: one.id, batch: one.lastBatch, alone: true, jobs: asking })
    return jobs.filter(({ id }) => ids.has(id))
  }
  await store.setRule('limit', 'few', { running: batch }, undefined)
  for (let n = 0; n < 5; n++)
    await some(
      'enqueue for the line',
      () => enqueue(...Array.from({ length: 1_000 }, () => ({ name: 'limited', queue: 'limits' }))),
      1_000,
    )
  let running: ClaimedJob[] = []
  await some('admit', async () => void (running = await admit(batch)))
  expect(running).toHaveLength(batch)
  for (let n = 0; n < 5; n++) await some('put many aside', () => admit(1_000), 1_000)
  await enqueue(...Array.from({ length: batch }, () => ({ name: 'limited', queue: 'limits' })))
  connection.take()
  await some('put aside', () => admit(batch))
  await some('hand places on', () => one.end(running, 'completed', { limited: true }))
  await some('admit those that were called', async () => void (running = await admit(batch)))
  expect(running).toHaveLength(batch)
}

/** Children of a parent that runs, and a job that comes after all of them. */
async function useFamilies({ store, worker, enqueue }: StoreBench, some: Some): Promise<void> {
  const one = await worker()
  await enqueue({ name: 'parent', queue: 'family' })
  const [parent] = await one.claim({ limit: 1, names: ['parent'], queues: ['family'], priorities: [0] })
  const { id, claim } = parent!
  const rows = Array.from({ length: batch }, () => newJob({ name: 'child', queue: 'family' }))
  const plan = { step: 'run', kind: 'run' as const, place: 1, rows, atOnce: batch - 10, detached: false }
  let set: string | undefined
  await some(
    'startChildren',
    async () => (set = await store.startChildren(one.id, { id, slot: 0, claim }, plan)),
    3 * batch,
  )
  const ids = (await store.members(set!, 0, batch)).map(({ job }) => job)
  await some('come after', () => store.enqueue([newJob({ name: 'last', after: { ids, policy: 'run' } })]))
  const claimed = await one.claim({ limit: batch, names: ['child'], queues: ['family'], priorities: [0] })
  expect(claimed).toHaveLength(batch - 10)
  await some('open batches', () => store.openBatches(id))
  await some('why', () => store.whyWaiting({ id, state: 'waiting', queue: 'default', name: 'parent' } as JobRecord))
  await some('tell', () => one.end(claimed), 3 * batch)
  const rest = await one.claim({ limit: batch, names: ['child'], queues: ['family'], priorities: [0] })
  await some('tell the last', () => one.end(rest))
  await some('batch', () => store.batch(set!))
  await some('children', () => store.children(id, { batch: '0', place: 0 }, batch))
  expect(await store.batch(set!)).toMatchObject({ pending: 0 })
}

/** A few of many schedules are due, and their last runs are known. */
async function useSchedules({ store }: StoreBench, connection: ExplainingConnection, some: Some): Promise<void> {
  const ids = Array.from({ length: batch }, (_, n) => `s${n + 1}`)
  await connection.script(`update legwork.schedule set due_at = date_trunc('hour', legwork.now()), next_at = date_trunc('hour', legwork.now()),
    live = array[-256, -512] where id in (${ids.map((id) => `'${id}'`).join()})`)
  connection.take()
  const plans: PlanParts = { makerOf: () => undefined }
  const plan = (due: readonly Standing[], now: Date) => Promise.all(due.map(async (one) => planDue(one, now, plans)))
  await some('fire', async () => {
    expect((await store.fireDue({ own: [], most: batch }, plan)).carried.fired).toHaveLength(batch - 1) // the last runs of one have failed
  })
  await some('next schedule', () => store.nextDueSchedule([]))
  await some('fire one', () => store.fireOne('s1', async ({ row }) => unchanged(row)))
  await some('see', () => store.seeSchedules(ids))
  await some('firings', () => store.firings('s1', undefined, batch))
  await some('last success', () => store.lastSuccess('s1'))
}

type Some = (what: string, work: () => Promise<unknown>, most?: number) => Promise<void>

/** No growing table is read from end to end or sorted, and what is read belongs to the batch. */
function check(what: string, explained: Explained, most: number): void {
  const text = `${what} (${explained.name || 'unnamed'})`
  const whole = explained.nodes.filter(
    (node) => node['Node Type'] === 'Seq Scan' && growing.test(node['Relation Name'] ?? ''),
  )
  // A partition that is empty costs nothing to read.
  const costly = whole.filter((node) => (node['Actual Rows'] ?? 0) + (node['Rows Removed by Filter'] ?? 0) > 0)
  expect(
    costly.map((node) => node['Relation Name']),
    `${text} reads whole tables`,
  ).toEqual([])
  for (const [table, rows] of explained.read)
    if (growing.test(table))
      expect(rows, `rows of ${table} that ${text} has read`).toBeLessThanOrEqual((each.get(explained.name) ?? 6) * most)
  expect(explained.buffers, `pages that ${text} has touched`).toBeLessThan(300 + 60 * most)
}

function indexes({ nodes }: Explained): (string | undefined)[] {
  return nodes.map((node) => node['Index Name'])
}

/** Ready, keyed, delayed and unique jobs mixed, and as many finished ones. Keys come in groups of eight. */
async function fill(database: TestDatabase, count: number): Promise<void> {
  await database.query(
    `select count(*) from legwork.enqueue_many((
       select jsonb_agg(case n % 5 when 0 then jsonb_build_object('name', 'keyed', 'key', 'k' || (n / 40))
                when 1 then jsonb_build_object('name', 'delayed', 'delayMs', 1)
                when 2 then jsonb_build_object('name', 'unique', 'unique', 'u' || n)
                else jsonb_build_object('name', 'plain', 'tags', jsonb_build_array('t' || n % 10)) end order by n)
         from generate_series(1, $1::int) n))`,
    [count],
  )
  await database.query(
    `insert into legwork.finished (id, created_at, queue_id, claim, slot, priority, state, attempt, crashes, name)
       select -n * 256, now(), 1, 1, 0, 0, case when n % 50 = 0 then 11 else 10 end, 1, 0, 'plain'
         from (select count(*) as old from legwork.finished) f, generate_series(f.old + 1, f.old + $1::int) n`,
    [count],
  )
  await database.query(
    `with added as (
       insert into legwork.batch (id, slot, kind, waiter, step, total, pending, begun)
         select nextval('legwork.batch_seq') << 8, 0, 1, -n * 256, 's', 8, 0, 8 from generate_series(1, least($1::int, ${sets})) n returning id, waiter)
     insert into legwork.member (slot, job_id, batch_id, place, state) select 0, waiter - m * 256, id, m, 10 from added, generate_series(1, 8) m
     on conflict do nothing`,
    [count],
  )
  const common = { overlap: 'skip', overlapScope: 'schedule', bufferLimit: 100, catchUp: 'last' }
  const policy = { ...common, pauseAfterFailures: 3, window: 1_800_000 }
  await database.query(
    `insert into legwork.schedule (id, origin, zone_data, next_at, due_at, spec, policy, job)
       select 's' || n, 'code', '2026a', next, next + n % 86400 * interval '1 second',
              '{"cron": "0 * * * *"}', '${JSON.stringify(policy)}', '{"name": "plain", "queue": "default", "priority": 0, "tags": []}'
         from generate_series(1, $1::int) n, (select date_trunc('hour', legwork.now()) + interval '1 hour' as next) h on conflict do nothing`,
    [count],
  )
  await database.query(
    `insert into legwork.firing (schedule, nominal, outcome, job_id)
       select 's' || n % 1000 + 1, legwork.now() - n * interval '1 hour', 1, -n * 256 from generate_series(1, $1::int) n on conflict do nothing`,
    [count],
  )
}

async function analyze(database: TestDatabase): Promise<void> {
  await database.query('vacuum analyze')
}
