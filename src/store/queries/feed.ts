import type { AttemptRecord, JobRecord } from './find.ts'
import type { SerializedError } from '../../core/errors.ts'
import { type Queryable, repeatable } from '../connection.ts'
import { kindOf, type StepKind } from './steps.ts'

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
  readonly steps: readonly StepNews[]
}

/** How far somebody has read a feed. */
export interface FeedPlace {
  readonly claim: number
  readonly seq: string
  /** The last step that was seen; none when it is left out. */
  readonly step?: string
}

/** A step as it was written last, or an undo. */
export interface StepNews {
  readonly claim: number
  readonly seq: string
  readonly at: Date
  readonly step: string
  readonly kind: StepKind
  readonly isUndo: boolean
  readonly state: 'started' | 'completed' | 'failed' | 'waiting'
  /** Tries that failed. */
  readonly failures: number
  readonly dueAt: Date | undefined
  readonly error: SerializedError | undefined
  /** What a person has said of an undo. */
  readonly resolved: 'skip' | 'done' | undefined
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

/** A job has at most a few thousand, which its key finds: they need no index of their own. */
const news = repeatable(
  'lw_feed_steps',
  `select claim, seq::text as seq, coalesce(ended_at, at) as at, name, kind, state, attempt, due_at, error, output ->> 'resolved' as resolved
     from legwork.step s where s.slot = $1::smallint and s.job_id = $2::bigint and s.seq > $3::bigint
      and (s.name not like '!%' or s.name like '!undo %') order by s.seq limit $4::int`,
)

/** The steps that were written after a place, in that order: of each what was written last. */
export async function readSteps(
  on: Queryable,
  slot: number,
  id: string,
  after: string,
  limit: number,
): Promise<StepNews[]> {
  return (await on.query<NewsRow>(news, [slot, id, after, limit])).map((row) => ({
    claim: row.claim,
    seq: row.seq,
    at: row.at,
    step: row.name.replace(/^!undo /, ''),
    kind: kindOf[row.kind] ?? 'step',
    isUndo: row.name.startsWith('!undo '),
    state: newsStates[row.state] ?? 'started',
    failures: row.attempt,
    dueAt: row.due_at ?? undefined,
    error: row.error ?? undefined,
    resolved: row.resolved ?? undefined,
  }))
}

const newsStates = ['started', 'started', 'completed', 'failed', 'waiting'] as const

interface NewsRow extends Record<string, unknown> {
  readonly claim: number
  readonly seq: string
  readonly at: Date
  readonly name: string
  readonly kind: number
  readonly state: number
  readonly attempt: number
  readonly due_at: Date | null
  readonly error: SerializedError | null
  readonly resolved: 'skip' | 'done' | null
}

/** The last progress of each job as a JSON object by id. */
function latestProgress(entries: readonly FeedEntry[]): string {
  const latest = new Map(entries.filter((entry) => entry.kind === 'progress').map((entry) => [entry.id, entry.data]))
  return `{${[...latest].map(([id, data]) => `"${id}":${data}`).join(',')}}`
}
