import { once, type Queryable, repeatable } from '../connection.ts'

export interface WorkerInfo {
  readonly pid: number
  readonly host: string
  /** Unique to the run of the process: a pid comes back, in containers always. */
  readonly process: string
  readonly version: string
  readonly concurrency: number
  /** The jobs it can run. */
  readonly names: readonly string[]
  /** The versions of them that it can run, `name@version`. */
  readonly pins: readonly string[]
  /** The queues it serves; undefined for all. */
  readonly queues: readonly string[] | undefined
  /** What it can do, for jobs with `needs`. */
  readonly labels: readonly string[]
}

export interface WorkerRecord extends WorkerInfo {
  readonly id: number
  readonly state: 'running' | 'stopping' | 'stopped' | 'dead'
  /** Jobs it held at its last heartbeat. */
  readonly running: number
  readonly startedAt: Date
  readonly beatAt: Date
  readonly endedAt: Date | undefined
}

const register = once(
  'lw_worker_register',
  `insert into legwork.worker (pid, host, process, version, concurrency, names, pins, queues, labels)
   values ($1, $2, $3, $4, $5, $6::text[], $7::text[], $8::text[], $9::text[]) returning id`,
)

const beat = repeatable(
  'lw_worker_beat',
  `update legwork.worker set beat_at = legwork.now(), running = $2, state = $3 where id = $1 and ended_at is null returning id`,
)

const suspect = repeatable('lw_worker_suspect', 'update legwork.worker set suspect = $2::bigint where id = $1')

const end = repeatable(
  'lw_worker_end',
  `update legwork.worker set state = 'stopped', running = 0, ended_at = legwork.now() where id = $1 and ended_at is null`,
)

const list = repeatable(
  'lw_worker_list',
  `select id, pid, host, process, version, concurrency, names, pins, queues, labels, state, running, started_at, beat_at, ended_at from legwork.worker order by id desc limit $1`,
)

/** Joins the running ids to the primary key: which are still this worker's, and which are asked to stop. */
const look = repeatable(
  'lw_worker_look',
  `select u.id::text as id, coalesce(j.claim = u.claim and j.worker_id = $4::int, false) as mine, j.cancel_at is not null as cancel, j.cancel_reason as reason
     from unnest($2::bigint[], $3::int[]) as u(id, claim)
     left join lateral (select * from legwork.job j where j.slot = $1::smallint and j.id = u.id offset 0) j on true`,
)

const leases = repeatable(
  'lw_worker_leases',
  'select batch, slot, ids::text[] as ids from legwork.lease where worker_id = $1',
)

const forgetEnded = repeatable(
  'lw_worker_forget',
  `delete from legwork.worker where ended_at < legwork.now() - $1 * interval '1 millisecond'`,
)

export async function registerWorker(on: Queryable, info: WorkerInfo): Promise<number> {
  const [row] = await on.query<{ id: number }>(register, [
    info.pid,
    info.host,
    info.process,
    info.version,
    info.concurrency,
    info.names,
    info.pins,
    info.queues ?? null,
    info.labels,
  ])
  return Number(row?.id)
}

/** False when the worker has been declared dead: its jobs are no longer its own. */
export async function beatWorker(
  on: Queryable,
  id: number,
  running: number,
  state: 'running' | 'stopping',
): Promise<boolean> {
  return (await on.query(beat, [id, running, state])).length > 0
}

/** Notes which suspect a worker is about to run, or that it has ended (undefined). */
export async function markSuspect(on: Queryable, workerId: number, id: string | undefined): Promise<void> {
  await on.query(suspect, [workerId, id ?? null])
}

export async function endWorker(on: Queryable, id: number): Promise<void> {
  await on.query(end, [id])
}

export async function listWorkers(on: Queryable, limit: number): Promise<WorkerRecord[]> {
  const rows = await on.query<WorkerInfo & WorkerRow>(list, [limit])
  return rows.map(({ started_at, beat_at, ended_at, ...row }) => ({
    ...row,
    queues: row.queues ?? undefined,
    startedAt: started_at,
    beatAt: beat_at,
    endedAt: ended_at ?? undefined,
  }))
}

export interface Held {
  readonly id: string
  readonly claim: number
}

export interface Look {
  readonly id: string
  readonly mine: boolean
  readonly cancel: boolean
  readonly reason: string | null
}

/** Asks after running jobs: is each still ours, and has anyone asked for its cancel? */
export async function lookAfter(on: Queryable, slot: number, workerId: number, held: readonly Held[]): Promise<Look[]> {
  return on.query<Look & Record<string, unknown>>(look, [
    slot,
    held.map((job) => job.id),
    held.map((job) => job.claim),
    workerId,
  ])
}

/** The claims the database holds in this worker's name. */
export async function leasesOf(
  on: Queryable,
  workerId: number,
): Promise<{ batch: number; slot: number; ids: string[] }[]> {
  return on.query(leases, [workerId])
}

/** Forgets workers that ended longer ago than `ms`. */
export async function forgetWorkers(on: Queryable, ms: number): Promise<void> {
  await on.query(forgetEnded, [ms])
}

interface WorkerRow extends Record<string, unknown> {
  readonly id: number
  readonly state: WorkerRecord['state']
  readonly running: number
  readonly queues: string[]
  readonly started_at: Date
  readonly beat_at: Date
  readonly ended_at: Date | null
}
