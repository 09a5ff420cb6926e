import type { Json } from '../../core/context.ts'
import type { SerializedError } from '../../core/errors.ts'
import { type Queryable, repeatable } from '../connection.ts'
import { kindOf, type StepKind } from './steps.ts'

/** One step of a durable job, as people see it. */
export interface StepRecord {
  readonly name: string
  /** What the name stands for. `wait`: for a signal; `run` and `runAll`: child jobs; `group`: one that has failed, written when that begins to be undone. */
  readonly kind: StepKind
  /**
   * `running`: it was written that it has begun, which only steps with `undo` or `atMostOnce` and child jobs do. `waiting`:
   * until `dueAt`, a sleep, a wait with a timeout or a step before its next try. `failed`: for good.
   */
  readonly state: 'running' | 'waiting' | 'done' | 'failed'
  /** Tries so far, as far as they were written. */
  readonly attempts: number
  readonly output: Json | undefined
  /** Of the last try. */
  readonly error: SerializedError | undefined
  /** Has an `undo`. */
  readonly undoable: boolean
  /** Of `step.hold`: `open` until `dueAt`. */
  readonly hold: 'open' | 'confirmed' | 'expired' | undefined
  readonly startedAt: Date
  readonly endedAt: Date | undefined
  readonly dueAt: Date | undefined
}

/** The undo of one step. */
export interface UndoRecord {
  /** The step that is undone. */
  readonly step: string
  /**
   * `registered`: the job is not being undone. `pending`: it is, and this one has not been done yet. `failed`: for good, a
   * person must look. `skipped` and `resolved`: `ref.resolveUndo` was told so.
   */
  readonly state: 'registered' | 'pending' | 'done' | 'failed' | 'skipped' | 'resolved'
  /** Tries so far, as far as they were written. */
  readonly attempts: number
  /** What the step had come to; undefined also when it did not end. */
  readonly output: Json | undefined
  /** Of the last try. */
  readonly error: SerializedError | undefined
  readonly dueAt: Date | undefined
  readonly endedAt: Date | undefined
}

/** A sleep is over when its time has come: nothing is written then. */
const stepsStatement = repeatable(
  'lw_steps_look',
  `select name, kind, case when kind = 2 and s.due_at <= legwork.now() then 2 else s.state end as state, attempt, output::text as output,
          error, undoable, at, coalesce(ended_at, case when kind = 2 and s.due_at <= legwork.now() then s.due_at end) as ended_at,
          coalesce(s.due_at, hold.due_at) as due_at, hold.state as hold
     from legwork.step s left join lateral (
       select h.state, h.due_at from legwork.step h
        where h.slot = $1::smallint and h.job_id = $2::bigint and h.name = '!hold ' || s.name offset 0) hold on true
    where s.slot = $1::smallint and s.job_id = $2::bigint and s.name not like '!%' order by s.place`,
)

const undosStatement = repeatable(
  'lw_undos_look',
  `select u.name, u.output::text as output, u.undo, u.tries, u.due_at, u.ended_at, u.error, u.resolved,
          exists (select from legwork.step s where s.slot = $1::smallint and s.job_id = $2::bigint and s.name = '!undo') as decided,
          exists (select from legwork.finished f where f.slot = $1::smallint and f.id = $2::bigint) as ended
     from legwork.undos($1::smallint, $2::bigint) u`,
)

/** The steps of a job in the order in which they began. */
export async function lookAtSteps(on: Queryable, slot: number, id: string): Promise<StepRecord[]> {
  return (await on.query<StepRow>(stepsStatement, [slot, id])).map((row) => ({
    name: row.name,
    kind: kindOf[row.kind] ?? 'step',
    state: stepStates[row.state] ?? 'running',
    attempts: row.attempt + (row.kind === 1 && row.state === 2 ? 1 : 0),
    output: row.kind > 3 && row.state === 1 ? undefined : parsed(row.output),
    error: row.error ?? undefined,
    undoable: row.undoable,
    hold: row.hold === null ? undefined : holdStates[row.hold],
    startedAt: row.at,
    endedAt: row.ended_at ?? undefined,
    dueAt: row.due_at ?? undefined,
  }))
}

/** The undos of a job in the order in which they are carried out. */
export async function lookAtUndos(on: Queryable, slot: number, id: string): Promise<UndoRecord[]> {
  return (await on.query<UndoRow>(undosStatement, [slot, id])).map((row) => ({
    step: row.name,
    state: undoState(row),
    attempts: (row.tries ?? 0) + (row.undo === 2 && row.resolved === null ? 1 : 0),
    output: parsed(row.output),
    error: row.error ?? undefined,
    dueAt: row.due_at ?? undefined,
    endedAt: row.ended_at ?? undefined,
  }))
}

const holdStates: Readonly<Record<number, StepRecord['hold']>> = { 2: 'confirmed', 3: 'expired', 4: 'open' }

/** As people see the state of a step, by its number in the table. */
export const stepStates = ['running', 'running', 'done', 'failed', 'waiting'] as const

function undoState({ undo, resolved, decided, ended }: UndoRow): UndoRecord['state'] {
  if (undo === 2) return resolved === 'skip' ? 'skipped' : resolved === 'done' ? 'resolved' : 'done'
  if (!decided && undo === null) return 'registered'
  return undo === 3 || ended ? 'failed' : 'pending'
}

function parsed(json: string | null): Json | undefined {
  return json === null ? undefined : (JSON.parse(json) as Json)
}

interface StepRow extends Record<string, unknown> {
  readonly name: string
  readonly kind: number
  readonly state: number
  readonly attempt: number
  readonly output: string | null
  readonly error: SerializedError | null
  readonly undoable: boolean
  readonly hold: number | null
  readonly at: Date
  readonly ended_at: Date | null
  readonly due_at: Date | null
}

interface UndoRow extends Record<string, unknown> {
  readonly name: string
  readonly output: string | null
  readonly undo: number | null
  readonly tries: number | null
  readonly due_at: Date | null
  readonly ended_at: Date | null
  readonly error: SerializedError | null
  readonly resolved: 'skip' | 'done' | null
  readonly decided: boolean
  readonly ended: boolean
}
