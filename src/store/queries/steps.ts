import type { SerializedError } from '../../core/errors.ts'
import { type Queryable, repeatable } from '../connection.ts'
import type { Transaction } from '../transaction/transaction.ts'

/** Where a step is: `begun` when it must be known before it ends, `due` while it waits for a time. */
export type StepState = 'begun' | 'done' | 'failed' | 'due'

const codes = { begun: 1, done: 2, failed: 3, due: 4 } as const satisfies Record<StepState, number>
const stateOf = ['begun', 'begun', 'done', 'failed', 'due'] as const satisfies readonly StepState[]

/** What a name stands for: one that was a sleep cannot answer for a step. */
export type StepKind = 'step' | 'sleep' | 'wait' | 'run' | 'runAll' | 'group' | 'hold'

export const kindCodes = { step: 1, sleep: 2, wait: 3, run: 4, runAll: 5, group: 6, hold: 7 } as const satisfies Record<
  StepKind,
  number
>
export const kindOf = [
  'step',
  'step',
  'sleep',
  'wait',
  'run',
  'runAll',
  'group',
  'hold',
] as const satisfies readonly StepKind[]

/** What a durable job remembers of one step. JSON values are text. */
export interface StepEntry {
  readonly name: string
  readonly kind: StepKind
  /** Its number in the order of the starts, from 1. */
  readonly place: number
  readonly state: StepState
  /** Tries that failed. */
  readonly attempt: number
  readonly undoable: boolean
  /** Milliseconds until it goes on; for `due`. */
  readonly delay: number | undefined
  readonly output: string | null
  readonly error: SerializedError | undefined
}

/** An entry to write, fenced by the claim of its job. */
export interface StepWrite extends StepEntry {
  readonly id: string
  readonly claim: number
  /** Milliseconds since it began. */
  readonly took: number
}

/**
 * The fence is a lock as well: a worker that takes the job over meanwhile waits for this commit, and then reads it. What
 * is done or failed for good stays as it is.
 */
const saveStatement = repeatable(
  'lw_steps_save',
  `with mine as materialized (
    select j.id from legwork.job j where j.slot = $1::smallint and j.id = any($2::bigint[]) and j.worker_id = $3::int
       and ((j.id, j.claim) in (select u.id, u.claim from unnest($2::bigint[], $4::int[]) as u(id, claim))) is true
     for no key update
  ), kept as (
    insert into legwork.step as s (slot, job_id, claim, name, place, state, attempt, undoable, due_at, output, error, kind, at, ended_at)
      select $1::smallint, id, claim, name, place, state, attempt, undoable, legwork.now() + delay * interval '1 millisecond', output, error, kind,
             legwork.now() - took * interval '1 millisecond', case when state in (2, 3) then legwork.now() end
        from unnest($2::bigint[], $4::int[], $5::text[], $6::int[], $7::smallint[], $8::smallint[], $9::boolean[], $10::float8[], $11::jsonb[], $12::jsonb[], $13::smallint[], $14::float8[])
          as g(id, claim, name, place, state, attempt, undoable, delay, output, error, kind, took)
       where (id in (select id from mine)) is true
      on conflict (slot, job_id, name) do update
        set state = excluded.state, attempt = excluded.attempt, due_at = excluded.due_at, output = excluded.output, error = excluded.error,
            claim = excluded.claim, seq = excluded.seq, ended_at = excluded.ended_at
        where s.state in (1, 4)
  )
  select id::text as id from mine`,
)

const loadStatement = repeatable(
  'lw_steps_load',
  `select j.id::text as id, j.wakes, s.name, s.kind, s.place, s.state, s.attempt, s.undoable, s.output::text as output, s.error,
          (extract(epoch from s.due_at - legwork.now()) * 1000)::float8 as delay,
          extract(epoch from coalesce(s.ended_at, s.due_at))::float8 as over, s.seq::float8 as seq
     from legwork.job j left join lateral (
       select * from legwork.step s where s.slot = $1::smallint and s.job_id = j.id offset 0) s on true
    where j.slot = $1::smallint and j.id = any($2::bigint[])`,
)

/** The job is being undone from now on, and shows it. Its place in the ready order is given up: not a HOT update, but rare. */
const unwindStatement = repeatable(
  'lw_steps_unwind',
  `with mine as (
    update legwork.job j set state = 5 where j.slot = $1::smallint and j.id = $2::bigint and j.worker_id = $3::int and j.claim = $4::int
     returning j.id
  ), kept as (
    insert into legwork.step (slot, job_id, name, place, state, error)
      select $1::smallint, id, '!undo', 0, 2, $5::jsonb from mine on conflict do nothing
  )
  select id::text as id from mine`,
)

const forgetFailed = repeatable(
  'lw_steps_forget_failed',
  `delete from legwork.step where slot = $1::smallint and job_id = any($2::bigint[]) and state = 3
     and (job_id in (select j.id from legwork.job j where j.slot = $1::smallint and j.id = any($2::bigint[]))) is not true`,
)

