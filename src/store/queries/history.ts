import type { SerializedError } from '../../core/errors.ts'
import { type Queryable, repeatable } from '../connection.ts'
import { stepStates } from './look.ts'
import { kindOf, type StepKind } from './steps.ts'

/** One entry of what a job, live or finished, remembers. JSON values are text. */
export interface HistoryRow {
  readonly name: string
  readonly kind: StepKind
  readonly state: 'running' | 'waiting' | 'done' | 'failed'
  /** Tries that failed. */
  readonly attempt: number
  readonly output: string | null
  readonly error: SerializedError | undefined
  /** Grows in the order of the ends; of what has not ended it says nothing. */
  readonly ended: number
}

/**
 * By the job's primary key. A sleep is over when its time had come before the job ended: nothing is written then. The
 * process times short sleeps itself, and its timers may be a little early.
 */
const historyStatement = repeatable(
  'lw_history',
  `select s.name, s.kind, s.attempt, s.output::text as output, s.error, (rank() over (order by coalesce(s.ended_at, s.due_at), s.seq))::int as ended,
          case when s.kind = 2 and s.due_at - interval '10 milliseconds' <= coalesce(
            (select max(f.finished_at) from legwork.finished f where f.slot = $1::smallint and f.id = $2::bigint), legwork.now()) then 2 else s.state end as state
     from legwork.step s where s.slot = $1::smallint and s.job_id = $2::bigint
      and s.name <> '!undo' and s.name <> '!checkpoint' and s.name not like '!undo %' and s.name not like '!call %' order by s.place`,
)

/** What the handler of a job has asked for and what it got, in the order of the starts; not what undid it. */
export async function history(on: Queryable, slot: number, id: string): Promise<HistoryRow[]> {
  return (await on.query<Raw>(historyStatement, [slot, id])).map(
    ({ name, kind, state, attempt, output, error, ended }) => ({
      name,
      attempt,
      output,
      ended,
      error: error ?? undefined,
      kind: kindOf[kind] ?? 'step',
      state: stepStates[state] ?? 'running',
    }),
  )
}

interface Raw extends Record<string, unknown> {
  readonly name: string
  readonly kind: number
  readonly state: number
  readonly attempt: number
  readonly output: string | null
  readonly error: SerializedError | null
  readonly ended: number
}
