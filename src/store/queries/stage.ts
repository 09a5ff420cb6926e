import { type Queryable, repeatable } from '../connection.ts'
import type { LaneName } from './lanes.ts'

/* Locks in due order and skips what another process is staging; the row lock also gives the transaction its id before seq is drawn. */
const stageStatement = repeatable(
  'lw_stage',
  `with due as materialized (
    select id, state as was from legwork.job where slot = $1::smallint and state in (1, 4) and run_at <= legwork.now()
     order by run_at, id limit $2::int for update skip locked
  ), staged as (
    update legwork.job j set state = 3, seq = nextval('legwork.job_seq')
     where j.slot = $1::smallint and j.id = any(array(select id from due)) returning j.id, j.queue_id, j.name, j.priority
  ), counted as (
    insert into legwork.tally (queue_id, name, state, n)
      select queue_id, name, s.state, sum(s.sign) from staged join due using (id) cross join lateral (values (due.was, -1), (3::smallint, 1)) s(state, sign)
       group by queue_id, name, s.state
  )
  select queue_id, priority, count(*)::int as n from staged group by 1, 2`,
)

const nextDueStatement = repeatable(
  'lw_next_due',
  `select ceil(extract(epoch from run_at - legwork.now()) * 1000)::float8 as ms
     from legwork.job where slot = $1::smallint and state in (1, 4) and run_at is not null order by run_at, id limit 1`,
)

export interface Staged {
  readonly woken: readonly LaneName[]
  /** Whether the batch was full, so that more may be due. */
  readonly more: boolean
}

/** Makes up to `limit` due jobs of a slot ready. */
export async function stage(on: Queryable, slot: number, limit: number): Promise<Staged> {
  const rows = await on.query<{ queue_id: number; priority: number; n: number }>(stageStatement, [slot, limit])
  const total = rows.reduce((sum, row) => sum + row.n, 0)
  return { woken: rows.map((row) => ({ queueId: row.queue_id, priority: row.priority })), more: total >= limit }
}

/** Milliseconds until the next scheduled job of a slot is due (0 or less: now), or undefined when there is none. */
export async function nextDue(on: Queryable, slot: number): Promise<number | undefined> {
  const [row] = await on.query<{ ms: number }>(nextDueStatement, [slot])
  return row?.ms
}
