import { type Queryable, repeatable } from '../connection.ts'
import type { LaneName } from './lanes.ts'

/*
 * Which job holds a key stands in key_holder. `waiting` says that a job may have been set aside for it; every claim that sets
 * one aside says so in the same statement. A row without a job is a mark: the key is free and its line has to be looked at.
 * Whoever frees a key that is waited for leaves a mark, in the same commit, and the next transaction hands the key over. Should
 * that never come, the sweep finds the mark.
 */

/** Keys by name of the job and text, in two lists of the same length. */
export interface Keys {
  readonly names: readonly string[]
  readonly keys: readonly string[]
}

/** In the order of the primary key, as everywhere. A hand-over that a crash undoes leaves the mark: no commit waits for the disk. */
const lockMarks = repeatable(
  'lw_keys_lock',
  `select set_config('synchronous_commit', 'off', true) from legwork.key_holder k
    where k.slot = $1::smallint and k.job_id is null and k.key = any($3::text[]) and ((k.name, k.key) in (select * from unnest($2::text[], $3::text[]))) is true
    order by k.key, k.name for update`,
)

/** Claims that take a marked key at this moment are not waited for. */
const findMarks = repeatable(
  'lw_keys_find',
  `with free as materialized (
    select name, key from legwork.key_holder where slot = $1::smallint and job_id is null order by name, key limit 500 for update skip locked
  )
  select array_agg(name) as names, array_agg(key) as keys from free having count(*) > 0`,
)

/*
 * Gives each marked key to the first in line and makes that job ready, if it was set aside. A key without a line goes. What
 * stands in line is read by a snapshot that is newer than the lock on the marks: no claim sets a job aside unseen.
 * The job is locked while it is given the key, so that nothing ends it unseen. One that somebody else has is not waited for:
 * it may be in the hands of a claim that waits for the key. Then the mark stays, for that claim or the sweep.
 */
const handStatement = repeatable(
  'lw_keys_hand_over',
  `with gone as (
    delete from legwork.key_holder k
     where k.slot = $1::smallint and k.job_id is null and k.key = any($3::text[]) and ((k.name, k.key) in (select * from unnest($2::text[], $3::text[]))) is true
     returning k.name, k.key
  ), line as materialized (
    select g.name, g.key, h.id, h.state from gone g cross join lateral (
      select e.id, e.state from legwork.job e
       where e.slot = $1::smallint and e.name = g.name and e.key = g.key and (e.state = 2 or (e.state = 3 and e.worker_id is null))
       order by e.line limit 1) h
  ), next as materialized (
    select j.id from legwork.job j
     where j.slot = $1::smallint and j.id = any(array(select id from line)) and (j.state = 2 or (j.state = 3 and j.worker_id is null))
       and ((j.id, j.name, j.key) in (select id, name, key from line)) is true
     order by j.id for update skip locked
  ), held as (
    insert into legwork.key_holder (slot, name, key, job_id, waiting)
      select $1::smallint, l.name, l.key, case when (l.id in (select id from next)) is true then l.id end, true from line l
  ), freed as (
    update legwork.job j set state = 3, seq = nextval('legwork.job_seq')
     where j.slot = $1::smallint and j.state = 2 and j.id = any(array(select id from next))
     returning j.queue_id, j.name, j.priority
  ), counted as (
    insert into legwork.tally (queue_id, name, state, n)
      select queue_id, name, s.state, s.sign * count(*) from freed, (values (2, -1), (3, 1)) s(state, sign) group by queue_id, name, s.state, s.sign
  )
  select distinct queue_id, priority from freed`,
)

/** A key of which nothing runs, because the job that holds it has failed for good. */
export interface BlockedKey {
  /** The name of the jobs that have it. */
  readonly name: string
  readonly key: string
  /** The job that failed. */
  readonly job: string
  readonly since: Date
  /** Jobs that could run but for this. */
  readonly waiting: number
}

/* Jobs that have just ended keep their keys: their rows in key_holder stay, so that no claim gets past them. */
const blockStatement = repeatable(
  'lw_keys_block',
  `update legwork.key_holder k set blocked_at = legwork.now()
    where k.slot = $1::smallint and k.key = any($3::text[]) and (k.job_id in (select unnest($2::bigint[]))) is true`,
)

