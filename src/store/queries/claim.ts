import { type Queryable, once } from '../connection.ts'
import { ClaimedJob, type Rare } from './claimed-job.ts'
import type { Keys } from './keys.ts'

/** A part of a queue with one priority, and the place up to which the worker has seen it. */
export interface Lane {
  readonly queueId: number
  readonly priority: number
  readonly floor: number
  /** Most jobs to take from this lane now. */
  readonly max: number
  /** Whether to start where another worker that takes the same jobs has got to, if that is further. */
  readonly follows?: boolean
}

export interface ClaimRequest {
  readonly slot: number
  readonly workerId: number
  /** Number of this claim, unique per worker; names the lease row. */
  readonly batch: number
  readonly limit: number
  /** In the order of preference. */
  readonly lanes: readonly Lane[]
  /** The job names this worker has handlers for; others stay where they are. */
  readonly names: readonly string[]
  /** The versions of them, `name@version`: a job that is pinned to another stays, too. */
  readonly pins: readonly string[]
  /** Keys to pass over: many of their jobs wait in a row. Only the job that was given the key is taken. */
  readonly crowded?: Keys
}

export interface Claimed {
  readonly jobs: readonly ClaimedJob[]
  /** Whether keyed jobs were set aside because another job holds their key. */
  readonly parked: number
  /** The keys of which they were many, as a share of what was asked for; undefined without any. */
  readonly crowded: Keys | undefined
  /** Whether it has seen all there was: it started at the floors that it was given, and passed over no key. */
  readonly whole: boolean
  /** Queues in which it did not look. */
  readonly paused: readonly number[]
  /** For the floor: transactions older than `xmin` have ended; this claim was `xid`, undefined if it changed nothing. */
  readonly xmin: number
  readonly xid: number | undefined
}

/** Workers that take the same jobs of a lane. */
const crew = 'hash_array_extended($7::text[] || $10::text[], 0)'

/** A claim of so many jobs is worth telling the others of: each of them would read these rows and pass over them. */
const worthTelling = 20

/*
 * No statistics may change the plan, for they can be those of an empty table: the lateral scan is the only one whose
 * order needs no sort (sorts are off in our sessions), and rows are addressed by `slot` and `id = any(…)` in scans of
 * one table, never by a join the planner could turn round.
 *
 * The scan walks each lane in index order from its floor; locking is lazy, so the outer limit stops it exactly.
 * `claimed` writes only worker_id, claim, attempt and claimed_at: no index knows them, the update is HOT.
 *
 * Floors are shared: rows that were claimed stay in the index until they are settled, so each of many workers would read
 * what all others have taken. Where workers with the same names and pins have got to, there is nothing for this one
 * either, but for rows that come late, and those are what looks from the final floor are for (worker/floor.ts).
 *
 * The commit does not wait for the disk: a claim that a crash of the server undoes is a redelivery, no more.
 *
 * Paused queues are left out by this statement's own snapshot: whatever was enqueued after the pause, no claim that was
 * on its way before it can see.
 *
 * Keys: the first in line of each key tries to take the key's row in key_holder. The upsert waits for a settle that is
 * just releasing it, and locks the row until this statement commits, so that a settle which comes later sees the jobs
 * set aside here, and by `waiting` that there are some. Rows are taken in the order of (key, name), as everywhere, so that
 * statements cannot deadlock.
 */
