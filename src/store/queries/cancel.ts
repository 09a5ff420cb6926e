import { type Queryable, repeatable } from '../connection.ts'
import { fromCodes } from '../../core/states.ts'
import { type LaneName, promote } from './settle.ts'

const lockKey = repeatable(
  'lw_cancel_lock',
  `select from legwork.key_holder k
    where k.slot = $1::smallint and k.job_id = $2::bigint
      and k.key = any(array(select j.key from legwork.job j where j.slot = $1::smallint and j.id = $2::bigint)) for update`,
)

/** A running job only gets the request; its worker ends it. Everything else ends here. */
const cancelStatement = repeatable(
  'lw_cancel',
  `with target as materialized (
    select slot, id, worker_id is not null as held from legwork.job
     where slot = $1::smallint and id = $2::bigint and state in (${fromCodes('cancel')}) for update
  ), asked as (
    update legwork.job j set cancel_at = coalesce(j.cancel_at, legwork.now()), cancel_reason = coalesce(j.cancel_reason, $3::text)
     where j.slot = $1::smallint and j.id = $2::bigint and (select held from target) returning j.id
  ), ended as (
    delete from legwork.job j where j.slot = $1::smallint and j.id = $2::bigint and not (select held from target) returning j.*
  ), kept as (
    insert into legwork.finished (slot, id, state, queue_id, priority, name, attempt, crashes, claim, worker_id, created_at, run_at,
        started_at, key, unique_key, tags, headers, trace, input, options, progress, reason)
      select slot, id, 12, queue_id, priority, name, attempt, crashes, claim, null, created_at, run_at,
        claimed_at, key, unique_key, tags, headers, trace, input, options, progress, $3::text from ended
  ), released as (
    delete from legwork.key_holder k
     where k.slot = $1::smallint and k.key = any(array(select key from ended)) and k.job_id = $2::bigint returning k.name, k.key
  ), counted as (
    insert into legwork.tally (queue_id, name, state, n)
      select queue_id, name, s.state, s.n from ended d cross join lateral (values (d.state, -1), (12::smallint, 1)) s(state, n)
  )
  select case when t.held then 'asked' else 'cancelled' end as outcome,
         (select array_agg(name) from released) as names, (select array_agg(key) from released) as keys
    from target t`,
)

export interface Cancelled {
  /** `asked`: it runs, and its worker has been asked to stop. `none`: there is no unfinished job with that id. */
  readonly outcome: 'cancelled' | 'asked' | 'none'
  readonly woken: readonly LaneName[]
}

/** Cancels one job; call it in a transaction. */
export async function cancel(tx: Queryable, slot: number, id: string, reason: string): Promise<Cancelled> {
  await tx.query(lockKey, [slot, id])
  const [row] = await tx.query<{ outcome: 'cancelled' | 'asked'; names: string[] | null; keys: string[] | null }>(
    cancelStatement,
    [slot, id, reason],
  )
  if (!row) return { outcome: 'none', woken: [] }
  const woken = row.names && row.keys ? await promote(tx, slot, row.names, row.keys) : []
  return { outcome: row.outcome, woken }
}
