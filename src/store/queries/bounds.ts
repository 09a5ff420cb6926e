import type { BoundPlan } from '../../core/bound.ts'
import type { StoredRule } from '../../core/limit.ts'
import { once, type Queryable, repeatable } from '../connection.ts'

/** A bound and what it has come to. */
export interface BoundRow {
  readonly name: string
  readonly queue: string
  readonly rule: StoredRule
  readonly chosen: StoredRule | null
  readonly version: number
  readonly accepted: number
  readonly delayed: number
  readonly shed: number
  readonly coalesced: number
  readonly rejected: number
}

/** How a bound stands for one of its values; '' where it has none. */
export interface BoundUseRow {
  readonly value: string
  readonly unfinished: number
  /** Accepted in the window, and when that ends; null without a rate. */
  readonly accepted: number | null
  readonly until: Date | null
}

const declareStatement = repeatable('lw_bound_declare', 'select legwork.declare_bounds($1::jsonb)')

const listStatement = repeatable(
  'lw_bound_list',
  `select b.name, q.name as queue, b.rule, b.chosen, b.version, b.accepted + u.accepted as accepted, b.put_off + u.delayed as delayed,
          b.dropped + u.shed as shed, b.merged + u.coalesced as coalesced, b.refused::float8 as rejected
     from legwork.bound b join legwork.queue q on q.id = b.queue_id
     cross join lateral (
       select coalesce(sum(o.accepted), 0)::float8 as accepted, coalesce(sum(o.put_off), 0)::float8 as delayed,
              coalesce(sum(o.dropped), 0)::float8 as shed, coalesce(sum(o.merged), 0)::float8 as coalesced
         from legwork.bound_use o where o.bound_id = b.id) u
    where b.name = coalesce($1::text, b.name) order by b.name`,
)

const usageStatement = repeatable(
  'lw_bound_usage',
  `select u.instance as value,
          case when b.rule->>'by' is null then legwork.unfinished(b.queue_id) else (
            select count(*) from legwork.bound_job o join legwork.job j on j.slot = o.slot and j.id = o.job_id
             where o.bound_id = u.bound_id and o.instance = u.instance) end::float8 as unfinished,
          case when b.rule->>'count' is not null then case when legwork.now() < u.tat + w.span then u.spent else 0 end end as accepted,
          case when b.rule->>'count' is not null and legwork.now() < u.tat + w.span then u.tat + w.span end as until
     from legwork.bound b join legwork.bound_use u on u.bound_id = b.id
     cross join lateral (select (b.rule->>'per')::float8 * interval '1 millisecond' as span) w
    where b.name = $1::text order by unfinished desc, accepted desc nulls last, value limit $2::int`,
)

const rejectedStatement = once(
  'lw_bound_rejected',
  `update legwork.bound b set refused = b.refused + u.n from unnest($1::text[], $2::int[]) u(name, n) where b.name = u.name`,
)

const mendStatement = repeatable('lw_bound_mend', 'select legwork.mend_bounds()')

/** Writes what code says of the bounds of these queues; a queue without a plan has none by code any more. */
export async function declareBounds(
  on: Queryable,
  queues: readonly string[],
  plans: readonly BoundPlan[],
): Promise<void> {
  if (queues.length === 0) return
  const bare = queues.filter((queue) => !plans.some((plan) => plan.queue === queue)).map((queue) => ({ queue }))
  await on.query(declareStatement, [JSON.stringify([...plans, ...bare])])
}

/** All bounds, or the one of that name. */
export async function listBounds(on: Queryable, name?: string): Promise<BoundRow[]> {
  return on.query<BoundRow & Record<string, unknown>>(listStatement, [name ?? null])
}

/** How a bound stands for its values, those with the most jobs first. */
export async function boundUsage(on: Queryable, name: string, limit: number): Promise<BoundUseRow[]> {
  return on.query<BoundUseRow & Record<string, unknown>>(usageStatement, [name, limit])
}

/** Counts jobs that bounds have refused, by the names of the bounds. */
export async function countRejected(on: Queryable, counts: ReadonlyMap<string, number>): Promise<void> {
  const sorted = [...counts].toSorted(([a], [b]) => (a < b ? -1 : 1)) // the same lock order in every process
  await on.query(rejectedStatement, [sorted.map(([name]) => name), sorted.map(([, n]) => n)])
}

/** Forgets values that nobody uses. */
export async function mendBounds(on: Queryable): Promise<void> {
  await on.query(mendStatement, [])
}