/* Jobs that have just been given back leave their keys, and go to the end of their lines. One that is to be cancelled keeps its place. */
const yieldStatement = repeatable(
  'lw_keys_yield',
  `with last as (
    update legwork.job j set line = j.seq
     where j.slot = $1::smallint and j.id = any($2::bigint[]) and j.worker_id is null and j.cancel_at is null returning j.id
  ), freed as (
    update legwork.key_holder k set job_id = null
     where k.slot = $1::smallint and k.key = any($3::text[]) and (k.job_id in (select id from last)) is true returning k.name, k.key
  )
  select array_agg(name) as names, array_agg(key) as keys from freed having count(*) > 0`,
)

const unblockStatement = repeatable(
  'lw_keys_unblock',
  `update legwork.key_holder k set job_id = null, blocked_at = null
    where k.slot = $1::smallint and k.key = $3::text and k.name = $2::text and k.blocked_at is not null returning k.key`,
)

const blockedStatement = repeatable(
  'lw_keys_blocked',
  `select k.name, k.key, k.job_id::text as job, k.blocked_at as since,
          (select count(*)::int from legwork.job j
            where j.slot = $1::smallint and j.name = k.name and j.key = k.key and (j.state = 2 or (j.state = 3 and j.worker_id is null))) as waiting
     from legwork.key_holder k
    where k.slot = $1::smallint and k.blocked_at is not null and ($2::text is null or k.name = $2::text) order by k.blocked_at limit 1000`,
)

/** Jobs that have ended in this transaction keep their keys. */
export async function blockKeys(
  tx: Queryable,
  slot: number,
  jobs: readonly { readonly id: string; readonly key?: string | undefined }[],
): Promise<void> {
  await tx.query(blockStatement, [slot, jobs.map(({ id }) => id), jobs.map(({ key }) => key ?? null)])
}

/** Jobs that were given back in this transaction let those behind them go first. */
export async function yieldKeys(
  tx: Queryable,
  slot: number,
  jobs: readonly { readonly id: string; readonly yields?: string | undefined }[],
): Promise<LaneName[]> {
  const ids = jobs.map(({ id }) => id)
  const texts = jobs.map((job) => job.yields ?? null)
  const [freed] = await tx.query<{ names: string[]; keys: string[] }>(yieldStatement, [slot, ids, texts])
  return freed ? handOn(tx, slot, freed) : []
}

/** Lets the next in line of a blocked key go; undefined when it was not blocked. Call it in a transaction. */
export async function unblockKey(
  tx: Queryable,
  slot: number,
  name: string,
  key: string,
): Promise<LaneName[] | undefined> {
  const rows = await tx.query(unblockStatement, [slot, name, key])
  return rows.length > 0 ? handOn(tx, slot, { names: [name], keys: [key] }) : undefined
}

/** The blocked keys of a job name, or all, at most 1,000; the oldest first. */
export function blockedKeys(on: Queryable, slot: number, name: string | undefined): Promise<BlockedKey[]> {
  return on.query<BlockedKey & Record<string, unknown>>(blockedStatement, [slot, name ?? null])
}

/** Hands marked keys over; call it in a transaction. */
export async function handOver(tx: Queryable, slot: number, { names, keys }: Keys): Promise<LaneName[]> {
  await tx.query(lockMarks, [slot, names, keys])
  return handOn(tx, slot, { names, keys })
}

/** The same for keys whose marks this transaction has locked, or made, before. */
export async function handOn(tx: Queryable, slot: number, { names, keys }: Keys): Promise<LaneName[]> {
  const rows = await tx.query<{ queue_id: number; priority: number }>(handStatement, [slot, names, keys])
  return rows.map((row) => ({ queueId: row.queue_id, priority: row.priority }))
}

/** Hands over the keys whose marks were left behind; call it in a transaction. */
export async function sweepKeys(tx: Queryable, slot: number): Promise<LaneName[]> {
  const [found] = await tx.query<{ names: string[]; keys: string[] }>(findMarks, [slot])
  return found ? handOn(tx, slot, found) : []
}
