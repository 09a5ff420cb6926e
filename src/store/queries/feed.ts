import { type Queryable, repeatable } from '../connection.ts'

/** A line for the feed of a running job, fenced by its claim. `data` is JSON text. */
export interface FeedEntry {
  readonly id: string
  readonly claim: number
  readonly kind: 'log' | 'progress'
  readonly data: string
}

/** Progress also stays on the row: the latest entry per job wins. A HOT update, no index knows the column. */
const append = repeatable(
  'lw_feed_append',
  `with given as materialized (
    select * from unnest($2::bigint[], $3::int[], $4::text[], $5::jsonb[]) with ordinality as g(id, claim, kind, data, ord)
  ), mine as materialized (
    select distinct j.id from (select distinct id, claim from given) g
      join legwork.job j on j.slot = $1::smallint and j.id = g.id and j.claim = g.claim and j.worker_id is not null
  ), latest as (
    update legwork.job j set progress = l.data
      from (select distinct on (id) id, data from given where kind = 'progress' order by id, ord desc) l
     where j.slot = $1::smallint and j.id = l.id and (j.id in (select id from mine)) is true
  ), kept as (
    insert into legwork.feed (slot, job_id, claim, kind, data)
      select $1::smallint, id, claim, kind, data from given where (id in (select id from mine)) is true order by ord
  )
  select id::text as id from mine`,
)

/** Writes entries in order. Returns the ids that are still ours; what others claimed meanwhile is dropped. */
export async function appendFeed(on: Queryable, slot: number, entries: readonly FeedEntry[]): Promise<ReadonlySet<string>> {
  const rows = await on.query<{ id: string }>(append, [
    slot,
    entries.map((entry) => entry.id),
    entries.map((entry) => entry.claim),
    entries.map((entry) => entry.kind),
    entries.map((entry) => entry.data),
  ])
  return new Set(rows.map((row) => row.id))
}

export interface FeedRow {
  readonly claim: number
  readonly seq: string
  readonly at: Date
  readonly kind: 'log' | 'progress'
  readonly data: unknown
}

const read = repeatable(
  'lw_feed_read',
  `select claim, seq::text as seq, at, kind, data from legwork.feed
    where slot = $1::smallint and job_id = $2::bigint and (claim, seq) > ($3::int, $4::bigint) order by claim, seq limit $5::int`,
)

/** Entries of one job after (claim, seq), oldest first. */
export async function readFeed(on: Queryable, slot: number, id: string, after: { claim: number; seq: string }, limit: number): Promise<FeedRow[]> {
  return on.query<FeedRow & Record<string, unknown>>(read, [slot, id, after.claim, after.seq, limit])
}
