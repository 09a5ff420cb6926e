import { expiredCode, type State, stateOf } from '../../core/states.ts'
import { type Queryable, repeatable } from '../connection.ts'

/* A repeated one changes nothing, and writes no line of the history. */
const pauseStatement = repeatable('lw_queue_pause', 'select legwork.pause_queue($1::text, $2::text, $3::text)')
const resumeStatement = repeatable('lw_queue_resume', 'select legwork.resume_queue($1::text, $2::text)')
const ensureStatement = repeatable(
  'lw_queue_ensure',
  'insert into legwork.queue (name) select unnest($1::text[]) on conflict do nothing',
)
const statusStatement = repeatable(
  'lw_queue_status',
  `select q.name, q.paused_at, q.pause_reason, q.paused_by,
          (select jsonb_object_agg(state, n) from (
             select state, sum(n)::bigint as n from (
               select queue_id, state, n from legwork.count union all select queue_id, state, n from legwork.tally) c
              where c.queue_id = q.id group by state) s) as counts
     from legwork.queue q order by q.name`,
)
/** Distinct: a job that was given back and claimed again is named by two leases until the older one goes. */
const runningStatement = repeatable(
  'lw_queue_running',
  `select q.name, count(distinct j.id)::int as n from legwork.lease l cross join lateral unnest(l.ids) as u(id)
     cross join lateral (select id, queue_id from legwork.job j where j.slot = l.slot and j.id = u.id and j.worker_id = l.worker_id offset 0) j join legwork.queue q on q.id = j.queue_id group by 1`,
)

/** Written by engines for plain-SQL producers and tools; an unchanged definition is not written again. */
const defineStatement = repeatable(
  'lw_define',
  `insert into legwork.definition as d (name, queue, priority, input_schema, output_schema, start_within, needs)
     select u.name, u.queue, u.priority, u.input, u.output, u.start_within, array(select jsonb_array_elements_text(u.needs))
       from unnest($1::text[], $2::text[], $3::smallint[], $4::jsonb[], $5::jsonb[], $6::float8[], $7::jsonb[])
         u(name, queue, priority, input, output, start_within, needs)
     on conflict (name) do update set queue = excluded.queue, priority = excluded.priority, input_schema = excluded.input_schema,
       output_schema = excluded.output_schema, start_within = excluded.start_within, needs = excluded.needs, seen_at = legwork.now()
     where (d.queue, d.priority, d.input_schema, d.output_schema, d.start_within, d.needs) is distinct from
       (excluded.queue, excluded.priority, excluded.input_schema, excluded.output_schema, excluded.start_within, excluded.needs)`,
)

export interface QueueStatus {
  readonly name: string
  readonly paused: boolean
  readonly pausedAt: Date | undefined
  readonly pauseReason: string | undefined
  readonly pausedBy: string | undefined
  /** How many jobs are in each state; states without jobs are 0. From counters, never from a scan. */
  readonly counts: Readonly<Record<State, number>>
  /** Of the cancelled ones, those that had not started in time. */
  readonly expired: number
}

export interface DefinitionRow {
  readonly name: string
  readonly queue: string
  readonly priority: number
  readonly inputSchema: string | null
  readonly outputSchema: string | null
  /** Milliseconds. */
  readonly startWithin?: number | undefined
  /** Labels of the workers that can run it. */
  readonly needs: readonly string[]
}

const installationStatement = repeatable('lw_installation', 'select id::text as id from legwork.installation')

/** The name of this database, the same for all processes. */
export async function installation(on: Queryable): Promise<string> {
  const [row] = await on.query<{ id: string }>(installationStatement, [])
  return row?.id ?? ''
}

export async function pauseQueue(
  on: Queryable,
  name: string,
  reason: string | undefined,
  by: string | undefined,
): Promise<void> {
  await on.query(pauseStatement, [name, reason ?? null, by ?? null])
}

export async function resumeQueue(on: Queryable, name: string, by: string | undefined): Promise<void> {
  await on.query(resumeStatement, [name, by ?? null])
}

export async function ensureQueues(on: Queryable, names: readonly string[]): Promise<void> {
  await on.query(ensureStatement, [names])
}

export async function define(on: Queryable, rows: readonly DefinitionRow[]): Promise<void> {
  const sorted = rows.toSorted((a, b) => (a.name < b.name ? -1 : 1)) // the same lock order in every process
  await on.query(defineStatement, [
    sorted.map((row) => row.name),
    sorted.map((row) => row.queue),
    sorted.map((row) => row.priority),
    sorted.map((row) => row.inputSchema),
    sorted.map((row) => row.outputSchema),
    sorted.map((row) => row.startWithin ?? null),
    sorted.map((row) => JSON.stringify(row.needs)),
  ])
}

export async function queueStatus(on: Queryable): Promise<QueueStatus[]> {
  const rows = await on.query<StatusRow>(statusStatement, [])
  const running = new Map(
    (await on.query<{ name: string; n: number }>(runningStatement, [])).map((row) => [row.name, row.n]),
  )
  return rows.map((row) => ({
    name: row.name,
    paused: row.paused_at !== null,
    pausedAt: row.paused_at ?? undefined,
    pauseReason: row.pause_reason ?? undefined,
    pausedBy: row.paused_by ?? undefined,
    counts: countsOf(row.counts ?? {}, running.get(row.name) ?? 0),
    expired: row.counts?.[expiredCode] ?? 0,
  }))
}

interface StatusRow extends Record<string, unknown> {
  readonly name: string
  readonly paused_at: Date | null
  readonly pause_reason: string | null
  readonly paused_by: string | null
  readonly counts: Record<string, number> | null
}

/** The counters know ready and running together: claiming writes no counter. */
function countsOf(byCode: Readonly<Record<string, number>>, running: number): Record<State, number> {
  const counts: Record<State, number> = {
    scheduled: 0,
    blocked: 0,
    ready: 0,
    running,
    waiting: 0,
    compensating: 0,
    completed: 0,
    dead: 0,
    cancelled: 0,
    compensated: 0,
    compensation_failed: 0,
  }
  const { [expiredCode]: expired = 0, ...rest } = byCode
  for (const [code, n] of Object.entries(rest)) counts[stateOf(Number(code), false)] = n
  counts.cancelled += expired
  counts.ready = Math.max(0, counts.ready - running)
  return counts
}
