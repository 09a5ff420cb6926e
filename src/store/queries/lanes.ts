import { type Queryable, repeatable } from '../connection.ts'

/** Where ready jobs wait. */
export interface LaneName {
  readonly queueId: number
  readonly priority: number
}

export interface QueueRow {
  readonly id: number
  readonly name: string
  readonly slot: number
  readonly paused: boolean
}

const listQueues = repeatable(
  'lw_queues',
  'select id, name, slot, paused_at is not null as paused from legwork.queue order by id',
)

/*
 * Looks only into the gaps between the priorities that are known already: dead index entries of a known lane,
 * which a long transaction may keep there by the million, are never walked.
 */
const probe = repeatable(
  'lw_lanes',
  `select gap.queue_id, (
      select j.priority from legwork.job j
       where j.slot = $1::smallint and j.queue_id = gap.queue_id and j.state = 3 and j.priority > gap.low::smallint and j.priority < gap.high::smallint
       order by j.priority, j.seq limit 1) as priority
    from unnest($2::int[], $3::int[], $4::int[]) as gap(queue_id, low, high)`,
)

/* One look per lane into the order of the claim: its first ready job that this worker could take. */
const agesStatement = repeatable(
  'lw_lane_ages',
  `select lane.queue_id, lane.priority, (date_part('epoch', legwork.now()) * 1000)::float8 as now, (
      select (date_part('epoch', greatest(j.created_at, j.run_at)) * 1000)::float8 from legwork.job j
       where j.slot = $1::smallint and j.queue_id = lane.queue_id and j.priority = lane.priority::smallint and j.state = 3
         and j.seq > lane.floor and j.worker_id is null and j.name = any($5::text[])
       order by j.seq limit 1) as since
    from unnest($2::int[], $3::int[], $4::bigint[]) as lane(queue_id, priority, floor)`,
)

/** Since when the first job of each lane waits, and the time now; milliseconds of the database's time. */
export async function laneAges(
  on: Queryable,
  slot: number,
  lanes: readonly (LaneName & { readonly floor: number })[],
  names: readonly string[],
): Promise<{ now: number; lanes: (LaneName & { since: number | undefined })[] }> {
  const rows = await on.query<{ queue_id: number; priority: number; now: number; since: number | null }>(
    agesStatement,
    [
      slot,
      lanes.map((lane) => lane.queueId),
      lanes.map((lane) => lane.priority),
      lanes.map((lane) => lane.floor),
      names,
    ],
  )
  const found = rows.map((row) => ({ queueId: row.queue_id, priority: row.priority, since: row.since ?? undefined }))
  return { now: rows[0]?.now ?? 0, lanes: found }
}

export async function queues(on: Queryable): Promise<QueueRow[]> {
  return on.query<QueueRow & Record<string, unknown>>(listQueues, [])
}

export interface Gap {
  readonly queueId: number
  /** Exclusive bounds. */
  readonly low: number
  readonly high: number
}

/** The first priority with ready jobs in each gap, where there is one. */
export async function probeLanes(
  on: Queryable,
  slot: number,
  gaps: readonly Gap[],
): Promise<{ queueId: number; priority: number }[]> {
  const rows = await on.query<{ queue_id: number; priority: number | null }>(probe, [
    slot,
    gaps.map((gap) => gap.queueId),
    gaps.map((gap) => gap.low),
    gaps.map((gap) => gap.high),
  ])
  return rows.flatMap((row) => (row.priority === null ? [] : [{ queueId: row.queue_id, priority: row.priority }]))
}