const claimStatement = once(
  'lw_claim',
  `with paused as materialized (
    select array_agg(id) as ids from legwork.queue where paused_at is not null
  ), lane as materialized (
    select l.queue_id, l.priority::smallint as priority, l.max, l.follows, case when l.follows then greatest(l.floor, (
        select f.seq from legwork.floor f
         where f.slot = $1::smallint and f.queue_id = l.queue_id and f.priority = l.priority::smallint and f.crew = ${crew}
         order by f.seq desc limit 1)) else l.floor end as floor
      from unnest($3::int[], $4::int[], $5::bigint[], $6::int[], $11::boolean[]) as l(queue_id, priority, floor, max, follows)
  ), given as materialized (
    select coalesce(array_agg(k.job_id), '{}') as ids from legwork.key_holder k
     where k.slot = $1::smallint and k.key = any($13::text[]) and ((k.name, k.key) in (select * from unnest($12::text[], $13::text[]))) is true
  ), picked as materialized (
    select job.* from lane
     cross join lateral (
      select id, name, key, line from legwork.job
       where slot = $1::smallint and queue_id = lane.queue_id and priority = lane.priority and state = 3
         and seq > lane.floor and worker_id is null and name = any($7::text[])
         and (options->>'pin' is null or name || '@' || (options->>'pin') = any($10::text[]))
         and (key is null or $13::text[] = '{}' or ((name, key) in (select * from unnest($12::text[], $13::text[]))) is not true
           or id = any((select ids from given)::bigint[]))
         and (lane.queue_id = any((select ids from paused)::int[])) is not true
       order by seq limit lane.max for update skip locked) job
     limit $8::int
  ), first as materialized (
    select l.name, l.key, l.waiting,
           case when l.id = (
             select e.id from legwork.job e
              where e.slot = $1::smallint and e.name = l.name and e.key = l.key and (e.state = 2 or (e.state = 3 and e.worker_id is null))
              order by e.line limit 1) then l.id end as id
      from (select name, key, id, row_number() over line as place, lead(id) over line is not null as waiting
              from picked where key is not null window line as (partition by key, name order by line)) l
     where l.place = 1
  ), held as (
    insert into legwork.key_holder as k (slot, name, key, job_id, waiting) select $1::smallint, name, key, id, waiting from first order by key, name
      on conflict (slot, key, name) do update set job_id = coalesce(k.job_id, excluded.job_id), waiting = true
      returning job_id
  ), chosen as materialized (
    select id from picked where key is null
    union all
    select id from picked where key is not null and (id in (select job_id from held)) is true
  ), claimed as (
    update legwork.job j set worker_id = $2::int, claim = j.claim + 1, attempt = j.attempt + 1, claimed_at = legwork.now()
     where j.slot = $1::smallint and j.id = any(array(select id from chosen))
     returning j.id, j.queue_id, j.name, j.priority, j.seq, j.input::text as input, (date_part('epoch', j.created_at) * 1000)::bigint as created, j.key,
               case when j.claim > 1 or j.attempt > 1 or j.seq <> j.id >> 8 or j.tags is not null or j.headers is not null or j.trace is not null
                      or j.options is not null or j.crashes > 0 or j.awaited
                 then jsonb_build_object('seq', j.seq, 'claim', j.claim, 'attempt', j.attempt, 'crashes', j.crashes, 'tags', j.tags,
                   'headers', j.headers, 'trace', j.trace, 'options', j.options, 'awaited', j.awaited,
                   'late', (j.options->>'startBy')::float8 < extract(epoch from legwork.now()) * 1000)
               end as rare
  ), aside as (
    update legwork.job j set state = 2
     where j.slot = $1::smallint and j.id = any(array(
       select id from picked where key is not null and (id in (select id from chosen)) is not true))
     returning j.queue_id, j.name, j.key
  ), counted as (
    insert into legwork.tally (queue_id, name, state, n)
      select queue_id, name, s.state, s.sign * count(*) from aside, (values (3, -1), (2, 1)) s(state, sign) group by queue_id, name, s.state, s.sign
  ), told as (
    insert into legwork.floor (slot, queue_id, priority, crew, seq)
      select $1::smallint, queue_id, priority, ${crew}, max(seq) from claimed
       where ((queue_id, priority) in (select queue_id, priority from lane where follows)) is true
       group by queue_id, priority having count(*) >= ${worthTelling} on conflict do nothing
  ), leased as (
    insert into legwork.lease (worker_id, batch, slot, ids) select $2::int, $9::int, $1::smallint, array_agg(id) from claimed having count(*) > 0
  )
  select null::int as queue_id, null as name, null::smallint as priority, null as ids, null as inputs, null as created, null::json as keys,
         jsonb_build_object('parked', (select count(*) from aside), 'paused', (select ids from paused),
           'crowded', (select jsonb_build_object('names', jsonb_agg(name), 'keys', jsonb_agg(key))
             from (select name, key from aside group by name, key having count(*) >= greatest($8::int / 4, 5)) c having count(*) > 0),
           'xmin', pg_snapshot_xmin(x)::text, 'xid', pg_current_xact_id_if_assigned()::text, -- after parked, which has made the claim lock its rows
           'relaxed', set_config('synchronous_commit', 'off', true)) as rare
    from pg_current_snapshot() x
  union all
  select queue_id, name, priority, array_agg(id)::text, string_agg(coalesce(input, ''), chr(10)), array_agg(created)::text,
         case when count(key) > 0 then json_agg(key) end, jsonb_object_agg(id, rare) filter (where rare is not null)
    from claimed group by queue_id, name, priority`,
)

