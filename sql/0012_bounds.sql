-- Bounds: how many jobs a queue may hold and how many it may accept in a period, as a whole or for each value of a header or
-- of the key, and what becomes of the job that has no room. They are asked when a job is added, by whoever adds it.
--   * a queue without a bound (legwork.queue.bounded) never comes here, and what ends a job knows nothing of bounds
--   * whoever adds jobs to a bounded queue takes the rows of legwork.bound_use in order, and holds them to the end of its
--     transaction; behind the lock a new snapshot counts. So the count never gets above the bound.

alter table legwork.queue add column bounded boolean not null default false;

-- The rules by name. Keys: depth, count and per (ms, the rate), by ('key' or 'header:<name>', only declared), whenFull
-- ('reject', 'shed', 'delay' or 'coalesce'). What was accepted, put off, dropped (shed) and merged for values whose rows of
-- bound_use are gone, and what processes have counted as refused: that is rolled back with all that a transaction writes,
-- so each process writes it afterwards. Nothing holds these rows for long.
create table legwork.bound (
  kind     text collate "C" not null default 'bound',
  id       int generated always as identity primary key,
  queue_id int not null,
  accepted bigint not null default 0,
  put_off  bigint not null default 0,
  dropped  bigint not null default 0,
  merged   bigint not null default 0,
  refused  bigint not null default 0,
  unique (name)
) inherits (legwork.rule);

