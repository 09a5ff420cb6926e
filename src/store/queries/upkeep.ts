import { type Connection, type Queryable, repeatable } from '../connection.ts'

const foldStatement = repeatable(
  'lw_fold',
  `with gone as (
    delete from legwork.tally where ctid = any(array(select ctid from legwork.tally limit 20000 for update skip locked)) returning queue_id, name, state, n
  )
  insert into legwork.count as c (queue_id, name, state, n)
    select queue_id, name, state, sum(n) from gone group by 1, 2, 3 order by 1, 2, 3
    on conflict (queue_id, name, state) do update set n = c.n + excluded.n`,
)

const addPartitions = repeatable(
  'lw_partitions_add',
  `select legwork.add_partition('finished_done', legwork.now() + d * interval '1 day', 1) from generate_series(0, 2) d
   union all
   select legwork.add_partition(parent, legwork.now() + d * interval '7 days', 7)
     from unnest(array['finished_dead', 'attempt', 'feed']) parent, generate_series(0, 1) d`,
)

const listPartitions = repeatable(
  'lw_partitions_list',
  `select p.relname as parent, c.relname as name,
          substring(pg_get_expr(c.relpartbound, c.oid) from $re$TO \\('([^']+)'\\)$re$)::timestamptz as until
     from pg_inherits i join pg_class c on c.oid = i.inhrelid join pg_class p on p.oid = i.inhparent
     join pg_namespace n on n.oid = p.relnamespace
    where n.nspname = 'legwork' and p.relname = any($1::text[]) order by 3 nulls last`,
)

/** The lock that legwork.add_partition takes: processes make and drop partitions one after the other. */
const partitionLock = repeatable('lw_partition_lock', 'select pg_advisory_xact_lock(6235701202)')
const partitionThere = repeatable('lw_partition_there', 'select to_regclass($1) is not null as found')

/** History before this moment belongs to no job that is still alive. */
const oldestLive = repeatable(
  'lw_oldest_live',
  `select least(legwork.now(), (select created_at from legwork.job where slot = $1::smallint order by id limit 1)) as at, legwork.now() as now`,
)

const countPartition = (table: string) => ({
  name: '',
  repeatable: true,
  text: `insert into legwork.tally (queue_id, name, state, n) select queue_id, name, legwork.counted_as(state, error), -count(*) from legwork.${table} group by 1, 2, 3`,
})

const forgetStatement = (table: 'step' | 'signal') =>
  repeatable(
    `lw_forget_${table}`,
    `delete from legwork.${table} r where r.slot = $1::smallint and r.job_id = any(array(
       select o.id from (
         select distinct job_id as id from legwork.${table} where slot = $1::smallint and at < legwork.now() - interval '1 hour') o
        where not exists (select from legwork.job j where j.slot = $1::smallint and j.id = o.id)
          and not exists (select from legwork.finished f where f.slot = $1::smallint and f.id = o.id)
        limit 10000))`,
  )
const forgetSteps = forgetStatement('step')
const forgetSignals = forgetStatement('signal')

/** A text that stands for nothing any more: its period is over, and of an idempotency key the job is forgotten. */
const forgetReservations = repeatable(
  'lw_forget_reservations',
  `delete from legwork.reservation r where r.slot = $1::smallint and (r.name, r.kind, r.text) in (
     select o.name, o.kind, o.text from legwork.reservation o
      where o.slot = $1::smallint and (o.until is null or o.until < legwork.now()) and (o.kind = 1 or (o.at < legwork.now() - interval '1 hour'
        and not exists (select from legwork.job j where j.slot = (o.job_id & 255)::smallint and j.id = o.job_id)
        and not exists (select from legwork.finished f where f.slot = (o.job_id & 255)::smallint and f.id = o.job_id)))
      order by o.name, o.kind, o.text limit 10000)
     and (r.until is null or r.until < legwork.now())`,
)

/** A day later than they expire: the clocks of the processes that read tokens may differ. */
const forgetUsedTokens = repeatable(
  'lw_forget_tokens',
  `delete from legwork.used_token u where u.slot = $1::smallint and u.ctid = any(array(
     select o.ctid from legwork.used_token o where o.slot = $1::smallint and o.expires_at < legwork.now() - interval '1 day'
      order by o.expires_at limit 10000))`,
)

const forgetOldFloors = repeatable(
  'lw_forget_floors',
  `delete from legwork.floor f where f.slot = $1::smallint and exists (
     select from legwork.floor n
      where n.slot = $1::smallint and n.queue_id = f.queue_id and n.priority = f.priority and n.crew = f.crew and n.seq > f.seq)`,
)

const pruneDefault = (parent: 'finished_done' | 'finished_dead') =>
  repeatable(
    `lw_prune_${parent}`,
    `with gone as (
      delete from legwork.${parent}_default
       where ctid = any(array(select ctid from legwork.${parent}_default where finished_at < $1 limit 5000)) returning queue_id, name, legwork.counted_as(state, error) as state
    ), counted as (
      insert into legwork.tally (queue_id, name, state, n) select queue_id, name, state, -count(*) from gone group by 1, 2, 3
    ) select count(*)::int as n from gone`,
  )

