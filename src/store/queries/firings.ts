import type { FiringKind, StoredFiring } from '../../core/firing.ts'
import { type Queryable, repeatable, type Row } from '../connection.ts'
import { type ScheduleColumns, scheduleColumns, scheduleOf, type ScheduleRow } from './schedules.ts'

/** What became of a nominal instant, or of several that were missed in a row. */
export interface NewFiring {
  readonly schedule: string
  readonly nominal: Date
  readonly outcome: 'fired' | 'skipped' | 'missed'
  readonly kind: FiringKind
  readonly until?: Date
  readonly count?: number
  readonly more?: boolean
  readonly reason?: string
}

/** A line of a schedule's history. */
export interface FiringRecord extends Omit<NewFiring, 'schedule' | 'until' | 'count' | 'more' | 'reason'> {
  /** When it was decided. */
  readonly at: Date
  /** Of missed instants in a row the last one. */
  readonly until: Date | undefined
  /** How many instants the line is about. */
  readonly count: number
  /** There were more than `count`. */
  readonly more: boolean
  readonly reason: string | undefined
  /** The id of the job that was fired. */
  readonly job: string | undefined
}

const kinds = ['scheduled', 'catchUp', 'backfill', 'manual'] as const
const outcomes = ['fired', 'skipped', 'missed'] as const

/* In due order through the index; skips what another process has. $1: schedules whose input this process can make. */
const dueStatement = repeatable(
  'lw_schedule_due',
  `select ${scheduleColumns} from legwork.schedule s
    where s.due_at <= legwork.now() and (not s.dynamic or s.id = any($1::text[]))
    order by s.due_at, s.id limit $2::int for update skip locked`,
)

const nextStatement = repeatable(
  'lw_schedule_next',
  `select ceil(extract(epoch from s.due_at - legwork.now()) * 1000)::float8 as ms from legwork.schedule s
    where s.due_at is not null and (not s.dynamic or s.id = any($1::text[])) order by s.due_at, s.id limit 1`,
)

const oneStatement = repeatable(
  'lw_schedule_one',
  `select ${scheduleColumns} from legwork.schedule s where s.id = $1::text for update`,
)

const unfinishedStatement = repeatable(
  'lw_schedule_live',
  'select j.id::text as id from legwork.job j where j.slot = any($1::smallint[]) and j.id = any($2::bigint[])',
)

const sameKeyStatement = repeatable(
  'lw_schedule_key',
  `select u.schedule, j.id::text as id from unnest($1::text[], $2::text[], $3::text[], $4::text[]) u(schedule, name, key, queue)
     join legwork.queue q on q.name = u.queue join legwork.job j on j.slot = q.slot and j.name = u.name and j.key = u.key`,
)

const endedStatement = repeatable(
  'lw_schedule_ended',
  `select max(f.finished_at) as at from legwork.finished f where f.slot = ($1::bigint & 255)::smallint and f.id = $1::bigint`,
)

/* How the newest runs ended, newest first; null: not yet, or it is not known any more. */
const recentStatement = repeatable(
  'lw_schedule_recent',
  `select (select e.state from legwork.finished e where e.slot = (f.job_id & 255)::smallint and e.id = f.job_id limit 1) as state
     from legwork.firing f
    where f.schedule = $1::text and f.outcome = 1 and f.at >= $2::timestamptz order by f.nominal desc limit $3::int`,
)

/*
 * An instant that has fired never fires again by itself. What is asked for by hand or backfilled takes the place of an
 * instant that was skipped or missed, and with `again` of one that has fired.
 */
const noteStatement = repeatable(
  'lw_firing_note',
  `insert into legwork.firing as f (schedule, nominal, outcome, kind, until, count, more, reason)
     select g.schedule, g.nominal, g.outcome, g.kind, g.until, g.count, g.more, g.reason
       from jsonb_to_recordset($1::jsonb) as g(schedule text, nominal timestamptz, outcome smallint, kind smallint, until timestamptz, count int, more boolean, reason text)
   on conflict (schedule, nominal) do update set at = legwork.now(), outcome = excluded.outcome, kind = excluded.kind, until = null, count = 1,
     more = false, reason = excluded.reason, job_id = null
     where excluded.kind >= 2 and (f.outcome <> 1 or $2::boolean)
   returning f.schedule, f.nominal, f.outcome`,
)