-- held: jobs that count, where the bound is one for each value; it is counted anew when it seems full. spent: accepted in
-- the window that began at `tat`, and beyond it by those that were put off. The pace at which jobs end is measured from
-- paced_at on, when so many had ended.
create table legwork.bound_use (
  bound_id   int not null,
  instance   text collate "C" not null,
  held       int not null default 0,
  accepted   bigint not null default 0,
  put_off    bigint not null default 0,
  dropped    bigint not null default 0,
  merged     bigint not null default 0,
  spent      float8 not null default 0,
  tat        timestamptz,
  pace       float8,
  paced_at   timestamptz,
  paced_from bigint,
  touched_at timestamptz not null default legwork.now(),
  primary key (bound_id, instance)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- The jobs that count under a bound with a depth for each value.
create table legwork.bound_job (
  job_id   bigint not null,
  bound_id int not null,
  slot     smallint not null,
  instance text collate "C" not null,
  primary key (bound_id, instance, slot, job_id)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

-- The value that a bound is for; null: not bounded.
create function legwork.bound_instance(by text, key text, headers jsonb) returns text language sql immutable parallel safe as $$
  select case when by is null then '' when by = 'key' then key else headers->>substr(by, 8) end
$$;

-- The unfinished jobs of a queue, from the counters.
create function legwork.unfinished(queue int) returns bigint language sql stable as $$
  select coalesce(sum(n), 0)::bigint from (
    select n from legwork.count where queue_id = queue and state < 10
    union all select n from legwork.tally where queue_id = queue and state < 10) c
$$;

-- Jobs that end in a millisecond; null when nobody knows yet.
create function legwork.pace(u legwork.bound_use, ended bigint, at timestamptz) returns float8 language sql immutable parallel safe as $$
  select case when at >= u.paced_at + interval '1 second' and ended > u.paced_from
    then (ended - u.paced_from) / nullif(extract(epoch from at - u.paced_at) * 1000, 0) else u.pace end::float8
$$;

-- Ends ready jobs that nobody has taken yet and nobody waits for, to make room: those of the lowest priority first, of these
-- the oldest; none that is more important than `floor`. Returns them: {id, name}.
create function legwork.shed(b legwork.bound, of_instance text, floor int, most int) returns jsonb[] language plpgsql
  set enable_sort = on as $$
declare
  ids   bigint[];
  ended jsonb[];
begin
  if b.rule->>'by' is null then
    ids := array(select j.id from legwork.job j where j.slot = 0 and j.queue_id = b.queue_id and j.state = 3 and j.priority >= floor
                    and j.worker_id is null and j.claim = 0 and not j.awaited
                  order by j.priority desc, j.seq limit most for update skip locked);
  else
    ids := array(select j.id from legwork.bound_job o join legwork.job j on j.slot = o.slot and j.id = o.job_id
                  where o.bound_id = b.id and o.instance = of_instance and j.state = 3 and j.priority >= floor
                    and j.worker_id is null and j.claim = 0 and not j.awaited
                  order by j.priority desc, j.seq limit most for update of j skip locked);
  end if;
  with gone as (
    delete from legwork.job j where j.slot = 0 and j.id = any(ids) returning j.*
  ), kept as (
    insert into legwork.finished (slot, id, state, queue_id, priority, name, attempt, crashes, claim, created_at, run_at, key, unique_key, tags,
        headers, trace, input, options, reason)
      select slot, id, 12, queue_id, priority, name, attempt, crashes, claim, created_at, run_at, key, unique_key, tags,
        headers, trace, input, options, format('shed: %s was full', b.name) from gone
  ), freed as (
    -- it may be the next of its key: a place without a job is what the sweep and the next claim look for
    update legwork.key_holder k set job_id = null where k.slot = 0 and k.key = any(array(select key from gone)) and (k.job_id in (select id from gone)) is true
  ), counted as (
    insert into legwork.tally (queue_id, name, state, n)
      select g.queue_id, g.name, s.state, sum(s.n) from gone g cross join (values (3::smallint, -1), (12::smallint, 1)) s(state, n) group by 1, 2, 3
  )
  select array_agg(jsonb_build_object('id', id::text, 'name', name) order by id) into ended from gone;
  delete from legwork.bound_job o where o.bound_id = b.id and o.instance = of_instance and o.job_id = any(ids);
  return coalesce(ended, '{}');
end $$;

-- The waiting job that takes the input of one for which there is no room: the last of the same name and key, in the same queue
-- and under the same value of the bound. What says itself which jobs are the same is not mixed up with others. Of an element
-- with "merges" the input stays, and the row is locked: the caller puts in what it makes of both.
create function legwork.coalesce_into(b legwork.bound, of_instance text, j jsonb) returns bigint language plpgsql as $$
declare
  target bigint;
begin
  if not j ? 'key' or j ?| '{unique,rule,once}' then return null; end if;
  select o.id into target from legwork.job o
   where o.slot = 0 and o.name = j->>'name' and o.key = j->>'key' and o.queue_id = b.queue_id and o.state in (1, 2, 3)
     and o.worker_id is null and o.claim = 0 and legwork.bound_instance(b.rule->>'by', o.key, o.headers) = of_instance
   order by o.line desc limit 1 for update skip locked;
  if target is null or j ? 'merges' then return target; end if;
  perform legwork.change_job(target, case when j ? 'input' then jsonb_build_object('input', j->'input') else '{"blank": true}' end);
  return target;
end $$;

-- Notes with an element what a bound did because of it.
create function legwork.note_bound(jobs jsonb, path text[], b legwork.bound, of_instance text, note jsonb) returns jsonb language sql immutable parallel safe as $$
  select jsonb_set(jobs, path || '{bounds}', coalesce(jobs #> (path || '{bounds}'), '[]')
    || jsonb_build_array(jsonb_build_object('bound', b.name, 'value', nullif(of_instance, '')) || note))
$$;

-- What a bound does with the elements of a call that fall under it for one value (`ords`: their places from 1). Returns the
-- elements: some have another runAt, some are 'merged' into a job that was there. `bounds` of an element lists what was done
-- because there was no room, {bound, value, outcome}: 'shed', with the job that was ended for it, 'delayed' or 'coalesced'.
-- Raises LW429 when there is no room.
create function legwork.bound_group(b legwork.bound, queue text, of_instance text, ords int[], jobs jsonb) returns jsonb language plpgsql as $$
#variable_conflict use_variable
declare
  at     timestamptz := legwork.now();
  policy text := coalesce(b.rule->>'whenFull', 'reject');
  depth  int := (b.rule->>'depth')::int;
  most   int := (b.rule->>'count')::int;
  span   interval := (b.rule->>'per')::float8 * interval '1 millisecond';
  n      int := cardinality(ords);
  u      legwork.bound_use;
  held   bigint;
  pace   float8;
  free   float8;
  over   int;
  put    int := 0;
  lost   int := 0;
  ended  jsonb[];
  merged int := 0;
  target bigint;
  wait   float8;
  path   text[];
begin
  insert into legwork.bound_use as o (bound_id, instance) values (b.id, of_instance)
    on conflict (bound_id, instance) do update set touched_at = at returning * into u;
  held := case when b.rule->>'by' is null then legwork.unfinished(b.queue_id) else u.held end;
  if b.rule->>'by' is not null and held + n > depth then
    delete from legwork.bound_job o where o.bound_id = b.id and o.instance = of_instance
       and not exists (select from legwork.job j where j.slot = o.slot and j.id = o.job_id);
    held := (select count(*) from legwork.bound_job o where o.bound_id = b.id and o.instance = of_instance);
  end if;
  pace := legwork.pace(u, u.accepted - held, at);
  if u.paced_at is null or at >= u.paced_at + interval '10 seconds' then
    u.pace := pace; u.paced_at := at; u.paced_from := u.accepted - held;
  end if;
  if u.tat is null or u.spent = 0 and at >= u.tat + span then u.tat := at; u.spent := 0; end if;
  while at >= u.tat + span loop
    -- those that were put off are counted in the window they were put off to
    u.spent := greatest(0, u.spent - most);
    u.tat := case when u.spent = 0 then at else u.tat + span end;
  end loop;

  free := greatest(0, least(depth - held, most - u.spent, n));
  over := n - free;
  if over > 0 and policy = 'shed' then
    ended := legwork.shed(b, of_instance, (select max((jobs->(o - 1)->>'priority')::int) from unnest(ords) o), over);
    lost := cardinality(ended);
    for i in 1 .. lost loop
      jobs := legwork.note_bound(jobs, array[(ords[n - over + i] - 1)::text], b, of_instance, jsonb_build_object('outcome', 'shed', 'job', ended[i]));
    end loop;
    over := over - lost;
  end if;
  for i in n - over + 1 .. n loop
    path := array[(ords[i] - 1)::text];
    if policy = 'delay' then
      wait := greatest(case when held + i > depth then (held + i - depth) / coalesce(pace, 0.001) else 0 end,
        case when u.spent + i > most then extract(epoch from u.tat + floor((u.spent + i - 1) / most) * span - at) * 1000 else 0 end);
      jobs := jsonb_set(jobs #- (path || '{delayMs}'), path || '{runAt}', to_jsonb(greatest(at + least(wait, 3e10) * interval '1 millisecond',
        coalesce((jobs #>> (path || '{runAt}'))::timestamptz, at + (jobs #>> (path || '{delayMs}'))::float8 * interval '1 millisecond'))));
      jobs := legwork.note_bound(jobs, path, b, of_instance, '{"outcome": "delayed"}');
      put := put + 1;
    else
      target := case when policy = 'coalesce' then legwork.coalesce_into(b, of_instance, jobs #> path) end;
      if target is null then
        wait := greatest(case when held + n > depth then least(3600000, coalesce((held + n - depth) / pace, 5000)) end,
          case when u.spent + n > most then extract(epoch from u.tat + span - at) * 1000 end);
        raise exception 'legwork: the bound is full: %', jsonb_build_object('bound', b.name, 'queue', queue, 'value', nullif(of_instance, ''),
            'depth', depth, 'held', held, 'accepted', case when most is not null then u.spent end,
            'retryAfter', greatest(100, ceil(coalesce(wait, 5000))))
          using errcode = 'LW429';
      end if;
      jobs := jsonb_set(jsonb_set(jobs, path || '{merged}', to_jsonb(target::text)), path || '{mergedBy}', to_jsonb(b.id));
      jobs := legwork.note_bound(jobs, path, b, of_instance, '{"outcome": "coalesced"}');
      merged := merged + 1;
    end if;
  end loop;
  update legwork.bound_use o
     set held = held + n - merged, accepted = u.accepted + n - merged, put_off = u.put_off + put, dropped = u.dropped + lost, merged = u.merged + merged,
         spent = case when most is not null then u.spent + n - merged else 0 end, tat = u.tat, pace = u.pace, paced_at = u.paced_at, paced_from = u.paced_from
   where o.bound_id = b.id and o.instance = of_instance;
  return jobs;
end $$;

-- What one bound has coalesced adds nothing to those that had room for it and were asked before.
create function legwork.unask_bounds(jobs jsonb) returns void language sql as $$
  update legwork.bound_use u set held = u.held - g.n, accepted = u.accepted - g.n, spent = greatest(0, u.spent - g.n)
    from (
      select b.id, legwork.bound_instance(b.rule->>'by', e.j->>'key', e.j->'headers') as instance, count(*)::int as n
        from jsonb_array_elements(jobs) e(j)
        join legwork.queue q on q.name = e.j->>'queue'
        join legwork.bound b on b.queue_id = q.id and b.id < (e.j->>'mergedBy')::int and b.rule ?| '{depth,count}'
       where e.j ? 'merged' group by 1, 2) g
   where u.bound_id = g.id and u.instance = g.instance
$$;

-- Asks all bounds of the queues that these elements go to. Elements have all their columns; those whose unique key is held
-- already are left alone, for they add nothing.
create function legwork.ask_bounds(jobs jsonb) returns jsonb language plpgsql as $$
#variable_conflict use_variable
declare
  b   record;
  g   record;
  own legwork.bound;
begin
  for b in
    select o.id, q.name as queue from legwork.bound o join legwork.queue q on q.id = o.queue_id
     where q.name = any(array(select distinct j->>'queue' from jsonb_array_elements(jobs) j)) and o.rule ?| '{depth,count}' order by o.id
  loop
    select o.* into own from legwork.bound o where o.id = b.id;
    for g in
      select legwork.bound_instance(own.rule->>'by', e.j->>'key', e.j->'headers') as value, array_agg(e.ord::int order by e.ord) as ords
        from jsonb_array_elements(jobs) with ordinality e(j, ord)
       where e.j->>'queue' = b.queue and not e.j ? 'merged' and legwork.bound_instance(own.rule->>'by', e.j->>'key', e.j->'headers') is not null
         and not (e.j ? 'unique' and exists (select from legwork.job h where h.slot = 0 and h.name = e.j->>'name' and h.unique_key = e.j->>'unique'))
       group by 1 order by 1
    loop
      jobs := legwork.bound_group(own, b.queue, g.value, g.ords, jobs);
    end loop;
  end loop;
  if jsonb_path_exists(jobs, '$[*].merged') then perform legwork.unask_bounds(jobs); end if;
  return jobs;
end $$;

-- enqueue_many for calls of which some go to a bounded queue.
create function legwork.enqueue_bounded(jobs jsonb) returns table (ord int, id bigint, created boolean, bounds jsonb) language plpgsql as $$
#variable_conflict use_column
declare
  asked jsonb;
  rest  jsonb;
begin
  asked := legwork.ask_bounds((
    select jsonb_agg(j || jsonb_build_object('queue', coalesce(j->>'queue', d.queue, 'default'), 'priority', coalesce((j->>'priority')::int, d.priority, 0)) order by e.ord)
      from jsonb_array_elements(jobs) with ordinality e(j, ord) left join legwork.definition d on d.name = j->>'name'));
  return query select e.ord::int, (e.j->>'merged')::bigint, false, e.j->'bounds' from jsonb_array_elements(asked) with ordinality e(j, ord) where e.j ? 'merged';
  select jsonb_agg(e.j || jsonb_build_object('ord', e.ord) order by e.ord) into rest
    from jsonb_array_elements(asked) with ordinality e(j, ord) where not e.j ? 'merged';
  if rest is null then return; end if;
  for ord, id, created, bounds in
    select (rest->(m.ord - 1)->>'ord')::int, m.id, m.created, rest->(m.ord - 1)->'bounds' from legwork.enqueue_many(rest, 0, false) m
  loop
    if created then
      insert into legwork.bound_job (bound_id, instance, slot, job_id)
        select b.id, legwork.bound_instance(b.rule->>'by', j.key, j.headers), j.slot, j.id
          from legwork.job j join legwork.bound b on b.queue_id = j.queue_id and b.rule ?& '{by,depth}'
         where j.slot = (enqueue_bounded.id & 255)::smallint and j.id = enqueue_bounded.id and legwork.bound_instance(b.rule->>'by', j.key, j.headers) is not null;
    end if;
    return next;
  end loop;
end $$;

-- What code says of the bounds of its queues; those of a named queue that it says nothing of any more have none.
create function legwork.declare_bounds(bounds jsonb) returns void language plpgsql as $$
declare
  places jsonb := legwork.queue_places(array(select distinct e->>'queue' from jsonb_array_elements(bounds) e order by 1));
begin
  insert into legwork.bound as b (queue_id, name, declared)
    select (places->(e->>'queue')->>0)::int, e->>'name', e->'rule' from jsonb_array_elements(bounds) e where e ? 'name' order by e->>'name'
    on conflict (name) do update set declared = excluded.declared, queue_id = excluded.queue_id, changed_at = legwork.now()
      where (b.declared, b.queue_id) is distinct from (excluded.declared, excluded.queue_id);
  update legwork.bound b set declared = '{}', changed_at = legwork.now()
   where b.queue_id in (select (places->(e->>'queue')->>0)::int from jsonb_array_elements(bounds) e) and b.declared <> '{}'
     and b.name not in (select e->>'name' from jsonb_array_elements(bounds) e where e ? 'name');
  perform legwork.mark_bounded(places);
end $$;

create function legwork.mark_bounded(places jsonb) returns void language sql as $$
  update legwork.queue q set bounded = not q.bounded
   where q.id in (select (p->>0)::int from jsonb_each(places) e(name, p))
     and q.bounded <> exists (select from legwork.bound b where b.queue_id = q.id and (b.rule->>'depth' is not null or b.rule->>'count' is not null))
$$;

-- Changes a bound at run time, or makes one for a queue as a whole, which has the name of the queue; see legwork.choose.
create function legwork.set_bound(bound_name text, rule jsonb, by text default null) returns int language plpgsql as $$
#variable_conflict use_variable
declare
  result int;
begin
  perform legwork.check_rule('bound', bound_name, rule);
  if not exists (select from legwork.bound b where b.name = bound_name) then
    insert into legwork.bound (queue_id, name) values ((legwork.queue_places(array[bound_name])->bound_name->>0)::int, bound_name) on conflict do nothing;
  end if;
  result := legwork.choose('bound', bound_name, rule, by);
  perform legwork.mark_bounded(jsonb_build_object('q', jsonb_build_array((select b.queue_id from legwork.bound b where b.name = bound_name))));
  return result;
end $$;

-- Values that nobody has used for a day are forgotten, but for what they came to, and jobs that have ended.
create function legwork.mend_bounds() returns void language plpgsql as $$
begin
  if not exists (select from legwork.bound) then return; end if;
  delete from legwork.bound_job o where not exists (select from legwork.job j where j.slot = o.slot and j.id = o.job_id);
  with gone as (
    delete from legwork.bound_use u using legwork.bound b
     where b.id = u.bound_id and u.instance <> '' and u.touched_at < legwork.now() - interval '1 day'
       -- those that were put off have used up the windows that follow
       and (u.tat is null or u.tat + greatest(1, ceil(u.spent / (b.rule->>'count')::float8)) * coalesce((b.rule->>'per')::float8, 0) * interval '1 millisecond' < legwork.now())
       and not exists (select from legwork.bound_job o where o.bound_id = u.bound_id and o.instance = u.instance)
     returning u.*
  )
  update legwork.bound b set accepted = b.accepted + g.accepted, put_off = b.put_off + g.put_off, dropped = b.dropped + g.dropped, merged = b.merged + g.merged
    from (select bound_id, sum(accepted) as accepted, sum(put_off) as put_off, sum(dropped) as dropped, sum(merged) as merged from gone group by 1) g
   where b.id = g.bound_id;
end $$;