const pruneDetails = (parent: 'attempt' | 'feed') =>
  repeatable(
    `lw_prune_${parent}`,
    `with gone as (
      delete from legwork.${parent}_default
       where ctid = any(array(select ctid from legwork.${parent}_default where at < $1 limit 5000)) returning 1
    ) select count(*)::int as n from gone`,
  )

const pruneCount = repeatable(
  'lw_prune_count',
  `with gone as (
    delete from legwork.finished_done f
     where f.slot = $1::smallint and f.id = any(array(
       select id from legwork.finished_done where slot = $1::smallint order by id desc offset $2 limit 5000))
     returning f.queue_id, f.name, legwork.counted_as(f.state, f.error) as state
  ), counted as (
    insert into legwork.tally (queue_id, name, state, n) select queue_id, name, state, -count(*) from gone group by 1, 2, 3
  ) select count(*)::int as n from gone`,
)

/** Adds up the counter rows. */
export async function foldCounters(on: Queryable): Promise<void> {
  await on.query(foldStatement, [])
}

/** Forgets the steps, signals and idempotency keys of jobs that are not even in history any more. */
export async function forgetOrphans(on: Queryable, slot: number): Promise<void> {
  await on.query(forgetSteps, [slot])
  await on.query(forgetSignals, [slot])
  await on.query(forgetReservations, [slot])
}

/** Forgets the uses of tokens that have expired. */
export async function forgetTokens(on: Queryable, slot: number): Promise<void> {
  await on.query(forgetUsedTokens, [slot])
}

/** Forgets how far workers had got once, but for the last. */
export async function forgetFloors(on: Queryable, slot: number): Promise<void> {
  await on.query(forgetOldFloors, [slot])
}

/** Makes the partitions of the next days. */
export async function extendPartitions(on: Queryable): Promise<void> {
  await on.query(addPartitions, [])
}

export interface Retention {
  /** Milliseconds that completed and cancelled jobs are kept. */
  readonly done: number
  /** Milliseconds that dead letters are kept. */
  readonly dead: number
  /** How many completed and cancelled jobs are kept at most. */
  readonly count: number | undefined
}

/** Drops or empties history that is older than the retention says. Returns how much went. */
export async function prune(
  on: Connection,
  slots: readonly number[],
  retention: Retention,
): Promise<{ partitions: number; rows: number }> {
  const [edge] = await on.query<{ at: Date; now: Date }>(oldestLive, [slots[0] ?? 0])
  const now = (edge?.now ?? new Date(0)).getTime()
  const limits = {
    finished_done: now - retention.done,
    finished_dead: now - retention.dead,
    // attempts and feed belong to jobs of either kind, and to live ones
    attempt: Math.min(now - Math.max(retention.done, retention.dead), edge?.at.getTime() ?? 0),
    feed: Math.min(now - Math.max(retention.done, retention.dead), edge?.at.getTime() ?? 0),
  }
  const partitions = await dropPartitions(on, limits)
  let rows = await drain(on, pruneDefault('finished_done'), [new Date(limits.finished_done)])
  rows += await drain(on, pruneDefault('finished_dead'), [new Date(limits.finished_dead)])
  for (const parent of ['attempt', 'feed'] as const) await drain(on, pruneDetails(parent), [new Date(limits[parent])])
  if (retention.count !== undefined)
    for (const slot of slots) rows += await drain(on, pruneCount, [slot, retention.count])
  return { partitions, rows }
}

async function dropPartitions(on: Connection, limits: Readonly<Record<string, number>>): Promise<number> {
  const rows = await on.query<{ parent: string; name: string; until: Date | null }>(listPartitions, [
    Object.keys(limits),
  ])
  const old = rows.filter((row) => row.until !== null && row.until.getTime() <= (limits[row.parent] ?? 0))
  let dropped = 0
  for (const { parent, name } of old) {
    dropped += await on.transaction((tx) => dropPartition(tx, parent, name))
  }
  return dropped
}

async function dropPartition(tx: Queryable, parent: string, name: string): Promise<number> {
  await tx.query(partitionLock, [])
  const [there] = await tx.query<{ found: boolean }>(partitionThere, [`legwork.${name}`])
  if (!there?.found) return 0 // another process has dropped it meanwhile
  await tx.script("set local lock_timeout = '2s'")
  if (parent.startsWith('finished')) await tx.query(countPartition(name), [])
  await tx.script(`drop table legwork.${name}`)
  return 1
}

/** Deletes in short statements, at most a million rows a call. */
async function drain(
  on: Queryable,
  statement: ReturnType<typeof repeatable>,
  params: readonly unknown[],
): Promise<number> {
  let total = 0
  for (let round = 0; round < 200; round++) {
    const [row] = await on.query<{ n: number }>(statement, params)
    total += row?.n ?? 0
    if ((row?.n ?? 0) < 5000) break
  }
  return total
}
