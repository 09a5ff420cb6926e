import { once, type Queryable, repeatable, type Statement } from '../connection.ts'
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

export const noKeys: Keys = { names: [], keys: [] }

/** Claims that take a marked key at this moment are not waited for. */
const findMarks = repeatable(
  'lw_keys_find',
  `with free as materialized (
    select name, key from legwork.key_holder where slot = $1::smallint and job_id is null order by name, key limit 500 for update skip locked
  )
  select array_agg(name) as names, array_agg(key) as keys from free having count(*) > 0`,
)

const handOnStatement = repeatable(
  'lw_keys_hand_on',
  'select queue_id, priority from legwork.hand_on($1::smallint, $2::text[], $3::text[])',
)

const handOverStatement = repeatable(
  'lw_keys_hand_over',
  'select queue_id, priority from legwork.hand_over($1::smallint, $2::text[], $3::text[])',
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

const unblockStatement = once(
  'lw_keys_unblock',
  'select legwork.unblock_key($1::text, $2::text, $3::text) as unblocked',
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

/** Lets the next in line of a blocked key go; false when it was not blocked. */
export async function unblockKey(on: Queryable, name: string, key: string, by: string | undefined): Promise<boolean> {
  const [row] = await on.query<{ unblocked: boolean }>(unblockStatement, [name, key, by ?? null])
  return row?.unblocked === true
}

/** The blocked keys of a job name, or all, at most 1,000; the oldest first. */
export function blockedKeys(on: Queryable, slot: number, name: string | undefined): Promise<BlockedKey[]> {
  return on.query<BlockedKey & Record<string, unknown>>(blockedStatement, [slot, name ?? null])
}

/** Hands keys over whose marks somebody has left; a transaction of its own. */
export function handOver(on: Queryable, slot: number, keys: Keys): Promise<LaneName[]> {
  return handed(on, handOverStatement, slot, keys)
}

/** The same for keys whose marks this transaction has locked, or made, before. */
export function handOn(tx: Queryable, slot: number, keys: Keys): Promise<LaneName[]> {
  return handed(tx, handOnStatement, slot, keys)
}

/** Hands over the keys whose marks were left behind; call it in a transaction. */
export async function sweepKeys(tx: Queryable, slot: number): Promise<LaneName[]> {
  const [found] = await tx.query<{ names: string[]; keys: string[] }>(findMarks, [slot])
  return found ? handOn(tx, slot, found) : []
}

async function handed(on: Queryable, statement: Statement, slot: number, { names, keys }: Keys): Promise<LaneName[]> {
  const rows = await on.query<{ queue_id: number; priority: number }>(statement, [slot, names, keys])
  return rows.map((row) => ({ queueId: row.queue_id, priority: row.priority }))
}
