import { type Queryable, repeatable } from '../connection.ts'
import { redrive } from './redrive.ts'
import type { LaneName } from './lanes.ts'

/** Whoever resolves another undo of the same job at the same moment waits here, and then counts what is left anew. */
const lockStatement = repeatable(
  'lw_resolve_lock',
  `select f.id::text as id from legwork.finished f where f.slot = $1::smallint and f.id = $2::bigint and f.state = 14 for update`,
)

const openStatement = repeatable(
  'lw_resolve_open',
  'select name from legwork.undos($1::smallint, $2::bigint) where undo is distinct from 2',
)

const settleStatement = repeatable(
  'lw_resolve_undo',
  `insert into legwork.step as s (slot, job_id, claim, name, place, state, output, ended_at)
     select $1::smallint, $2::bigint, (select f.claim from legwork.finished f where f.slot = $1::smallint and f.id = $2::bigint and f.state = 14), '!undo ' || $3::text, (select max(place) + 1 from legwork.step m where m.slot = $1::smallint and m.job_id = $2::bigint),
            2, jsonb_build_object('resolved', $4::text), legwork.now()
   on conflict (slot, job_id, name) do update set state = 2, output = excluded.output, ended_at = excluded.ended_at, seq = excluded.seq, due_at = null`,
)

const forgetStatement = repeatable(
  'lw_resolve_again',
  `delete from legwork.step s where s.slot = $1::smallint and s.job_id = $2::bigint and s.name = '!undo ' || $3::text and s.state <> 2`,
)

/** Nothing is left to undo. From one partition to the other: removed and added, so that a second person finds it gone. */
const endStatement = repeatable(
  'lw_resolve_end',
  `with gone as (
    delete from legwork.finished f where f.slot = $1::smallint and f.id = $2::bigint and f.state = 14 returning f.*
  ), kept as (
    insert into legwork.finished (id, finished_at, created_at, run_at, started_at, queue_id, claim, worker_id, slot, priority, state, attempt,
        crashes, name, key, unique_key, reason, trace, tags, headers, input, options, progress, output, error)
      select id, legwork.now(), created_at, run_at, started_at, queue_id, claim, worker_id, slot, priority, 13, attempt,
        crashes, name, key, unique_key, reason, trace, tags, headers, input, options, progress, output,
        (select s.error -> 'error' from legwork.step s where s.slot = $1::smallint and s.job_id = $2::bigint and s.name = '!undo') from gone
  )
  insert into legwork.tally (queue_id, name, state, n)
    select queue_id, name, s.state, s.n from gone cross join (values (14::smallint, -1), (13::smallint, 1)) s(state, n)`,
)

/** `absent`: the job is not one whose undo failed. */
export type Resolved =
  | 'absent'
  | {
      /** The undos that are still open. */
      readonly open: readonly string[]
      /** Whether the one that was named was open. */
      readonly known: boolean
      /** Where the job waits to run again. */
      readonly woken: readonly LaneName[]
    }

/**
 * Notes what a person says of an undo that failed; call it in a transaction. `retry` forgets that it failed, and the job
 * runs again for it, if nobody has its unique key. When nothing is open any more the job ends as compensated.
 */
export async function resolveUndo(
  tx: Queryable,
  slot: number,
  id: string,
  step: string,
  how: 'retry' | 'skip' | 'done',
): Promise<Resolved> {
  if ((await tx.query(lockStatement, [slot, id])).length === 0) return 'absent'
  const open = (await tx.query<{ name: string }>(openStatement, [slot, id])).map((row) => row.name)
  if (!open.includes(step)) return { open, known: false, woken: [] }
  if (how === 'retry') {
    const { woken } = await redrive(tx, slot, [id])
    if (woken.length > 0) await tx.query(forgetStatement, [slot, id, step])
    return { open, known: true, woken }
  }
  await tx.query(settleStatement, [slot, id, step, how])
  if (open.length === 1) await tx.query(endStatement, [slot, id])
  return { open: open.filter((name) => name !== step), known: true, woken: [] }
}
