import { setTimeout as sleep } from 'node:timers/promises'
import { job, type LegworkOptions } from '../../src/index.ts'

export const depth = 20
export const depthPerTenant = 6
export const depthOfLatest = 8
export const tenants = ['acme', 'zoo', 'kiosk', 'mill'] as const

export const load = job('load', { queue: 'load', crashes: 1_000 }, () => sleep(3))
/** Of which only the latest are wanted. */
export const latest = job('latest', { queue: 'latest', crashes: 1_000 }, () => sleep(3))

export const queues: NonNullable<LegworkOptions['queues']> = {
  load: { bound: [{ depth }, { depth: depthPerTenant, per: { header: 'tenant' } }] },
  latest: { bound: { depth: depthOfLatest, whenFull: 'shed' } },
}

/**
 * Looks at each commit that adds jobs, with all that was committed before it, and notes when there are too many: between two
 * of these commits there can only be fewer.
 */
export const watch = `
create table violation (what text not null, held int not null, at timestamptz not null default now());
create function watch() returns trigger language plpgsql as $$
begin
  insert into violation (what, held)
    select q.name, count(*) from legwork.job j join legwork.queue q on q.id = j.queue_id
     group by q.name having count(*) > case q.name when 'load' then ${depth} else ${depthOfLatest} end;
  insert into violation (what, held)
    select headers->>'tenant', count(*) from legwork.job where headers ? 'tenant' group by 1 having count(*) > ${depthPerTenant};
  return null;
end $$;
create constraint trigger watch after insert on legwork.job deferrable initially deferred for each row execute function watch()`
