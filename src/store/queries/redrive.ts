import { type Queryable, repeatable } from '../connection.ts'
import type { LaneName } from './lanes.ts'

/*
 * Back from history to the tail of the ready order: fresh attempts, same id, the claim number goes on so that an old
 * worker stays fenced out. One that blocks its key holds it still, and so runs before the others of its line. A unique key that another unfinished job has taken meanwhile leaves the job where it is.
 */
const redriveStatement = repeatable(
  'lw_redrive',
  `with old as materialized (
    select * from legwork.finished f
     where f.slot = $1::smallint and f.id = any($2::bigint[]) and f.state in (11, 12, 14)
       and (f.unique_key is null or (
         select j.id from legwork.job j
          where j.slot = $1::smallint and j.name = f.name and j.unique_key >= f.unique_key and j.unique_key <= f.unique_key
          order by j.unique_key limit 1) is null)
     for update
  ), back as (
    insert into legwork.job (slot, id, seq, line, state, queue_id, priority, name, claim, created_at, key, unique_key, tags, headers, trace, input, options)
      select slot, id, seq, case when key is not null then seq end, 3, queue_id, priority, name, claim, created_at, key, unique_key, tags, headers, trace, input, nullif(options - '{after,startBy}'::text[], '{}')
        from (select nextval('legwork.job_seq') as seq, old.* from old) o
      on conflict do nothing
      returning id, queue_id, name, priority, key
  ), unblocked as (
    update legwork.key_holder k set blocked_at = null
     where k.slot = $1::smallint and k.key = any(array(select key from back where key is not null)) and k.blocked_at is not null
       and (k.job_id in (select id from back)) is true
  ), gone as (
    delete from legwork.finished f where f.slot = $1::smallint and f.id = any(array(select id from back)) and f.state in (11, 12, 14)
     returning f.queue_id, f.name, legwork.counted_as(f.state, f.error) as state
  ), counted as (
    insert into legwork.tally (queue_id, name, state, n)
      select queue_id, name, s.state, s.n from (select queue_id, name, state, count(*) as c from gone group by 1, 2, 3) g
       cross join lateral (values (3::smallint, g.c), (g.state, -g.c)) s(state, n)
  )
  select id::text as id, queue_id, priority from back`,
)

const promoteStatement = repeatable(
  'lw_run_now',
  `with target as materialized (
    select id, state from legwork.job where slot = $1::smallint and id = any($2::bigint[]) for update
  ), freed as (
    update legwork.job j set state = 3, seq = nextval('legwork.job_seq'), run_at = legwork.now()
     where j.slot = $1::smallint and j.id = any(array(select id from target where state = 1)) returning j.id, j.queue_id, j.name, j.priority
  ), counted as (
    insert into legwork.tally (queue_id, name, state, n)
      select queue_id, name, s.state, s.sign * count(*) from freed, (values (1, -1), (3, 1)) s(state, sign) group by queue_id, name, s.state, s.sign
  )
  select id::text as id, queue_id, priority from freed`,
)

export interface Redriven {
  readonly ids: readonly string[]
  readonly woken: readonly LaneName[]
}

/** Makes dead and cancelled jobs ready again, with all their attempts. */
export function redrive(tx: Queryable, slot: number, ids: readonly string[]): Promise<Redriven> {
  return moved(tx, redriveStatement, slot, ids)
}

/** Makes scheduled jobs ready now. */
export function runNow(tx: Queryable, slot: number, ids: readonly string[]): Promise<Redriven> {
  return moved(tx, promoteStatement, slot, ids)
}

async function moved(
  tx: Queryable,
  statement: typeof redriveStatement,
  slot: number,
  ids: readonly string[],
): Promise<Redriven> {
  const rows = await tx.query<{ id: string; queue_id: number; priority: number }>(statement, [slot, ids])
  return {
    ids: rows.map((row) => row.id),
    woken: rows.map((row) => ({ queueId: row.queue_id, priority: row.priority })),
  }
}
