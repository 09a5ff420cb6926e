import { type Queryable, repeatable } from '../connection.ts'
import type { Lane } from './claim.ts'
import type { Keys } from './keys.ts'

export interface SetAsideRequest {
  readonly slot: number
  /** Where to look. */
  readonly lanes: readonly Pick<Lane, 'queueId' | 'priority' | 'floor'>[]
  /** Keys that are held, as a claim has seen. */
  readonly keys: Keys
  /** Most ready jobs of each lane to look at. */
  readonly most: number
}

export interface SetAside {
  readonly jobs: number
  /** The lanes in which it has looked at something: at how many jobs, and up to which. */
  readonly lanes: readonly (Pick<Lane, 'queueId' | 'priority' | 'floor'> & { readonly looked: number })[]
}

/*
 * Locks the keys first, so that they stay held, and whoever frees one later sees by `waiting` what is set aside here. A
 * claim has it the other way round, jobs and then keys: so a job that somebody has locked is passed over. The first in
 * line, to whom a key was given that nobody has claimed yet, stays where it is.
 */
const statement = repeatable(
  'lw_set_aside',
  `with held as materialized (
    update legwork.key_holder k set waiting = true
     where k.slot = $1::smallint and k.job_id is not null and k.key = any($6::text[]) and ((k.name, k.key) in (select * from unnest($5::text[], $6::text[]))) is true
     returning k.name, k.key, k.job_id
  ), seen as materialized (
    select lane.queue_id, lane.priority, job.* from unnest($2::int[], $3::int[], $4::bigint[]) as lane(queue_id, priority, floor)
     cross join lateral (
      select id, seq, name, key from legwork.job
       where slot = $1::smallint and queue_id = lane.queue_id and priority = lane.priority::smallint and state = 3 and seq > lane.floor and worker_id is null
       order by seq limit $7::int) job
  ), behind as materialized (
    select s.id from seen s where ((s.name, s.key) in (select name, key from held)) is true and (s.id in (select job_id from held)) is not true
  ), free as materialized (
    select j.id from behind s cross join lateral (
      select e.id from legwork.job e where e.slot = $1::smallint and e.id = s.id and e.state = 3 and e.worker_id is null for update skip locked) j
  ), aside as (
    update legwork.job j set state = 2 where j.slot = $1::smallint and j.id = any(array(select id from free)) returning j.queue_id, j.name
  ), counted as (
    insert into legwork.tally (queue_id, name, state, n)
      select queue_id, name, s.state, s.sign * count(*) from aside, (values (3, -1), (2, 1)) s(state, sign) group by queue_id, name, s.state, s.sign
  )
  select (select count(*)::int from aside) as jobs, set_config('synchronous_commit', 'off', true) as relaxed,
         (select jsonb_agg(jsonb_build_object('queueId', queue_id, 'priority', priority, 'floor', top, 'looked', n))
            from (select queue_id, priority, max(seq) as top, count(*) as n from seen group by queue_id, priority) l) as lanes`,
)

/** Sets ready jobs aside whose keys are held, without claiming anything: many jobs of one key do not make as many claims come back empty. */
export async function setAside(on: Queryable, { slot, lanes, keys, most }: SetAsideRequest): Promise<SetAside> {
  const [row] = await on.query<{ jobs: number; lanes: SetAside['lanes'] | null }>(statement, [
    slot,
    lanes.map((lane) => lane.queueId),
    lanes.map((lane) => lane.priority),
    lanes.map((lane) => lane.floor),
    keys.names,
    keys.keys,
    most,
  ])
  return { jobs: row?.jobs ?? 0, lanes: row?.lanes ?? [] }
}