/**
 * The first row tells of the claim as a whole, the others of the jobs of one kind each: lists, because a row costs both
 * sides more than what most jobs carry. An input's JSON has no line feed, so one parts them; SQL null is empty.
 */
interface KindRow extends Record<string, unknown> {
  readonly queue_id: number
  readonly name: string
  readonly priority: number
  readonly ids: string
  readonly inputs: string
  readonly created: string
  /** Null when none has one. */
  readonly keys: readonly (string | null)[] | null
  /** By id, of those that are not as most are. */
  readonly rare: Readonly<Record<string, Rare>> | null
}

interface Head extends Record<string, unknown> {
  readonly ids: null
  readonly rare: {
    readonly parked: number
    readonly crowded: Keys | null
    readonly paused: readonly number[] | null
    readonly xmin: string
    readonly xid: string | null
  }
}

const noKeys: Keys = { names: [], keys: [] }

/** Takes up to `limit` ready jobs for a worker, in the order of the lanes. */
export async function claim(on: Queryable, request: ClaimRequest): Promise<Claimed> {
  const { slot, workerId, batch, limit, lanes, names, pins, crowded = noKeys } = request
  const rows = await on.query<Head | KindRow>(claimStatement, [
    slot,
    workerId,
    lanes.map((lane) => lane.queueId),
    lanes.map((lane) => lane.priority),
    lanes.map((lane) => lane.floor),
    lanes.map((lane) => lane.max),
    names,
    limit,
    batch,
    pins,
    lanes.map((lane) => lane.follows === true),
    crowded.names,
    crowded.keys,
  ])
  const jobs: ClaimedJob[] = []
  let head: Head['rare'] | undefined
  for (const row of rows) {
    if (row.ids === null) head = row.rare
    else addJobs(jobs, row, slot, batch)
  }
  return {
    jobs: jobs.toSorted(lanes.length > 1 ? byLane(lanes) : (a, b) => a.seq - b.seq),
    parked: head?.parked ?? 0,
    crowded: head?.crowded ?? undefined,
    whole: crowded.keys.length === 0 && !lanes.some((lane) => lane.follows),
    paused: head?.paused ?? [],
    xmin: Number(head?.xmin),
    xid: head?.xid ? Number(head.xid) : undefined,
  }
}

function addJobs(jobs: ClaimedJob[], row: KindRow, slot: number, batch: number): void {
  const { queue_id: queueId, name, priority, created, keys, rare } = row
  const ids = row.ids.slice(1, -1).split(',')
  const inputs = row.inputs.split('\n')
  const kind = { slot, batch, queueId, name, priority, createdAt: timesOf(created) }
  for (const [place, id] of ids.entries()) {
    const input = inputs[place] === '' ? null : (inputs[place] ?? null)
    jobs.push(new ClaimedJob(kind, place, id, input, keys?.[place] ?? undefined, rare?.[id]))
  }
}

/** Taken apart when a handler asks for the first time: few do. */
function timesOf(text: string): (place: number) => number {
  let times: string[] | undefined
  return (place) => {
    times ??= text.slice(1, -1).split(',')
    return Number(times[place])
  }
}

function byLane(lanes: readonly Lane[]): (a: ClaimedJob, b: ClaimedJob) => number {
  const order = new Map(lanes.map((lane, place) => [laneOf(lane), place]))
  const placeOf = (job: ClaimedJob) => order.get(laneOf(job)) ?? 0
  return (a, b) => placeOf(a) - placeOf(b) || a.seq - b.seq
}

function laneOf({ queueId, priority }: Pick<Lane, 'queueId' | 'priority'>): string {
  return `${queueId}:${priority}`
}