const jobsStatement = repeatable(
  'lw_firing_jobs',
  `update legwork.firing f set job_id = u.job from unnest($1::text[], $2::timestamptz[], $3::bigint[]) u(schedule, nominal, job)
    where f.schedule = u.schedule and f.nominal = u.nominal`,
)

const firedStatement = repeatable(
  'lw_firing_find',
  'select f.nominal, f.job_id::text as job from legwork.firing f where f.schedule = $1::text and f.nominal = any($2::timestamptz[]) and f.outcome = 1',
)

const historyStatement = repeatable(
  'lw_firing_history',
  `select f.nominal, f.at, f.until, f.job_id::text as job, f.count, f.outcome, f.kind, f.more, f.reason from legwork.firing f
    where f.schedule = $1::text and f.nominal < coalesce($2::timestamptz, 'infinity') order by f.nominal desc limit $3::int`,
)

const successStatement = repeatable(
  'lw_schedule_success',
  `select f.nominal, e.finished_at as at, e.output::text as output
     from legwork.firing f
     cross join lateral (select d.finished_at, d.output from legwork.finished d
       where d.slot = (f.job_id & 255)::smallint and d.id = f.job_id and d.state = 10 limit 1) e
    where f.schedule = $1::text and f.outcome = 1 and f.job_id is not null order by f.nominal desc limit 1`,
)

const ofJobStatement = repeatable(
  'lw_firing_of_job',
  `select o.schedule from (
     select j.options->'schedule' as schedule from legwork.job j where j.slot = $1::smallint and j.id = $2::bigint
     union all
     select f.options->'schedule' from legwork.finished f where f.slot = $1::smallint and f.id = $2::bigint) o`,
)

const forgetStatement = repeatable(
  'lw_firing_forget',
  `delete from legwork.firing f where f.ctid = any(array(
     select o.ctid from legwork.firing o where o.at < legwork.now() - $1::float8 * interval '1 millisecond' order by o.at limit 10000)) returning 1`,
)

/** Up to `most` schedules that are due, taken for this transaction, and the time. */
export async function dueSchedules(
  tx: Queryable,
  own: readonly string[],
  most: number,
): Promise<{ rows: ScheduleRow[]; now: Date }> {
  const rows = await tx.query<ScheduleColumns>(dueStatement, [own, most])
  return { rows: rows.map(scheduleOf), now: rows[0]?.now ?? new Date(0) }
}

/** Milliseconds until the next one is due, undefined when none will be. */
export async function nextDueSchedule(on: Queryable, own: readonly string[]): Promise<number | undefined> {
  return (await on.query<{ ms: number }>(nextStatement, [own]))[0]?.ms
}

/** A schedule by its id, taken for this transaction; waits for whoever has it. */
export async function takeSchedule(
  tx: Queryable,
  id: string,
): Promise<{ readonly row: ScheduleRow; readonly now: Date } | undefined> {
  const [row] = await tx.query<ScheduleColumns>(oneStatement, [id])
  return row && { row: scheduleOf(row), now: row.now }
}

/** Those of the jobs that are unfinished. */
export async function unfinished(tx: Queryable, ids: readonly string[]): Promise<ReadonlySet<string>> {
  if (ids.length === 0) return new Set()
  const slots = [...new Set(ids.map((id) => Number(BigInt(id) & 255n)))]
  return new Set((await tx.query<{ id: string }>(unfinishedStatement, [slots, ids])).map((row) => row.id))
}

/** The unfinished jobs with the name and key of each schedule's job, by schedule. */
export async function ofSameKey(
  tx: Queryable,
  rows: readonly ScheduleRow[],
): Promise<{ schedule: string; id: string }[]> {
  if (rows.length === 0) return []
  return tx.query<{ schedule: string; id: string }>(sameKeyStatement, [
    rows.map(({ id }) => id),
    rows.map(({ job }) => job.name),
    rows.map(({ job }) => job.key),
    rows.map(({ job }) => job.queue),
  ])
}

