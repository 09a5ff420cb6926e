import { once, type Queryable } from '../connection.ts'
import type { LaneName } from './lanes.ts'

/*
 * One statement, so that the job, its steps and the copy are of one moment without a lock on the job.
 *
 * `start` is the place from which on nothing is kept: a step by name, or the last one that failed; behind all of them when
 * none did and the job has failed all the same. What was undone does not stand any more, so `cut` is before that.
 *
 * claim 1: an attempt under the first claim reads no history. What the steps have done is the first job's to undo. The
 * children of `runAll` are read again in a replay, so the copy keeps their results, in a batch that nobody waits for.
 * `begun` gives the transaction its id before the seq is drawn, as the floors of the workers need it.
 */
const forkStatement = once(
  'lw_fork',
  `with begun as materialized (select pg_current_xact_id()::text as xid), origin as materialized (
    select j.queue_id, j.priority, j.name, j.key, j.unique_key, j.tags, j.headers, j.trace, j.input, j.options, j.state
      from legwork.job j where j.slot = $1::smallint and j.id = $2::bigint
    union all
    select f.queue_id, f.priority, f.name, f.key, f.unique_key, f.tags, f.headers, f.trace, f.input, f.options, f.state
      from legwork.finished f where f.slot = $1::smallint and f.id = $2::bigint
  ), known as materialized (
    select * from legwork.step s where s.slot = $1::smallint and s.job_id = $2::bigint
  ), start as (
    select case when $3::text is not null then (select k.place from known k where k.name = $3::text and k.name not like '!%')
           else coalesce((select max(k.place) from known k where k.state <> 2 and k.error is not null and k.name not like '!%'),
                         (select 2147483647 from origin o where o.state > 10)) end as place
  ), cut as materialized (
    select least(s.place, (
             select min(u.place) from legwork.undos($1::smallint, $2::bigint) u
              where u.resolved is distinct from 'skip' and exists (select from known k where k.name = '!undo'))) as place
      from start s where s.place is not null
  ), added as (
    insert into legwork.job (slot, id, seq, line, state, queue_id, priority, name, claim, key, unique_key, tags, headers, trace, input, options)
      select $1::smallint, (n.seq << 8) | $1::smallint, n.seq, case when n.key is not null then n.seq end, 3, n.queue_id, n.priority, n.name, 1,
             n.key, n.unique_key, n.tags, coalesce(n.headers, '{}') || jsonb_build_object('legwork-fork', $2::bigint::text), n.trace, n.input,
             nullif(n.options - '{after,startBy}'::text[], '{}')
        from (select nextval('legwork.job_seq') as seq, o.queue_id, o.priority, o.name, o.unique_key, o.tags, o.headers, o.trace, o.options,
                     case when $4::int = 1 then $5::jsonb else o.input end as input, coalesce($6::text, o.key) as key
                from origin o, cut where (select xid from begun) is not null) n
      on conflict do nothing
      returning id, queue_id, name, priority
  ), counted as (
    insert into legwork.tally (queue_id, name, state, n) select queue_id, name, 3, 1 from added
  ), kept as materialized (
    select k.*, a.id as fork_id, case when k.kind = 5 and k.state = 2 then (nextval('legwork.batch_seq') << 8) | $1::smallint end as batch_id
      from added a, cut c, known k
     where k.place < c.place and (k.state in (2, 3) or (k.kind = 2 and k.due_at <= legwork.now()))
       and k.name not like '!undo%' and k.name not like '!call %'
  ), copied as (
    insert into legwork.step (slot, job_id, claim, name, place, state, attempt, due_at, output, error, kind, at, ended_at)
      select $1::smallint, fork_id, 1, name, place, state, attempt, due_at,
             case when batch_id is null then output else jsonb_build_object('batch', batch_id::text) end, error, kind, at, ended_at
        from kept order by place
  ), sets as (
    insert into legwork.batch (id, slot, kind, waiter, step, at, ended_at, total, pending, failed, begun, detached)
      select k.batch_id, $1::smallint, 3, k.fork_id, k.name, b.at, b.ended_at, b.total, 0, b.failed, b.begun, true
        from kept k cross join lateral (
          select * from legwork.batch o where o.slot = $1::smallint and o.id = (k.output ->> 'batch')::bigint offset 0) b
       where k.batch_id is not null
  ), members as (
    insert into legwork.member (slot, job_id, batch_id, place, state, reason, output, error)
      select m.slot, m.job_id, k.batch_id, m.place, m.state, m.reason, m.output, m.error
        from kept k cross join lateral (
          select * from legwork.member o where o.batch_id = (k.output ->> 'batch')::bigint offset 0) m
       where k.batch_id is not null
  )
  select exists (select from origin) as found, exists (select from cut) as known, a.id::text as id, a.queue_id, a.priority,
         to_json(array(select k.name from known k where k.name not like '!%' order by k.place)) as steps
    from (select) one left join added a on true`,
)

/** What came of a fork. Nothing is changed unless there is a `forked`. */
export interface Fork {
  readonly found: boolean
  /** Whether there is a step to fork from. */
  readonly known: boolean
  /** The names of the steps that there are, in order. */
  readonly steps: readonly string[]
  /** The new job; undefined also when another unfinished job holds its unique key. */
  readonly forked: { readonly id: string; readonly woken: LaneName } | undefined
}

export interface ForkPlan {
  /** Name of a step; undefined means the last failure. */
  readonly from: string | undefined
  /** JSON text; undefined keeps the input of the first job. */
  readonly input?: string | null | undefined
  /** Undefined keeps that of the first job. */
  readonly key?: string | undefined
}

/** Adds a job like this one that has the finished steps before a place already. */
export async function fork(on: Queryable, slot: number, id: string, { from, input, key }: ForkPlan): Promise<Fork> {
  const params = [slot, id, from ?? null, input === undefined ? 0 : 1, input ?? null, key ?? null]
  const [row] = await on.query<ForkRow>(forkStatement, params)
  const { found = false, known = false, steps = [] } = row ?? {}
  const isNew = row && row.id !== null
  return {
    found,
    known,
    steps,
    forked: isNew ? { id: row.id, woken: { queueId: row.queue_id, priority: row.priority } } : undefined,
  }
}

interface ForkRow extends Record<string, unknown> {
  readonly found: boolean
  readonly known: boolean
  readonly steps: readonly string[]
  readonly id: string
  readonly queue_id: number
  readonly priority: number
}
