import { type Queryable, repeatable, once } from '../connection.ts'
import type { StepEntry, StepJob } from './steps.ts'
import type { LaneName } from './lanes.ts'

/**
 * One row lock decides between a job that parks and a signal that comes: whoever is second sees what the first has done,
 * the job by the count of its wakes, the signal by the state.
 */
const sendText = (target: string) => `with ${target}, kept as (
    insert into legwork.signal (slot, job_id, topic, data) select $1::smallint, id, $3::text, $4::jsonb from target
  ), woken as (
    update legwork.job j set wakes = j.wakes + 1, state = case when j.state = 4 then 3 else j.state end,
           seq = case when j.state = 4 then nextval('legwork.job_seq') else j.seq end
     where j.slot = $1::smallint and j.id = (select id from target) returning j.queue_id, j.name, j.priority
  ), counted as (
    insert into legwork.tally (queue_id, name, state, n)
      select queue_id, name, s.state, s.n from woken cross join (values (4::smallint, -1), (3::smallint, 1)) s(state, n)
       where (select was from target) = 4
  )
  select queue_id, priority, (select was from target) = 4 as woken from woken`

const lockedText = `locked as materialized (
    select id, state as was from legwork.job where slot = $1::smallint and id = $2::bigint for update
  )`

const sendStatement = once('lw_signal_send', sendText(lockedText.replace('locked', 'target')))

/** Who comes second with the same nonce waits for the lock of the job, and then the nonce is there. */
const sendOnceStatement = once(
  'lw_signal_send_once',
  sendText(`${lockedText}, used as (
    insert into legwork.used_token (slot, job_id, nonce, expires_at)
      select $1::smallint, id, $5::text, $6::timestamptz from locked on conflict do nothing returning job_id
  ), target as materialized (
    select l.id, l.was from locked l where l.id in (select job_id from used)
  )`),
)

const usedStatement = repeatable(
  'lw_token_used',
  'select 1 as used from legwork.used_token where slot = $1::smallint and job_id = $2::bigint and nonce = $3::text',
)

const waitingStatement = repeatable(
  'lw_signals',
  `select id::text as id, data::text as data from legwork.signal s
    where slot = $1::smallint and job_id = $2::bigint and topic = $3::text and taken_by is null order by s.id limit 1000`,
)

/** Takes a signal and notes it as the result of the wait, or neither; a second try of the same wait finds what the first has done. */
const takeStatement = repeatable(
  'lw_signal_take',
  `with mine as materialized (
    select j.id from legwork.job j
     where j.slot = $1::smallint and j.id = $2::bigint and j.claim = $3::int and j.worker_id = $4::int for no key update
  ), taken as (
    update legwork.signal s set taken_by = $6::text
     where s.slot = $1::smallint and s.job_id = (select id from mine) and s.id = $5::bigint and coalesce(s.taken_by, $6::text) = $6::text returning s.data
  ), kept as (
    insert into legwork.step as s (slot, job_id, name, place, state, output, kind, claim, at, ended_at)
      select $1::smallint, $2::bigint, $6::text, $7::int, 2, coalesce(data, 'null'), 3, $3::int,
             legwork.now() - $8::float8 * interval '1 millisecond', legwork.now() from taken
      on conflict (slot, job_id, name) do update set state = 2, due_at = null, output = excluded.output,
          claim = excluded.claim, seq = excluded.seq, ended_at = excluded.ended_at
        where s.state in (1, 4)
  )
  select (select count(*) from taken) = 1 as taken from mine`,
)

/** Sends JSON text to an unfinished job and wakes it if it is parked; undefined when there is no such job. */
export async function sendSignal(
  on: Queryable,
  slot: number,
  id: string,
  topic: string,
  data: string | null,
): Promise<readonly LaneName[] | undefined> {
  return lanesOf(await on.query<SentRow>(sendStatement, [slot, id, topic, data]))
}

/** What makes the use of a token different from that of others. */
export interface TokenUse {
  readonly nonce: string
  readonly expires: Date
}

/** The same, once for each nonce of a job; `'used'` when that was done before. */
export async function sendSignalOnce(
  on: Queryable,
  slot: number,
  id: string,
  topic: string,
  data: string | null,
  { nonce, expires }: TokenUse,
): Promise<readonly LaneName[] | 'used' | undefined> {
  const lanes = lanesOf(await on.query<SentRow>(sendOnceStatement, [slot, id, topic, data, nonce, expires]))
  if (lanes) return lanes
  return (await on.query(usedStatement, [slot, id, nonce])).length > 0 ? 'used' : undefined
}

interface SentRow extends Record<string, unknown> {
  readonly queue_id: number
  readonly priority: number
  readonly woken: boolean
}

function lanesOf([row]: readonly SentRow[]): LaneName[] | undefined {
  if (!row) return undefined
  return row.woken ? [{ queueId: row.queue_id, priority: row.priority }] : []
}

export interface Signal {
  readonly id: string
  /** JSON text. */
  readonly data: string | null
}

/** The signals of a topic that nobody has taken yet, oldest first. */
export function waitingSignals(on: Queryable, job: StepJob, topic: string): Promise<Signal[]> {
  return on.query<Signal & Record<string, unknown>>(waitingStatement, [job.slot, job.id, topic])
}

/** Whether it was still there; undefined when the job is not this worker's any more. */
export async function takeSignal(
  on: Queryable,
  workerId: number,
  job: StepJob,
  signal: Signal,
  entry: StepEntry,
  took: number,
): Promise<boolean | undefined> {
  const params = [job.slot, job.id, job.claim, workerId, signal.id, entry.name, entry.place, took]
  const [row] = await on.query<{ taken: boolean }>(takeStatement, params)
  return row?.taken
}
