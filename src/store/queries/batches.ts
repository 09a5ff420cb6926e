import type { SerializedError } from '../../core/errors.ts'
import { type FinalState, stateCode } from '../../core/states.ts'
import { once, type Queryable, repeatable } from '../connection.ts'
import { enqueue, enqueuePayload, type NewJob } from './enqueue.ts'
import { kindCodes, type StepJob } from './steps.ts'

/** How far a set of jobs is that something waits for. */
export interface BatchStatus {
  readonly id: string
  readonly total: number
  readonly pending: number
  /** Ended otherwise than completed. */
  readonly failed: number
  readonly createdAt: Date
  readonly endedAt: Date | undefined
}

/** What a member of a batch came to; the state is undefined until it has ended. JSON values are text. */
export interface Member {
  readonly place: number
  readonly job: string
  readonly state: FinalState | undefined
  readonly reason: string | null
  readonly output: string | null
  readonly error: SerializedError | null
}

/** A job that a durable one has begun. */
export interface Child {
  readonly id: string
  /** The name of the step. */
  readonly step: string
  /** It goes on when its parent fails or is cancelled. */
  readonly detached: boolean
  /** Undefined until it has ended. */
  readonly state: FinalState | undefined
}

/** Where a list of children goes on. */
export interface ChildCursor {
  readonly batch: string
  readonly place: number
}

/** Children that a step of a durable job begins. */
export interface ChildrenPlan {
  readonly step: string
  readonly kind: 'run' | 'runAll'
  /** Number of the step in the order of the starts. */
  readonly place: number
  readonly rows: readonly NewJob[]
  /** How many of them may be unfinished at once. */
  readonly atOnce: number
  /** They go on when the parent fails or is cancelled. */
  readonly detached: boolean
}

/** Jobs that are added when a batch is over, or when its first member has failed. */
export interface Follow {
  readonly finished?: NewJob
  readonly succeeded?: NewJob
  readonly failed?: NewJob
}

/** The lock keeps others from taking the parent over until its children are there. */
const fenceStatement = repeatable(
  'lw_children_fence',
  `select s.output ->> 'batch' as batch
     from legwork.job j left join legwork.step s on s.slot = $1::smallint and s.job_id = $2::bigint and s.name = $5::text
    where j.slot = $1::smallint and j.id = $2::bigint and j.claim = $3::int and j.worker_id = $4::int for no key update of j`,
)

const openStatement = once(
  'lw_batch_open',
  `insert into legwork.batch (id, slot, kind, waiter, step, total, pending, begun, detached, follow)
     values ((nextval('legwork.batch_seq') << 8) | $1::smallint, $1::smallint, $2::smallint, $3::bigint, $4::text, $5::int, $5::int, $6::int, $7::boolean, $8::jsonb)
   returning id::text as id`,
)

const addStatement = once('lw_batch_add', 'select legwork.add_members($1::bigint, $2::bigint[], $3::int, $4::int)')

const noteStatement = once(
  'lw_children_note',
  `insert into legwork.step (slot, job_id, name, place, state, output, kind, claim)
     values ($1::smallint, $2::bigint, $3::text, $4::int, 1, jsonb_build_object('batch', $5::text), $6::smallint, $7::int)`,
)

const statusStatement = repeatable(
  'lw_batch',
  `select id::text as id, total, pending, failed, at, ended_at from legwork.batch where slot = $1::smallint and id = $2::bigint`,
)

const membersStatement = repeatable(
  'lw_batch_members',
  `select place, job_id::text as job, state, reason, output::text as output, error from legwork.member
    where batch_id = $1::bigint and place > $2::int order by place limit $3::int`,
)

const openBatchesStatement = repeatable(
  'lw_batches_open',
  `select id::text as id from legwork.batch
    where slot = $1::smallint and waiter = $2::bigint and kind = 1 and pending > 0 and not detached order by id`,
)

/** Batch by batch: joined, the planner may choose to read all members there are. */
const childrenStatement = repeatable(
  'lw_children',
  `select m.id, b.id::text as batch, m.place, b.step, b.detached, m.state
     from (select o.id, o.step, o.detached from legwork.batch o
            where o.slot = $1::smallint and o.waiter = $2::bigint and o.kind = 1 and o.id >= $3::bigint order by o.id) b
    cross join lateral (
      select m.job_id::text as id, m.place, m.state from legwork.member m
       where m.batch_id = b.id and m.place > case when b.id = $3::bigint then $4::int else 0 end order by m.place limit $5::int) m
    limit $5::int`,
)

/** Parents that have failed or were cancelled without anybody who could tell their children: their worker died. */
const orphansStatement = repeatable(
  'lw_batches_orphaned',
  `select distinct b.waiter::text as id from legwork.batch b
    where b.slot = $1::smallint and b.waiter is not null and b.kind = 1 and b.pending > 0 and not b.detached
      and not exists (select from legwork.job j where j.slot = b.slot and j.id = b.waiter)
      and (select f.state from legwork.finished f where f.slot = b.slot and f.id = b.waiter limit 1) is distinct from 10
    limit 1000`,
)