/** Writes entries; returns the jobs that are still this worker's. The others' entries are dropped. No two of one step. */
export async function saveSteps(
  on: Queryable,
  slot: number,
  workerId: number,
  writes: readonly StepWrite[],
): Promise<ReadonlySet<string>> {
  const rows = await on.query<{ id: string }>(saveStatement, [
    slot,
    writes.map((write) => write.id),
    workerId,
    writes.map((write) => write.claim),
    writes.map((write) => write.name),
    writes.map((write) => write.place),
    writes.map((write) => codes[write.state]),
    writes.map((write) => write.attempt),
    writes.map((write) => write.undoable),
    writes.map((write) => write.delay ?? null),
    writes.map((write) => write.output),
    writes.map((write) => (write.error ? JSON.stringify(write.error) : null)),
    writes.map((write) => kindCodes[write.kind]),
    writes.map((write) => write.took),
  ])
  return new Set(rows.map((row) => row.id))
}

/** What a job remembers. */
export interface Memory {
  /** How often something has come that it may wait for, as of this look. */
  readonly wakes: number
  /** By name, in the order in which they ended; a sleep ends when its time has come. */
  readonly steps: Map<string, StepEntry>
}

/** Everything these jobs remember. */
export async function loadSteps(on: Queryable, slot: number, ids: readonly string[]): Promise<Map<string, Memory>> {
  const memories = new Map<string, Memory>()
  const rows = await on.query<StepRow>(loadStatement, [slot, ids])
  for (const row of rows.toSorted(byEnd)) {
    const memory = memories.get(row.id) ?? { wakes: row.wakes, steps: new Map<string, StepEntry>() }
    memories.set(row.id, memory)
    if (row.name !== null) memory.steps.set(row.name, entryOf(row, row.name))
  }
  return memories
}

function byEnd(a: StepRow, b: StepRow): number {
  return (a.over ?? Infinity) - (b.over ?? Infinity) || a.seq - b.seq
}

/** Notes for good that a job's steps are being undone, and why. False when the job is not this worker's any more. */
export async function unwind(on: Queryable, workerId: number, job: StepJob, why: string): Promise<boolean> {
  return (await on.query(unwindStatement, [job.slot, job.id, workerId, job.claim, why])).length > 0
}

/** Steps (and undos) that failed for good may be tried again. */
export async function forgetFailedSteps(on: Queryable, slot: number, ids: readonly string[]): Promise<void> {
  await on.query(forgetFailed, [slot, ids])
}

/** In a transaction of the caller, whatever library it is of: one row, plain values. The lock keeps others from taking the job over. */
const lockText = `select j.id::text as id, s.state::text as state, s.output::text as output
   from legwork.job j left join legwork.step s on s.slot = $1::smallint and s.job_id = $2::bigint and s.name = $5::text and s.state = 2
  where j.slot = $1::smallint and j.id = $2::bigint and j.claim = $3::int and j.worker_id = $4::int for no key update of j`
const writeText = `insert into legwork.step as s (slot, job_id, name, place, state, attempt, undoable, output, claim, at, ended_at)
  values ($1::smallint, $2::bigint, $3::text, $4::int, 2, $5::smallint, $6::int = 1, $7::jsonb, $8::int,
          legwork.now() - $9::float8 * interval '1 millisecond', legwork.now())
  on conflict (slot, job_id, name) do update set state = 2, attempt = excluded.attempt, due_at = null, output = excluded.output, error = null,
      claim = excluded.claim, seq = excluded.seq, ended_at = excluded.ended_at
    where s.state in (1, 4)`

export interface StepJob {
  readonly id: string
  readonly slot: number
  readonly claim: number
}

/** The result of a step that is written, JSON text. */
export interface StepResult {
  readonly output: string | null
}

/**
 * Runs `work` and notes its result in the same transaction; one that was committed before is returned instead. Undefined
 * when the job is not this worker's any more.
 */
export async function writeStepWith(
  tx: Transaction,
  workerId: number,
  job: StepJob,
  entry: StepEntry,
  work: () => Promise<string | null>,
  took: () => number,
): Promise<StepResult | undefined> {
  const [row] = await tx.query(lockText, [job.slot, job.id, job.claim, workerId, entry.name])
  if (!row) return undefined
  if (row['state'] === '2') return { output: row['output'] as string | null }
  const output = await work()
  const { name, place, attempt } = entry
  const undoable = entry.undoable ? 1 : 0
  await tx.query(writeText, [job.slot, job.id, name, place, attempt, undoable, output, job.claim, took()])
  return { output }
}

function entryOf({ kind, place, state, attempt, undoable, output, error, delay }: StepRow, name: string): StepEntry {
  const rest = { place, attempt, undoable, output, delay: delay ?? undefined, error: error ?? undefined }
  return { ...rest, name, kind: kindOf[kind] ?? 'step', state: stateOf[state] ?? 'begun' }
}

interface StepRow extends Record<string, unknown> {
  readonly id: string
  readonly wakes: number
  readonly name: string | null
  readonly kind: number
  readonly place: number
  readonly state: number
  readonly attempt: number
  readonly undoable: boolean
  readonly output: string | null
  readonly error: SerializedError | null
  readonly delay: number | null
  readonly over: number | null
  readonly seq: number
}
