import type { Json } from '../../core/context.ts'
import type { TimetableSpec } from '../../core/calendar/spec.ts'
import type { Policy } from '../../core/schedule.ts'
import { type Queryable, repeatable, type Row } from '../connection.ts'
import type { NewJob } from './enqueue.ts'

/** What code, or somebody by API, says of a schedule. */
export interface ScheduleDraft {
  readonly id: string
  readonly origin: 'code' | 'api'
  readonly spec: TimetableSpec
  readonly policy: Policy
  readonly job: StoredJob
  /** JSON text; null also for a dynamic one. */
  readonly input: string | null
  /** The input is a function, which only processes with the code can call. */
  readonly dynamic: boolean
}

/** What is enqueued, beside the input. */
export interface StoredJob extends Pick<NewJob, 'name' | 'queue' | 'priority' | 'tags'> {
  readonly key?: string | undefined
  readonly headers?: Readonly<Record<string, Json>>
  readonly options?: Readonly<Record<string, Json>>
}

/** What changes while a schedule lives. */
export interface ScheduleState {
  readonly nextAt: Date | undefined
  readonly dueAt: Date | undefined
  readonly lastAt: Date | undefined
  readonly live: readonly string[]
  readonly runs: number
  readonly missed: number
  readonly skipped: number
  /** How often in a row it could not be fired. */
  readonly trouble: number
  readonly pausedAt: Date | undefined
  readonly pausedUntil: Date | undefined
  readonly pausedBy: string | undefined
  readonly pauseReason: string | undefined
  /** Failures of runs that were fired before do not count. */
  readonly countedFrom: Date
  /** Version of the time zone data that `nextAt` was computed with. */
  readonly zoneData: string
}

/** How a schedule is to stand. */
export interface NewState extends ScheduleState {
  /** Moments at which the next instant may as well fire as at `dueAt`: that is taken in whose part of time the least is due. */
  readonly choices?: { readonly moments: readonly Date[]; readonly part: number }
}

export interface ScheduleRow extends ScheduleDraft, ScheduleState {
  readonly createdAt: Date
  /** When a process with this schedule in its code was seen last. */
  readonly seenAt: Date
}

/** How the rows differ from a draft: not there, another timetable, other policies, or something else. */
export interface Difference {
  readonly id: string
  readonly what: 'new' | 'spec' | 'policy' | 'rest'
  readonly now: Date
  readonly row: ScheduleRow | undefined
}

export const scheduleColumns: string = `s.id, s.origin, s.spec, s.policy, s.job, s.input::text as input, s.dynamic, s.created_at, s.seen_at, s.next_at, s.due_at, s.last_at,
  s.live::text[] as live, s.runs::float8 as runs, s.missed::float8 as missed, s.skipped::float8 as skipped, s.trouble, s.paused_at, s.paused_until,
  s.paused_by, s.pause_reason, s.counted_from, s.zone_data, legwork.now() as now`

const lockStatement = repeatable(
  'lw_schedule_lock',
  'select from legwork.schedule s where s.id = any($1::text[]) order by s.id for update',
)

const drafts = `jsonb_to_recordset($1::jsonb) as g(id text, origin text, dynamic boolean, spec jsonb, policy jsonb, job jsonb, input jsonb)`

/* Only those that differ: thousands that do not are one look-up each. */
const differStatement = repeatable(
  'lw_schedule_differ',
  `select g.id as wanted, case when s.id is null then 'new' when s.spec <> g.spec then 'spec' when s.policy <> g.policy then 'policy' else 'rest' end as what, ${scheduleColumns}
     from ${drafts} left join legwork.schedule s on s.id = g.id
    where (s.spec, s.policy, s.job, s.input, s.dynamic, s.origin) is distinct from (g.spec, g.policy, g.job, g.input, g.dynamic, g.origin)`,
)

const saveStatement = repeatable(
  'lw_schedule_save',
  `insert into legwork.schedule as s (id, origin, dynamic, spec, policy, job, input, zone_data)
     select g.id, g.origin, g.dynamic, g.spec, g.policy, g.job, g.input, $2::text from ${drafts} order by g.id
   on conflict (id) do update set origin = excluded.origin, dynamic = excluded.dynamic, spec = excluded.spec, policy = excluded.policy,
     job = excluded.job, input = excluded.input, seen_at = legwork.now()`,
)

/** What of a row changes while a schedule lives. */
const stateTypes = {
  next_at: 'timestamptz',
  due_at: 'timestamptz',
  last_at: 'timestamptz',
  live: 'bigint[]',
  runs: 'bigint',
  missed: 'bigint',
  skipped: 'bigint',
  trouble: 'smallint',
  paused_at: 'timestamptz',
  paused_until: 'timestamptz',
  paused_by: 'text',
  pause_reason: 'text',
  counted_from: 'timestamptz',
  zone_data: 'text',
}

const pausedBy = 'paused_by = case when g.paused_at is not null then coalesce(g.paused_by, current_user) end'

type StateColumns = Record<'id' | keyof typeof stateTypes, unknown>

const stateStatement = repeatable(
  'lw_schedule_state',
  `update legwork.schedule s set ${Object.keys(stateTypes)
    // who pauses without a name is the role of the database
    .map((name) => (name === 'paused_by' ? pausedBy : `${name} = g.${name}`))
    .join(', ')}
     from jsonb_to_recordset($1::jsonb) as g(id text, ${Object.entries(stateTypes)
       .map(([name, type]) => `${name} ${type}`)
       .join(', ')})
    where s.id = g.id`,
)

