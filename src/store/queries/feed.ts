import type { AttemptRecord, JobRecord } from './find.ts'
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
  `with mine as materialized (
    select j.id from legwork.job j where j.slot = $1::smallint and j.id = any($2::bigint[]) and j.worker_id is not null
       and ((j.id, j.claim) in (select u.id, u.claim from unnest($2::bigint[], $3::int[]) as u(id, claim))) is true
  ), latest as (
    update legwork.job j set progress = $6::jsonb -> j.id::text
     where j.slot = $1::smallint and j.id = any(array(select id from mine)) and $6::jsonb ? j.id::text
  ), kept as (
    insert into legwork.feed (slot, job_id, claim, kind, data)
      select $1::smallint, id, claim, kind, data from unnest($2::bigint[], $3::int[], $4::text[], $5::jsonb[]) with ordinality as g(id, claim, kind, data, ord)
       where (id in (select id from mine)) is true order by ord
  )
  select id::text as id from mine`,
)

/** Writes entries in order. Returns the ids that are still ours; what others claimed meanwhile is dropped. */
export async function appendFeed(
  on: Queryable,
  slot: number,
  given: readonly FeedEntry[],
): Promise<ReadonlySet<string>> {
  const entries = ofLatestClaims(given)
  const rows = await on.query<{ id: string }>(append, [
    slot,
    entries.map((entry) => entry.id),
    entries.map((entry) => entry.claim),
    entries.map((entry) => entry.kind),
    entries.map((entry) => entry.data),
    latestProgress(entries),
  ])
  return new Set(rows.map((row) => row.id))
}

/** The statement fences by id: of a job that this worker has claimed again, only the later claim can be its own. */
function ofLatestClaims(entries: readonly FeedEntry[]): FeedEntry[] {
  const latest = new Map<string, number>()
  for (const { id, claim } of entries) latest.set(id, Math.max(claim, latest.get(id) ?? 0))
  return entries.filter((entry) => entry.claim === latest.get(entry.id))
}

export interface FeedRow {
  readonly claim: number
  readonly seq: string
  readonly at: Date
  readonly kind: 'log' | 'progress'
  readonly data: unknown
}

/** Everything a feed is made of. */
export interface FeedSnapshot {
  readonly job: JobRecord
  readonly attempts: readonly AttemptRecord[]
  readonly lines: readonly FeedRow[]
}

const read = repeatable(
  'lw_feed_read',
  `select claim, seq::text as seq, at, kind, data from legwork.feed f
    where slot = $1::smallint and job_id = $2::bigint and (claim, seq) > ($3::int, $4::bigint)
    order by f.claim, f.seq limit $5::int`,
)

/** Entries of one job after (claim, seq), oldest first. */
export async function readFeed(
  on: Queryable,
  slot: number,
  id: string,
  after: { claim: number; seq: string },
  limit: number,
): Promise<FeedRow[]> {
  return on.query<FeedRow & Record<string, unknown>>(read, [slot, id, after.claim, after.seq, limit])
}

/** The last progress of each job as a JSON object by id. */
function latestProgress(entries: readonly FeedEntry[]): string {
  const latest = new Map(entries.filter((entry) => entry.kind === 'progress').map((entry) => [entry.id, entry.data]))
  return `{${[...latest].map(([id, data]) => `"${id}":${data}`).join(',')}}`
}
