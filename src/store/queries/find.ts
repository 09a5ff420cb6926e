import type { Json } from '../../core/context.ts'
import type { SerializedError } from '../../core/errors.ts'
import { type FinalState, isFinal, type State } from '../../core/states.ts'
import { type Queryable, repeatable, type Row } from '../connection.ts'

/** Everything there is to know about a job, live or finished. */
export interface JobRecord {
  readonly id: string
  readonly name: string
  readonly queue: string
  readonly state: State
  readonly priority: number
  /** Attempts started and counted so far. */
  readonly attempt: number
  /** Workers that died while it ran. */
  readonly crashes: number
  /** How often it has been claimed; the number that fences it. */
  readonly claim: number
  readonly key: string | undefined
  readonly unique: string | undefined
  readonly tags: readonly string[]
  readonly headers: Readonly<Record<string, string>>
  readonly traceparent: string | undefined
  readonly input: Json | undefined
  readonly progress: Json | undefined
  readonly output: Json | undefined
  /** The error that made it dead. */
  readonly error: SerializedError | undefined
  /** Why it is dead or cancelled. */
  readonly reason: string | undefined
  /** Why it is not running although it could be; only in `ref.status()`. */
  readonly waitsFor?: string | undefined
  readonly worker: number | undefined
  /** Of the definition that it was enqueued with. */
  readonly version: string | undefined
  /** The one version that may run it. */
  readonly pin: string | undefined
  readonly createdAt: Date
  /** When it is or was due, for a delayed job or a retry. */
  readonly runAt: Date | undefined
  readonly startedAt: Date | undefined
  readonly finishedAt: Date | undefined
}

export const jobColumns = `id::text as id, name, queue, state, priority, attempt, crashes, claim, key, unique_key, tags, headers, trace,
  input::text as input, progress::text as progress, output::text as output, error, reason, worker_id, created_at, run_at, started_at, finished_at, version, pin`

const findStatement = repeatable(
  'lw_find',
  `select ${jobColumns} from legwork.jobs where slot = $1::smallint and id = $2::bigint`,
)

export async function find(on: Queryable, slot: number, id: string): Promise<JobRecord | undefined> {
  const [row] = await on.query(findStatement, [slot, id])
  return row && recordOf(row)
}

/** How a finished job ended; what a waiter needs and no more. JSON is text. */
export interface Ended {
  readonly id: string
  readonly name: string
  readonly state: FinalState
  readonly output: string | null
  readonly error: SerializedError | null
  readonly reason: string | null
  readonly attempt: number
  /** Whose ending it is: the claim it was written under. */
  readonly claim: number
}

const codes = `case state when 10 then 'completed' when 11 then 'dead' when 12 then 'cancelled' when 13 then 'compensated' else 'compensation_failed' end`
const endedStatement = repeatable(
  'lw_ended',
  `select f.id::text as id, name, ${codes} as state, output::text as output, error, reason, attempt, claim
     from legwork.finished f where f.slot = $1::smallint and f.id = any($2::bigint[])`,
)

const knownStatement = repeatable(
  'lw_known',
  `select u.id::text as id from unnest($2::bigint[]) u(id)
    where (u.id in (select j.id from legwork.job j where j.slot = $1::smallint and j.id = any($2::bigint[]))) is not true
      and (u.id in (select f.id from legwork.finished f where f.slot = $1::smallint and f.id = any($2::bigint[]))) is not true`,
)

/** Those of the ids that have ended. */
export async function ended(on: Queryable, slot: number, ids: readonly string[]): Promise<Ended[]> {
  return on.query<Ended & Row>(endedStatement, [slot, ids])
}

/** Those of the ids that exist nowhere (any more). */
export async function missing(on: Queryable, slot: number, ids: readonly string[]): Promise<string[]> {
  return (await on.query<{ id: string }>(knownStatement, [slot, ids])).map((row) => row.id)
}

/** One attempt that did not complete its job. */
export interface AttemptRecord {
  readonly attempt: number
  readonly claim: number
  readonly outcome: 'retry' | 'snooze' | 'released' | 'crashed' | 'dead' | 'cancelled'
  readonly worker: number | undefined
  readonly startedAt: Date | undefined
  readonly endedAt: Date
  /** Milliseconds until the next attempt was due. */
  readonly delay: number | undefined
  readonly error: SerializedError | undefined
}

const attemptStatement = repeatable(
  'lw_attempts',
  `select attempt, claim, outcome, worker_id, started_at, at, delay_ms::float8 as delay_ms, error from legwork.attempt
    where slot = $1::smallint and job_id = $2::bigint order by claim, at`,
)

export async function attempts(on: Queryable, slot: number, id: string): Promise<AttemptRecord[]> {
  const rows = await on.query<AttemptRow>(attemptStatement, [slot, id])
  return rows.map((row) => ({
    attempt: row.attempt,
    claim: row.claim,
    outcome: row.outcome,
    worker: row.worker_id ?? undefined,
    startedAt: row.started_at ?? undefined,
    endedAt: row.at,
    delay: row.delay_ms ?? undefined,
    error: row.error ?? undefined,
  }))
}

interface AttemptRow extends Row {
  readonly attempt: number
  readonly claim: number
  readonly outcome: AttemptRecord['outcome']
  readonly worker_id: number | null
  readonly started_at: Date | null
  readonly at: Date
  readonly delay_ms: number | null
  readonly error: SerializedError | null
}

/** A row of legwork.jobs as a record. */
export function recordOf(row: Row): JobRecord {
  const state = row['state'] as State
  return {
    id: String(row['id']),
    name: String(row['name']),
    queue: String(row['queue']),
    state,
    priority: Number(row['priority']),
    attempt: Number(row['attempt']),
    crashes: Number(row['crashes']),
    claim: Number(row['claim']),
    key: optional(row['key']) as string | undefined,
    unique: optional(row['unique_key']) as string | undefined,
    tags: (optional(row['tags']) as string[] | undefined) ?? [],
    headers: (optional(row['headers']) as Record<string, string> | undefined) ?? {},
    traceparent: optional(row['trace']) as string | undefined,
    input: parsed(row['input']),
    progress: parsed(row['progress']),
    output: parsed(row['output']),
    error: optional(row['error']) as SerializedError | undefined,
    reason: isFinal(state) ? (optional(row['reason']) as string | undefined) : undefined,
    worker: state === 'running' || isFinal(state) ? (optional(row['worker_id']) as number | undefined) : undefined,
    version: optional(row['version']) as string | undefined,
    pin: optional(row['pin']) as string | undefined,
    createdAt: row['created_at'] as Date,
    runAt: optional(row['run_at']) as Date | undefined,
    startedAt: optional(row['started_at']) as Date | undefined,
    finishedAt: optional(row['finished_at']) as Date | undefined,
  }
}

function optional(value: unknown): unknown {
  return value ?? undefined
}

function parsed(value: unknown): Json | undefined {
  return typeof value === 'string' ? (JSON.parse(value) as Json) : undefined
}