const seenStatement = repeatable(
  'lw_schedule_seen',
  `update legwork.schedule s set seen_at = legwork.now() where s.id = any($1::text[]) and s.seen_at < legwork.now() - interval '5 minutes'`,
)

const listStatement = repeatable(
  'lw_schedule_list',
  `select ${scheduleColumns} from legwork.schedule s where s.id = coalesce($1::text, s.id) order by s.id`,
)

const removeStatement = repeatable(
  'lw_schedule_remove',
  `with gone as (delete from legwork.schedule s where s.id = $1::text returning s.id), forgotten as (
     delete from legwork.firing f where f.schedule = $1::text)
   select id from gone`,
)

const outdatedStatement = repeatable(
  'lw_schedule_outdated',
  `select ${scheduleColumns} from legwork.schedule s where s.zone_data < $1::text order by s.id limit 200 for update skip locked`,
)

/** Takes the rows for the rest of the transaction. */
export async function lockSchedules(tx: Queryable, ids: readonly string[]): Promise<void> {
  await tx.query(lockStatement, [ids])
}

/** Those of the drafts that are not in the database as they are. */
export async function differences(on: Queryable, given: readonly ScheduleDraft[]): Promise<Difference[]> {
  const rows = await on.query<ScheduleColumns & { wanted: string; what: Difference['what'] }>(differStatement, [
    draftJson(given),
  ])
  return rows.map((row) => ({
    id: row.wanted,
    what: row.what,
    now: row.now,
    row: row.what === 'new' ? undefined : scheduleOf(row),
  }))
}

export async function saveDrafts(tx: Queryable, given: readonly ScheduleDraft[], zoneData: string): Promise<void> {
  await tx.query(saveStatement, [draftJson(given), zoneData])
}

/** Writes how schedules stand now. */
export async function writeStates(
  tx: Queryable,
  states: readonly (ScheduleState & { readonly id: string })[],
): Promise<void> {
  if (states.length === 0) return
  await tx.query(stateStatement, [JSON.stringify(states.map(stateColumns))])
}

/** Notes that a process has these schedules in its code. */
export async function seeSchedules(on: Queryable, ids: readonly string[]): Promise<void> {
  await on.query(seenStatement, [ids])
}

/** All schedules by id, or the one of that id. */
export async function listSchedules(on: Queryable, id?: string): Promise<ScheduleRow[]> {
  return (await on.query<ScheduleColumns>(listStatement, [id ?? null])).map(scheduleOf)
}

/** Forgets a schedule and its history; its jobs stay. False when there is none. */
export async function removeSchedule(on: Queryable, id: string): Promise<boolean> {
  return (await on.query(removeStatement, [id])).length > 0
}

/** Up to 200 schedules that were computed with older time zone data, taken for this transaction, and the time. */
export async function outdatedSchedules(
  tx: Queryable,
  zoneData: string,
): Promise<{ rows: ScheduleRow[]; now: Date | undefined }> {
  const rows = await tx.query<ScheduleColumns>(outdatedStatement, [zoneData])
  return { rows: rows.map(scheduleOf), now: rows[0]?.now }
}

export interface ScheduleColumns extends Row {
  readonly id: string
  readonly origin: 'code' | 'api'
  readonly spec: TimetableSpec
  readonly policy: Policy
  readonly job: StoredJob
  readonly input: string | null
  readonly dynamic: boolean
  readonly created_at: Date
  readonly seen_at: Date
  readonly next_at: Date | null
  readonly due_at: Date | null
  readonly last_at: Date | null
  readonly live: string[]
  readonly runs: number
  readonly missed: number
  readonly skipped: number
  readonly trouble: number
  readonly paused_at: Date | null
  readonly paused_until: Date | null
  readonly paused_by: string | null
  readonly pause_reason: string | null
  readonly counted_from: Date
  readonly zone_data: string
  readonly now: Date
}

export function scheduleOf(row: ScheduleColumns): ScheduleRow {
  const { id, origin, spec, policy, job, input, dynamic, live, runs, missed, skipped, trouble } = row
  return {
    id,
    origin,
    spec,
    policy,
    job,
    input,
    dynamic,
    live,
    runs,
    missed,
    skipped,
    trouble,
    createdAt: row.created_at,
    seenAt: row.seen_at,
    nextAt: row.next_at ?? undefined,
    dueAt: row.due_at ?? undefined,
    lastAt: row.last_at ?? undefined,
    pausedAt: row.paused_at ?? undefined,
    pausedUntil: row.paused_until ?? undefined,
    pausedBy: row.paused_by ?? undefined,
    pauseReason: row.pause_reason ?? undefined,
    countedFrom: row.counted_from,
    zoneData: row.zone_data,
  }
}

function draftJson(given: readonly ScheduleDraft[]): string {
  return `[${given
    .map(({ input, ...rest }) => `${JSON.stringify(rest).slice(0, -1)}${input === null ? '' : `,"input":${input}`}}`)
    .join(',')}]`
}

function stateColumns(state: ScheduleState & { readonly id: string }): StateColumns {
  const { id, live, runs, missed, skipped, trouble } = state
  return {
    id,
    live,
    runs,
    missed,
    skipped,
    trouble,
    next_at: state.nextAt,
    due_at: state.dueAt,
    last_at: state.lastAt,
    paused_at: state.pausedAt,
    paused_until: state.pausedUntil,
    paused_by: state.pausedBy,
    pause_reason: state.pauseReason,
    counted_from: state.countedFrom,
    zone_data: state.zoneData,
  }
}