const forgetBatches = repeatable(
  'lw_forget_batches',
  `with gone as (
    delete from legwork.batch b where b.slot = $1::smallint and b.id = any(array(
      select o.id from legwork.batch o where o.slot = $1::smallint and o.ended_at < legwork.now() - interval '1 hour'
         and case when o.waiter is null then o.ended_at < legwork.now() - $2::float8 * interval '1 millisecond'
               else not exists (select from legwork.job j where j.slot = o.slot and j.id = o.waiter)
                and not exists (select from legwork.finished f where f.slot = o.slot and f.id = o.waiter) end
       order by o.id limit 1000))
     returning b.id
  )
  delete from legwork.member m where m.batch_id = any(array(select id from gone))`,
)

/** Members that one statement adds. */
const largestPart = 10_000

/**
 * Begins the children of a step, all or none, or finds those that an earlier run of the step has begun; call it in a
 * transaction. Undefined when the parent is not this worker's any more.
 */
export async function startChildren(
  tx: Queryable,
  workerId: number,
  parent: StepJob,
  plan: ChildrenPlan,
): Promise<string | undefined> {
  const fence = [parent.slot, parent.id, parent.claim, workerId, plan.step]
  const [row] = await tx.query<{ batch: string | null }>(fenceStatement, fence)
  if (!row || row.batch !== null) return row?.batch ?? undefined
  const { rows, atOnce, detached, step } = plan
  const id = await openBatch(tx, [parent.slot, 1, parent.id, step, rows.length, atOnce, detached, null])
  await addMembers(tx, id, rows, atOnce)
  const kind = kindCodes[plan.kind]
  await tx.query(noteStatement, [parent.slot, parent.id, step, plan.place, id, kind, parent.claim])
  return id
}

/** Begins a batch that no job waits for; call it in a transaction. */
export async function startBatch(tx: Queryable, rows: readonly NewJob[], follow: Follow): Promise<string> {
  const jobs = Object.entries(follow).map(([when, row]) => `${JSON.stringify(when)}:${enqueuePayload([row as NewJob])}`)
  const id = await openBatch(tx, [0, 3, null, null, rows.length, rows.length, false, `{${jobs.join(',')}}`])
  await addMembers(tx, id, rows, rows.length)
  return id
}

export async function batchStatus(on: Queryable, slot: number, id: string): Promise<BatchStatus | undefined> {
  const [row] = await on.query<StatusRow>(statusStatement, [slot, id])
  if (!row) return undefined
  const { total, pending, failed } = row
  return { id: row.id, total, pending, failed, createdAt: row.at, endedAt: row.ended_at ?? undefined }
}

/** The members in order, after a place. */
export async function members(on: Queryable, batch: string, after: number, limit: number): Promise<Member[]> {
  const rows = await on.query<MemberRow>(membersStatement, [batch, after, limit])
  return rows.map(({ state, ...rest }) => ({ ...rest, state: state === null ? undefined : finalStateOf(state) }))
}

/** The children of a job in the order in which they were begun, after a place. */
export async function children(
  on: Queryable,
  slot: number,
  parent: string,
  { batch, place }: ChildCursor,
  limit: number,
): Promise<(Child & ChildCursor)[]> {
  const rows = await on.query<ChildRow>(childrenStatement, [slot, parent, batch, place, limit])
  return rows.map(({ state, ...rest }) => ({ ...rest, state: state === null ? undefined : finalStateOf(state) }))
}

/** The batches of children that end with this job and have not ended. */
export async function openBatches(on: Queryable, slot: number, parent: string): Promise<string[]> {
  return (await on.query<{ id: string }>(openBatchesStatement, [slot, parent])).map((row) => row.id)
}

/** Jobs that failed or were cancelled and still have children. */
export async function deadParents(on: Queryable, slot: number): Promise<string[]> {
  return (await on.query<{ id: string }>(orphansStatement, [slot])).map((row) => row.id)
}

/** @param age milliseconds that a batch which nobody waited for is kept */
export async function forgetEndedBatches(on: Queryable, slot: number, age: number): Promise<void> {
  await on.query(forgetBatches, [slot, age])
}

async function openBatch(tx: Queryable, params: readonly unknown[]): Promise<string> {
  const [row] = await tx.query<{ id: string }>(openStatement, params)
  return row?.id ?? ''
}

async function addMembers(tx: Queryable, batch: string, rows: readonly NewJob[], atOnce: number): Promise<void> {
  for (let at = 0; at < rows.length; at += largestPart) {
    const added = await enqueue(tx, rows.slice(at, at + largestPart))
    const ids = added.map(({ id }) => id)
    await tx.query(addStatement, [batch, ids, at + 1, atOnce])
  }
}

function finalStateOf(code: number): FinalState {
  const found = (['completed', 'dead', 'cancelled', 'compensated', 'compensation_failed'] as const).find(
    (state) => stateCode[state] === code,
  )
  if (!found) throw new RangeError(`unknown final state code ${code}`)
  return found
}

interface StatusRow extends Record<string, unknown> {
  readonly id: string
  readonly total: number
  readonly pending: number
  readonly failed: number
  readonly at: Date
  readonly ended_at: Date | null
}

interface MemberRow extends Record<string, unknown> {
  readonly place: number
  readonly job: string
  readonly state: number | null
  readonly reason: string | null
  readonly output: string | null
  readonly error: SerializedError | null
}

interface ChildRow extends Record<string, unknown> {
  readonly id: string
  readonly batch: string
  readonly place: number
  readonly step: string
  readonly detached: boolean
  readonly state: number | null
}
