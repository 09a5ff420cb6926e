import { type Queryable, repeatable } from '../connection.ts'
import { fromCodes } from '../../core/states.ts'
import { handOn } from './keys.ts'
import { release } from './limits.ts'
import type { LaneName } from './lanes.ts'
import { tell } from './tell.ts'

/*
 * The row of the job before that of its key, as everywhere, and in a statement of its own: the next one has a snapshot that
 * sees which key the job was given while we waited for it.
 */
const lockJob = repeatable(
  'lw_cancel_lock',
  `select from legwork.job j where j.slot = $1::smallint and j.id = $2::bigint for update`,
)

/**
 * A running job only gets the request; its worker ends it, unless it is ended by force ($4): then the fence keeps out what
 * its worker still writes. One whose steps have to be undone is made ready for that. Everything else ends here.
 */
const cancelStatement = repeatable(
  'lw_cancel',
  `with target as materialized (
    select slot, id, worker_id is not null and (undoable or not $4::boolean) as held, state as was, undoable
      from legwork.job cross join lateral (select exists (
       select from legwork.step s where s.slot = $1::smallint and s.job_id = $2::bigint and s.undoable) as undoable) u
     where slot = $1::smallint and id = $2::bigint and state in (${fromCodes('cancel')}) for update of job
  ), asked as (
    update legwork.job j set cancel_at = coalesce(j.cancel_at, legwork.now()), cancel_reason = coalesce(j.cancel_reason, $3::text)
     where j.slot = $1::smallint and j.id = $2::bigint and (select held from target) returning j.id
  ), ended as (
    delete from legwork.job j where j.slot = $1::smallint and j.id = $2::bigint and not (select held or undoable from target) returning j.*
  ), unwound as (
    insert into legwork.step (slot, job_id, name, place, state, error)
      select slot, id, '!undo', 0, 2, jsonb_build_object('kind', 'cancelled', 'reason', $3::text) from target where undoable and not held
      on conflict do nothing
  ), freed as (
    update legwork.job j set state = 3, seq = nextval('legwork.job_seq')
     where j.slot = $1::smallint and j.id = $2::bigint and (select undoable and not held and was in (1, 4) from target)
     returning j.queue_id, j.name, j.priority
  ), kept as (
    insert into legwork.finished (slot, id, state, queue_id, priority, name, attempt, crashes, claim, worker_id, created_at, run_at,
        started_at, key, unique_key, tags, headers, trace, input, options, progress, reason)
      select slot, id, 12, queue_id, priority, name, attempt, crashes, claim, null, created_at, run_at,
        claimed_at, key, unique_key, tags, headers, trace, input, options, progress, $3::text from ended
  ), released as (
    update legwork.key_holder k set job_id = null
     where k.slot = $1::smallint and k.key = any(array(select key from ended)) and k.job_id = $2::bigint returning k.name, k.key
  ), counted as (
    insert into legwork.tally (queue_id, name, state, n)
      select queue_id, name, s.state, s.n from ended d cross join lateral (values (d.state, -1), (12::smallint, 1)) s(state, n)
      union all
      select queue_id, name, s.state, s.n from freed cross join lateral (values ((select was from target), -1), (3::smallint, 1)) s(state, n)
  )
  select case when t.held or t.undoable then 'asked' else 'cancelled' end as outcome, f.queue_id, f.priority,
         (select array_agg(name) from released) as names, (select array_agg(key) from released) as keys,
         exists (select from ended where awaited) as awaited,
         exists (select from legwork.batch b where b.slot = $1::smallint and b.waiter = $2::bigint and b.pending > 0) as parent
    from target t left join freed f on true`,
)

export interface Cancelled {
  /** `asked`: it runs, and its worker has been asked to stop. `none`: there is no unfinished job with that id. */
  readonly outcome: 'cancelled' | 'asked' | 'none'
  /** It has ended here, and has children that may have to end with it. */
  readonly isParent: boolean
  readonly woken: readonly LaneName[]
}

/** Cancels one job; call it in a transaction. With `force` one that runs ends now, unless its steps have to be undone. */
export async function cancel(
  tx: Queryable,
  slot: number,
  id: string,
  reason: string,
  force = false,
): Promise<Cancelled> {
  await tx.query(lockJob, [slot, id])
  const [row] = await tx.query<CancelRow>(cancelStatement, [slot, id, reason, force])
  if (!row) return { outcome: 'none', isParent: false, woken: [] }
  if (row.queue_id !== null && row.priority !== null)
    return { outcome: row.outcome, isParent: false, woken: [{ queueId: row.queue_id, priority: row.priority }] }
  const woken = row.names && row.keys ? await handOn(tx, slot, { names: row.names, keys: row.keys }) : []
  if (row.awaited) woken.push(...(await tell(tx, slot, [id])))
  // it may have waited in the line of a limit, or been called from there
  if (row.outcome === 'cancelled') woken.push(...(await release(tx, slot, { ids: [id] })).woken)
  return { outcome: row.outcome, isParent: row.parent && row.outcome === 'cancelled', woken }
}

interface CancelRow extends Record<string, unknown> {
  readonly outcome: 'cancelled' | 'asked'
  /** The lane of a job that was made ready to be undone. */
  readonly queue_id: number | null
  readonly priority: number | null
  readonly names: string[] | null
  readonly keys: string[] | null
  readonly awaited: boolean
  readonly parent: boolean
}
