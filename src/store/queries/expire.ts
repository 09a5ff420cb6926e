import { expiryOf } from '../../core/expiry.ts'
import { type Queryable, repeatable } from '../connection.ts'
import type { LaneName } from './lanes.ts'
import { finish } from './settle.ts'

/** Jobs that ended because they had not started in time. */
export interface Expired {
  readonly jobs: readonly { readonly id: string; readonly name: string; readonly queue: string }[]
  readonly woken: readonly LaneName[]
}

const isLate = `j.options ? 'startBy' and (j.options ->> 'startBy')::float8 < extract(epoch from legwork.now()) * 1000
       and j.worker_id is null and j.state in (1, 2, 3, 6)`

/** In the order of the index of those that have such a moment: plain jobs are not looked at. */
const findStatement = repeatable(
  'lw_expire_find',
  `select array(select j.id from legwork.job j where j.slot = $1::smallint and ${isLate}
      order by (j.options ->> 'startBy')::float8 limit $2::int)::text[] as ids`,
)

/*
 * Takes them as a claim does, so that they end in the one way in which jobs end: the next statement of the transaction. What
 * another process has locked is being claimed, cancelled or expired there.
 */
const takeStatement = repeatable(
  'lw_expire_take',
  `with late as materialized (
    select j.id, j.state as was from legwork.job j where j.slot = $1::smallint and j.id = any($2::bigint[]) and ${isLate}
     for update skip locked
  ), taken as (
    update legwork.job j set worker_id = $3::int, claim = j.claim + 1, attempt = j.attempt + 1, state = 3
     where j.slot = $1::smallint and j.id = any(array(select id from late))
     returning j.id, j.claim, j.queue_id, j.name, j.key, j.options
  ), counted as (
    insert into legwork.tally (queue_id, name, state, n)
      -- counters know one kind of blocked
      select queue_id, name, s.state, sum(s.n) from taken join late using (id)
       cross join lateral (values (case late.was when 6 then 2 else late.was end, -1), (3::smallint, 1)) s(state, n) where late.was <> 3 group by 1, 2, 3
  )
  select t.id::text as id, t.claim, t.name, t.key, t.options, q.name as queue
    from taken t cross join lateral (select o.name from legwork.queue o where o.id = t.queue_id offset 0) q`,
)

interface Taken extends Record<string, unknown> {
  readonly id: string
  readonly claim: number
  readonly name: string
  readonly key: string | null
  readonly options: Readonly<Record<string, unknown>>
  readonly queue: string
}

/** The jobs of a slot that wait and should have started before now, at most so many. */
export async function findLate(on: Queryable, slot: number, limit: number): Promise<readonly string[]> {
  const [row] = await on.query<{ ids: string[] }>(findStatement, [slot, limit])
  return row?.ids ?? []
}

/** Ends those of the jobs that are still late and that nobody has; call it in a transaction. */
export async function expire(tx: Queryable, slot: number, workerId: number, ids: readonly string[]): Promise<Expired> {
  const taken = await tx.query<Taken>(takeStatement, [slot, ids, workerId])
  if (taken.length === 0) return { jobs: [], woken: [] }
  const endings = taken.map(({ id, claim, key, options }) => {
    const { reason, error } = expiryOf(options)
    const end = { state: 'cancelled', output: null, error: JSON.stringify(error), reason } as const
    return { id, claim, ...end, key: key ?? undefined, limited: true, refused: true }
  })
  const { woken } = await finish(tx, { slot, workerId, emptyBatches: [] }, endings)
  return { jobs: taken.map(({ id, name, queue }) => ({ id, name, queue })), woken }
}
