import { type Queryable, once } from '../connection.ts'
import { ClaimedJob, type Rare } from './claimed-job.ts'
import { type Keys, noKeys } from './keys.ts'
import type { LaneName } from './lanes.ts'

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

/*
 * No statistics may change the plan, for they can be those of an empty table: the lateral scan is the only one whose
 * order needs no sort (sorts are off in our sessions), and rows are addressed by `slot` and `id = any(…)` in scans of
 * one table, never by a join the planner could turn round.
 *
 * The scan walks each lane in index order from its floor; locking is lazy, so the outer limit stops it exactly.
 * `claimed` writes only worker_id, claim, attempt and claimed_at: no index knows them, the update is HOT.
 *
 * The commit does not wait for the disk: a claim that a crash of the server undoes is a redelivery, no more.
 *
 * Paused queues are left out by this statement's own snapshot: whatever was enqueued after the pause, no claim that was
 * on its way before it can see.
 *
 * What only some claims need stands elsewhere, because a part that has nothing to do costs an idle worker's pickup as
 * much as any other: keys in a function that is called when there are any (legwork.take_keys), and two parts of the text.
 */
const textOf = (lane: string, start: string, filter: string, told: string) =>
  `with paused as materialized (
    select array_agg(id) as ids from legwork.queue where paused_at is not null
  ), picked as materialized (
    select job.* from ${lane}
     cross join lateral (
      select id, name, key, line from legwork.job
       where slot = $1::smallint and queue_id = lane.queue_id and priority = lane.priority::smallint and state = 3
         and seq > ${start} and worker_id is null and name = any($7::text[])
         and (options->>'pin' is null or name || '@' || (options->>'pin') = any($10::text[])) ${filter}
         and (lane.queue_id = any((select ids from paused)::int[])) is not true
       order by seq limit lane.max for update skip locked) job
     limit $8::int
  ), keyed as materialized (
    select k.* from (select array_agg(id) as ids, array_agg(name) as names, array_agg(key) as keys, array_agg(line) as lines
                       from picked where key is not null having count(*) > 0) p
     cross join lateral legwork.take_keys($1::smallint, p.ids, p.names, p.keys, p.lines, $8::int) k
  ), claimed as (
    update legwork.job j set worker_id = $2::int, claim = j.claim + 1, attempt = j.attempt + 1, claimed_at = legwork.now()
     where j.slot = $1::smallint and j.id = any(array(select id from picked where key is null) || (select taken from keyed))
     returning j.id, j.queue_id, j.name, j.priority, j.seq, j.input::text as input, (date_part('epoch', j.created_at) * 1000)::bigint as created, j.key,
               case when j.claim > 1 or j.attempt > 1 or j.seq <> j.id >> 8 or j.tags is not null or j.headers is not null or j.trace is not null
                      or j.options is not null or j.crashes > 0 or j.awaited
                 then jsonb_build_object('seq', j.seq, 'claim', j.claim, 'attempt', j.attempt, 'crashes', j.crashes, 'tags', j.tags,
                   'headers', j.headers, 'trace', j.trace, 'options', j.options, 'awaited', j.awaited,
                   'late', (j.options->>'startBy')::float8 < extract(epoch from legwork.now()) * 1000)
               end as rare
  ), ${told} leased as (
    insert into legwork.lease (worker_id, batch, slot, ids) select $2::int, $9::int, $1::smallint, array_agg(id) from claimed having count(*) > 0
  )
  select null::int as queue_id, null as name, null::smallint as priority, null as ids, null as inputs, null as created, null::json as keys,
         jsonb_build_object('parked', (select parked from keyed), 'crowded', (select crowded from keyed), 'paused', (select ids from paused),
           'xmin', pg_snapshot_xmin(x)::text, 'xid', pg_current_xact_id_if_assigned()::text, -- after parked, which has made the claim lock its rows
           'relaxed', set_config('synchronous_commit', 'off', true)) as rare
    from pg_current_snapshot() x
  union all
  select queue_id, name, priority, array_agg(id)::text, string_agg(coalesce(input, ''), chr(10)), array_agg(created)::text,
         case when count(key) > 0 then json_agg(key) end, jsonb_object_agg(id, rare) filter (where rare is not null)
    from claimed group by queue_id, name, priority`

const claimStatement = once(
  'lw_claim',
  textOf(
    'unnest($3::int[], $4::int[], $5::bigint[], $6::int[]) as lane(queue_id, priority, floor, max)',
    'lane.floor',
    '',
    '',
  ),
)

/** Workers that take the same jobs of a lane. */
const crew = 'hash_array_extended($7::text[] || $10::text[], 0)'

/** A claim of fewer jobs does not follow others, nor tell them where it has got to. */
export const worthTelling = 20

/*
 * The same where others claim as well, or where keys are crowded.
 *
 * Rows that were claimed stay in the index until they are settled, so each of many workers would read what all others
 * have taken. Where workers with the same names and pins have got to, there is nothing for this one either, but for rows
 * that come late, and those are what looks from the final floor are for (worker/floor.ts).
 */
const besideStatement = once(
  'lw_claim_beside',
  textOf(
    'unnest($3::int[], $4::int[], $5::bigint[], $6::int[], $11::boolean[]) as lane(queue_id, priority, floor, max, follows)',
    `greatest(lane.floor, (
           select f.seq from legwork.floor f
            where f.slot = $1::smallint and f.queue_id = lane.queue_id and f.priority = lane.priority::smallint and f.crew = ${crew} and lane.follows
            order by f.seq desc limit 1))`,
    `
         and (key is null or ((name, key) in (select * from unnest($12::text[], $13::text[]))) is not true
           or id = any(array(select k.job_id from legwork.key_holder k
               where k.slot = $1::smallint and k.key = any($13::text[]) and ((k.name, k.key) in (select * from unnest($12::text[], $13::text[]))) is true)))`,
    `told as (
    insert into legwork.floor (slot, queue_id, priority, crew, seq)
      select $1::smallint, queue_id, priority, ${crew}, max(seq) from claimed
       group by queue_id, priority having count(*) >= ${worthTelling} on conflict do nothing
  ),`,
  ),
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
    readonly parked: number | null
    readonly crowded: Keys | null
    readonly paused: readonly number[] | null
    readonly xmin: string
    readonly xid: string | null
  }
}

/** Takes up to `limit` ready jobs for a worker, in the order of the lanes. */
export async function claim(on: Queryable, request: ClaimRequest): Promise<Claimed> {
  const { slot, workerId, batch, limit, lanes, names, pins, crowded = noKeys } = request
  const whole = crowded.keys.length === 0 && !lanes.some((lane) => lane.follows)
  const rows = await on.query<Head | KindRow>(whole ? claimStatement : besideStatement, [
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
    ...(whole ? [] : [lanes.map((lane) => lane.follows === true), crowded.names, crowded.keys]),
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
    whole,
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

/** One text for a lane, to look it up by. */
export function laneOf({ queueId, priority }: LaneName): string {
  return `${queueId}:${priority}`
}