/** When a job ended; undefined when that is not known any more. */
export async function endOf(tx: Queryable, id: string): Promise<Date | undefined> {
  return (await tx.query<{ at: Date | null }>(endedStatement, [id]))[0]?.at ?? undefined
}

/** The states in which the newest runs of a schedule ended, newest first. */
export async function recentEnds(tx: Queryable, row: ScheduleRow, most: number): Promise<number[]> {
  const rows = await tx.query<{ state: number | null }>(recentStatement, [row.id, row.countedFrom, most])
  return rows.flatMap(({ state }) => (state === null ? [] : [state]))
}

/** Notes what became of instants; returns those that were not noted before. */
export async function noteFirings(
  tx: Queryable,
  firings: readonly NewFiring[],
  again: boolean,
): Promise<{ schedule: string; nominal: Date }[]> {
  if (firings.length === 0) return []
  const json = firings.map(({ outcome, kind, count = 1, more = false, ...rest }) => ({
    ...rest,
    count,
    more,
    outcome: outcomes.indexOf(outcome) + 1,
    kind: kinds.indexOf(kind),
  }))
  return tx.query<{ schedule: string; nominal: Date }>(noteStatement, [JSON.stringify(json), again])
}

/** Notes which jobs were added for instants. */
export async function noteJobs(
  tx: Queryable,
  fired: readonly { readonly schedule: string; readonly nominal: Date; readonly job: string }[],
): Promise<void> {
  if (fired.length === 0) return
  await tx.query(jobsStatement, [
    fired.map(({ schedule }) => schedule),
    fired.map(({ nominal }) => nominal.toISOString()),
    fired.map(({ job }) => job),
  ])
}

/** The jobs of those of the instants that have fired. */
export async function firedAt(
  on: Queryable,
  schedule: string,
  nominals: readonly Date[],
): Promise<{ nominal: Date; job: string }[]> {
  return on.query<{ nominal: Date; job: string }>(firedStatement, [schedule, nominals.map((at) => at.toISOString())])
}

/** What became of the instants of a schedule, newest first, before an instant. */
export async function firingHistory(
  on: Queryable,
  schedule: string,
  before: Date | undefined,
  limit: number,
): Promise<FiringRecord[]> {
  const rows = await on.query<HistoryRow>(historyStatement, [schedule, before?.toISOString() ?? null, limit])
  return rows.map(({ outcome, kind, until, job, reason, ...row }) => ({
    ...row,
    outcome: outcomes[outcome - 1] ?? 'fired',
    kind: kinds[kind] ?? 'scheduled',
    until: until ?? undefined,
    job: job ?? undefined,
    reason: reason ?? undefined,
  }))
}

/** The newest run of a schedule that completed; the output is JSON text. */
export async function lastSuccess(
  on: Queryable,
  schedule: string,
): Promise<{ nominal: Date; at: Date; output: string | null } | undefined> {
  return (await on.query<{ nominal: Date; at: Date; output: string | null }>(successStatement, [schedule]))[0]
}

/** What a job, live or finished, knows of the schedule that made it. */
export async function firingOfJob(on: Queryable, slot: number, id: string): Promise<StoredFiring | undefined> {
  return (await on.query<{ schedule: StoredFiring | null }>(ofJobStatement, [slot, id]))[0]?.schedule ?? undefined
}

/** Forgets what became of instants that were decided so long ago, in short statements, at most a million rows a call. */
export async function forgetFirings(on: Queryable, age: number): Promise<void> {
  for (let round = 0; round < 100; round++) if ((await on.query(forgetStatement, [age])).length < 10_000) return
}

interface HistoryRow extends Row {
  readonly nominal: Date
  readonly at: Date
  readonly until: Date | null
  readonly job: string | null
  readonly count: number
  readonly outcome: number
  readonly kind: number
  readonly more: boolean
  readonly reason: string | null
}
