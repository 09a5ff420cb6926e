import { type Queryable, repeatable } from '../connection.ts'
import { groupBy } from '../../core/group.ts'
import { release } from './limits.ts'
import type { LaneName } from './lanes.ts'
import { type Ending, finish } from './settle.ts'

export interface RescueRequest {
  /** The worker that does the rescuing, or 0 when none has registered yet. */
  readonly rescuer: number
  /** A worker whose last heartbeat is older than this many milliseconds is dead. */
  readonly lease: number
  /** The rescuer's process, when no other can reach the database: workers of any other are dead already. */
  readonly onlyProcess?: string | undefined
  /** Crash limits of the job names the rescuer knows; others have `defaultLimit`. */
  readonly limits: Readonly<Record<string, number>>
  readonly defaultLimit: number
  /** Names of jobs that keep their keys when they fail for good. */
  readonly blocking?: ReadonlySet<string>
}

export interface Rescue {
  readonly workers: readonly number[]
  readonly returned: number
  readonly poisoned: readonly string[]
  readonly cancelled: readonly string[]
  readonly woken: readonly LaneName[]
}

/** At most a few at once, so that the transaction stays short however many processes died. */
const bury = repeatable(
  'lw_rescue_bury',
  `update legwork.worker w set state = 'dead', ended_at = legwork.now()
     from (select id from legwork.worker where ended_at is null and id <> $1::int and (beat_at < legwork.now() - $2::float8 * interval '1 millisecond' or process <> $3::text)
            order by id limit 8 for update skip locked) d
    where w.id = d.id returning w.id`,
)

/** Leases of workers that have ended: claimed after the burial by one that did not know yet, or left behind at its end. */
const leftBehind = repeatable(
  'lw_rescue_left_behind',
  `select distinct l.worker_id as id from legwork.lease l
    where not exists (select from legwork.worker w where w.id = l.worker_id and w.ended_at is null) limit 8`,
)

const blame =
  '(case when $6::boolean and (j.crashes = 0 or j.id = (select w.suspect from legwork.worker w where w.id = $1::int)) then 1 else 0 end)'
const hasUndo = '(exists (select from legwork.undos($5::smallint, j.id)))'
const over = (extra: string) => `j.crashes + ${blame} >= coalesce(($3::jsonb ->> j.name)::int, $4::int)${extra}`

/**
 * More deaths than its limit that a job with steps to undo is granted for undoing them. Its handler is called for that,
 * and may be what kills workers; but no step begins any more, so most of what can kill does not run again.
 */
const undoBudget = 2
const ends = `(case when ${hasUndo} then ${over(` + ${undoBudget}`)} else j.cancel_at is not null or ${over('')} end)`

const slotsOf = repeatable(
  'lw_rescue_slots',
  'select distinct slot from legwork.lease where worker_id = $1::int order by slot',
)

/*
 * Gives the jobs of a dead worker back. Blame: those that crashed no worker before become
 * suspects, and the suspect that was running is blamed again; suspects run one at a time, so innocent neighbours clear
 * themselves, and one that only waited is not blamed. What has reached its limit
 * or is to be cancelled is taken over under a new claim instead, and ended by the caller in the same transaction. One with
 * steps to undo goes back once more for that.
 */
const recover = repeatable(
  'lw_rescue_recover',
  `with gone as (
    delete from legwork.lease where worker_id = $1::int and slot = $5::smallint returning ids
  ), mine as materialized (
    select j.id, j.crashes from legwork.job j
     where j.slot = $5::smallint and j.id = any(array(select unnest(ids) from gone)) and j.worker_id = $1::int
     for update
  ), moved as (
    update legwork.job j
       set crashes = j.crashes + ${blame}, claim = j.claim + 1, attempt = j.attempt - 1,
           options = j.options - 'startBy', -- it may have begun
           worker_id = case when ${ends} then $2::int end,
           state = case when ${ends} then j.state else 3 end, -- it may have been in the middle of an undo
           seq = case when ${ends} then j.seq else nextval('legwork.job_seq') end
     where j.slot = $5::smallint and j.id = any(array(select id from mine))
     returning j.id, j.name, j.slot, j.claim, j.queue_id, j.priority, j.attempt, j.claimed_at, j.crashes, j.cancel_reason, j.key,
               case when j.worker_id is null then 'ready' when ${hasUndo} then 'stuck' when j.cancel_at is not null then 'cancelled' else 'poisoned' end as verdict,
               j.worker_id is null and j.crashes >= coalesce(($3::jsonb ->> j.name)::int, $4::int) as unwinds
  ), unwound as (
    insert into legwork.step (slot, job_id, name, place, state, error)
      select slot, id, '!undo', 0, 2, jsonb_build_object('kind', 'dead', 'reason', 'poisoned', 'error', jsonb_build_object(
             'name', 'LegworkError', 'code', 'LW_JOB_POISONED', 'message', format('The job was running in %s workers that died.', crashes)))
        from moved where unwinds
      on conflict do nothing
  ), kept as (
    insert into legwork.attempt (slot, job_id, claim, attempt, worker_id, started_at, outcome)
      select slot, id, claim - 1, attempt + 1, $1::int, claimed_at, case when $6::boolean then 'crashed' else 'released' end from moved
  )
  select id::text as id, name, slot, claim, queue_id, priority, crashes, cancel_reason, key, verdict from moved`,
)

