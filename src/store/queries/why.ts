import { type Queryable, repeatable } from '../connection.ts'
import type { JobRecord } from './find.ts'

const whyStatement = repeatable(
  'lw_why',
  `select q.paused_at is not null as paused, q.pause_reason,
          (select count(*)::int from legwork.worker w
            where w.ended_at is null and $2::text = any(w.names) and (w.queues is null or q.name = any(w.queues))) as workers,
          (select h.job_id::text from legwork.key_holder h where h.slot = $3::smallint and h.key = $4::text and h.name = $2::text) as holder
     from legwork.queue q where q.name = $1::text`,
)

/** Why a job that could run does not run, in words for a person; undefined when nothing but its turn is missing. */
export async function whyWaiting(on: Queryable, slot: number, job: JobRecord): Promise<string | undefined> {
  if (job.state !== 'ready' && job.state !== 'blocked') return undefined
  const [row] = await on.query<{
    paused: boolean
    pause_reason: string | null
    workers: number
    holder: string | null
  }>(whyStatement, [job.queue, job.name, slot, job.key ?? null])
  if (row?.paused) return `queue "${job.queue}" is paused${row.pause_reason ? `: ${row.pause_reason}` : ''}`
  if (row && row.holder !== null && row.holder !== job.id) return `job ${row.holder} has the key "${job.key}"`
  if (row?.workers === 0) return `no running worker serves queue "${job.queue}" and knows a job named "${job.name}"`
  return undefined
}
