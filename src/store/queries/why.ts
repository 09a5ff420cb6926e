import { type Queryable, repeatable } from '../connection.ts'
import { breakerPrefix, type StoredRule, workerPrefix } from '../../core/limit.ts'
import { pinOf } from '../../core/version.ts'
import type { JobRecord } from './find.ts'

const whyStatement = repeatable(
  'lw_why',
  `select q.paused_at is not null as paused, q.pause_reason,
          (select count(*)::int from legwork.worker w
            where w.ended_at is null and $2::text = any(w.names) and ($6::text is null or $6::text = any(w.pins)) and (w.queues is null or q.name = any(w.queues))) as workers,
          (select jsonb_agg(jsonb_build_object('need', n.need, 'met', exists (
             select from legwork.worker w where w.ended_at is null and n.need = any(w.labels) and (w.queues is null or q.name = any(w.queues)))))
             from legwork.definition d cross join lateral unnest(d.needs) n(need) where d.name = $2::text) as needs,
          (select jsonb_build_object('name', l.name, 'instance', l.instance, 'rule', legwork.rule_of(l.name), 'used', l.used + l.called,
                    'shut', coalesce(l.shut_until > legwork.now(), false), 'reason', l.shut_reason, 'trial', l.trial)
             from legwork.queued_for w join legwork.limiter l on l.id = w.limiter_id where w.slot = $3::smallint and w.job_id = $5::bigint) as limiter,
          -- of the workers that could take it, each holds as many of these jobs as it may
          (select (r.rule->>'running')::int from legwork.limit_rule r where r.name = 'worker:' || $2::text and not exists (
             select from legwork.worker w
              where w.ended_at is null and $2::text = any(w.names) and ($6::text is null or $6::text = any(w.pins)) and (w.queues is null or q.name = any(w.queues))
                and (r.rule->>'running' is null or (r.rule->>'running')::int > (
                  select count(distinct j.id) from legwork.lease l cross join lateral unnest(l.ids) u(id)
                   cross join lateral (select e.id from legwork.job e
                     where e.slot = l.slot and e.id = u.id and e.worker_id = l.worker_id and e.name = $2::text offset 0) j
                   where l.worker_id = w.id)))) as full,
          (select h.job_id::text from legwork.key_holder h where h.slot = $3::smallint and h.key = $4::text and h.name = $2::text) as holder,
          (select h.blocked_at is not null from legwork.key_holder h where h.slot = $3::smallint and h.key = $4::text and h.name = $2::text) as blocked,
          set.kind, set.pending, set.total, set.next
     from legwork.queue q
     left join lateral (
       select b.kind, b.pending, b.total,
              (select m.job_id::text from legwork.member m where m.batch_id = b.id and m.state is null order by m.place limit 1) as next
         from legwork.batch b where b.slot = $3::smallint and b.waiter = $5::bigint and b.pending > 0 order by b.id limit 1) set on true
    where q.name = $1::text`,
)

/** Why a job does not run, in words for a person; undefined when nothing but its turn is missing, or time or a signal. */
export async function whyWaiting(on: Queryable, slot: number, job: JobRecord): Promise<string | undefined> {
  if (job.state !== 'ready' && job.state !== 'blocked' && job.state !== 'waiting') return undefined
  const pin = job.pin === undefined ? null : pinOf(job.name, job.pin)
  const [row] = await on.query<WhyRow>(whyStatement, [job.queue, job.name, slot, job.key ?? null, job.id, pin])
  const open = row && `${row.pending} of ${row.total} have not ended, the first is job ${row.next}`
  if (row?.kind === 2) return `the jobs that it comes after: ${open}`
  if (row?.kind === 1) return `its children: ${open}`
  if (job.state === 'waiting') return undefined
  if (row?.paused) return `queue "${job.queue}" is paused${row.pause_reason ? `: ${row.pause_reason}` : ''}`
  if (row?.limiter) return whyLimited(row.limiter)
  if (row && row.holder !== null && row.holder !== job.id)
    return row.blocked
      ? `job ${row.holder} has failed and blocks the key "${job.key}" until it is retried or the key is unblocked`
      : `job ${row.holder} has the key "${job.key}"`
  if (row?.workers === 0) return whyNobody(job, row.needs ?? [])
  if (row && row.full !== null) return `limit "${workerPrefix}${job.name}" is full in every worker: ${row.full} in each`
  return undefined
}

interface WhyRow extends Record<string, unknown> {
  readonly paused: boolean
  readonly pause_reason: string | null
  readonly workers: number
  /** Most of these jobs in one process, if no worker has room for another. */
  readonly full: number | null
  readonly holder: string | null
  readonly blocked: boolean | null
  readonly needs: readonly Need[] | null
  readonly limiter: Limiter | null
  readonly kind: number | null
  readonly pending: number
  readonly total: number
  readonly next: string | null
}

/** A label that the job needs, and whether any running worker of its queue has it. */
interface Need {
  readonly need: string
  readonly met: boolean
}

function whyNobody({ queue, name, pin }: JobRecord, needs: readonly Need[]): string {
  const serves = `no running worker serves queue "${queue}" and`
  const missing = needs.filter(({ met }) => !met)
  if (missing.length > 0) return `${serves} has the label ${namesOf(missing, ' or ')}`
  if (needs.length > 1) return `${serves} has the labels ${namesOf(needs, ' and ')} together`
  return `${serves} knows ${pin === undefined ? 'a job' : `version ${pin} of a job`} named "${name}"`
}

function namesOf(needs: readonly Need[], between: string): string {
  return needs.map(({ need }) => `"${need}"`).join(between)
}

interface Limiter {
  readonly name: string
  readonly instance: string
  readonly rule: StoredRule
  readonly used: number
  readonly shut: boolean
  readonly reason: string | null
  readonly trial: boolean
}

function whyLimited({ name, instance, rule, used, shut, reason, trial }: Limiter): string {
  const because = reason ? `: ${reason}` : ''
  if (name.startsWith(breakerPrefix)) {
    const breaker = `breaker "${name.slice(breakerPrefix.length)}"`
    return shut
      ? `${breaker} is open${because}`
      : trial
        ? `${breaker} lets a few through to find out`
        : `${breaker} has just closed`
  }
  const limit = instance === '' ? `limit "${name}"` : `limit "${name}" of "${instance}"`
  if (shut) return `${limit} lets nobody begin${because}`
  const { running, count, per } = rule
  if (typeof running === 'number' && used >= running) return `${limit} is full: ${used} of ${running} are running`
  if (typeof count === 'number') return `${limit} lets ${count} begin in ${per} ms`
  return `${limit} lets it in next`
}