interface Moved extends Record<string, unknown> {
  readonly id: string
  readonly name: string
  readonly slot: number
  readonly claim: number
  readonly queue_id: number
  readonly priority: number
  readonly crashes: number
  readonly cancel_reason: string | null
  readonly key: string | null
  /** `stuck`: poisoned, and its steps cannot be undone without a person. */
  readonly verdict: 'ready' | 'poisoned' | 'cancelled' | 'stuck'
}

/** Declares silent workers dead and gives their jobs back, each worker in a transaction of the caller's making. */
export async function rescue(tx: Queryable, request: RescueRequest): Promise<Rescue> {
  const dead = await tx.query<{ id: number }>(bury, [request.rescuer, request.lease, request.onlyProcess ?? null])
  const moved: Moved[] = []
  const woken: LaneName[] = []
  const recoverFrom = async (id: number, blamed: boolean): Promise<void> => {
    for (const { slot } of await tx.query<{ slot: number }>(slotsOf, [id])) {
      const limits = [JSON.stringify(request.limits), request.defaultLimit]
      const rows = await tx.query<Moved>(recover, [id, request.rescuer, ...limits, slot, blamed])
      moved.push(...rows)
      woken.push(...(await endRest(tx, request, slot, rows)))
    }
  }
  for (const { id } of dead) await recoverFrom(id, true)
  for (const { id } of await tx.query<{ id: number }>(leftBehind, [])) await recoverFrom(id, false)
  // at the very end: limiters are locked after all job rows
  for (const [slot, own] of groupBy(moved, (row) => row.slot))
    woken.push(...(await release(tx, slot, { ids: own.map((row) => row.id) })).woken)
  const idsOf = (verdict: Moved['verdict']) => moved.filter((row) => row.verdict === verdict).map((row) => row.id)
  const back = moved.filter((row) => row.verdict === 'ready')
  return {
    workers: dead.map((row) => row.id),
    returned: back.length,
    poisoned: [...idsOf('poisoned'), ...idsOf('stuck')],
    cancelled: idsOf('cancelled'),
    woken: [...woken, ...back.map((row) => ({ queueId: row.queue_id, priority: row.priority }))],
  }
}

async function endRest(
  tx: Queryable,
  { rescuer, blocking }: RescueRequest,
  slot: number,
  rows: readonly Moved[],
): Promise<readonly LaneName[]> {
  const endings = rows
    .filter((row) => row.verdict !== 'ready')
    .map((row) => endingOf(row, blocking?.has(row.name) === true))
  if (endings.length === 0) return []
  return (await finish(tx, { slot, workerId: rescuer, emptyBatches: [] }, endings)).woken
}

function endingOf(row: Moved, blocks: boolean): Ending {
  const common = { id: row.id, claim: row.claim, output: null, key: row.key ?? undefined }
  if (row.verdict === 'cancelled')
    return { ...common, state: 'cancelled', error: null, reason: row.cancel_reason ?? 'cancelled' }
  const stuck = row.verdict === 'stuck'
  const message = `The job was running in ${row.crashes} workers that died${stuck ? ', the last ones while its steps were undone' : ''}.`
  const error = JSON.stringify({ name: 'LegworkError', code: 'LW_JOB_POISONED', message })
  const keepsKey = blocks && row.key !== null
  return { ...common, state: stuck ? 'compensation_failed' : 'dead', error, reason: 'poisoned', keepsKey }
}

/** Gives back what a living worker was granted by a claim whose answer it never got; nobody is to blame. */
const strays = repeatable(
  'lw_return_strays',
  `with gone as (
    delete from legwork.lease where worker_id = $1::int and batch = any($2::int[]) returning slot, ids
  ), mine as materialized (
    select j.id, j.slot from (select slot, unnest(ids) as id from gone order by 1, 2) g
     cross join lateral (select id, slot from legwork.job j where j.slot = g.slot and j.id = g.id and j.worker_id = $1::int for update) j
  )
  update legwork.job j set worker_id = null, state = 3, claim = j.claim + 1, attempt = j.attempt - 1, seq = nextval('legwork.job_seq')
   where j.slot = any(array(select slot from mine)) and j.id = any(array(select id from mine)) and j.worker_id = $1::int
   returning j.id::text as id, j.slot, j.queue_id, j.priority`,
)

/** Call it in a transaction. */
export async function returnStrays(tx: Queryable, workerId: number, batches: readonly number[]): Promise<LaneName[]> {
  const rows = await tx.query<{ id: string; slot: number; queue_id: number; priority: number }>(strays, [
    workerId,
    batches,
  ])
  const woken = rows.map((row) => ({ queueId: row.queue_id, priority: row.priority }))
  for (const [slot, own] of groupBy(rows, (row) => row.slot))
    woken.push(...(await release(tx, slot, { ids: own.map((row) => row.id) })).woken)
  return woken
}
