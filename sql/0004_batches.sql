-- Sets of jobs that something waits for: the children of a durable job, the jobs that another one comes after, a batch
-- with jobs that follow. What a member came to is kept with it, because its history may be pruned before it is asked for.

create sequence legwork.batch_seq;

-- kind 1: children of the durable job `waiter`, which is woken at the end; 2: what `waiter` comes after, which is made
-- ready at the end; 3: nobody waits. begun: up to this place members may run; each that ends lets the next begin. It
-- grows beyond the total: then nobody is left who could begin.
-- id: low 8 bits are the slot, as in a job's id.
create table legwork.batch (
  id       bigint not null,
  waiter   bigint,
  at       timestamptz not null default legwork.now(),
  ended_at timestamptz,
  total    int not null,
  pending  int not null,
  failed   int not null default 0,
  begun    int not null,
  slot     smallint not null,
  kind     smallint not null check (kind between 1 and 3),
  detached boolean not null default false,
  step     text collate "C",
  policy   text check (policy in ('fail', 'skip', 'run')),
  follow   jsonb,
  primary key (id, slot)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
create index batch_waiter on legwork.batch (slot, waiter, id) where waiter is not null;

create table legwork.member (
  job_id   bigint not null,
  batch_id bigint not null,
  place    int not null,
  slot     smallint not null,
  state    smallint,
  reason   text,
  output   jsonb,
  error    jsonb,
  primary key (job_id, slot, batch_id)
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
create index member_place on legwork.member (batch_id, place);

-- Adds jobs that are there already to a batch, as members from place `first` on. Those beyond `begun` wait for others to end.
create function legwork.add_members(batch_id bigint, ids bigint[], first int, begun int) returns void language plpgsql as $$
#variable_conflict use_variable
begin
  insert into legwork.member (slot, job_id, batch_id, place)
    select u.id & 255, u.id, batch_id, first + u.ord::int - 1 from unnest(ids) with ordinality u(id, ord);
  update legwork.job j set awaited = true where j.slot = any(array(select distinct (u.id & 255)::smallint from unnest(ids) u(id))) and j.id = any(ids);
  if first + cardinality(ids) - 1 > begun then
    with held as (
      update legwork.job j set state = 6
       where j.slot = any(array(select distinct (u.id & 255)::smallint from unnest(ids) u(id))) and j.id = any(ids[greatest(begun - first + 2, 1):]) and j.state in (1, 3)
       returning j.queue_id, j.name, j.id, j.run_at
    )
    insert into legwork.tally (queue_id, name, state, n)
      select h.queue_id, h.name, s.state, sum(s.n) from held h
       cross join lateral (values (case when h.run_at > legwork.now() then 1 else 3 end, -1), (2, 1)) s(state, n) group by 1, 2, 3;
  end if;
end $$;

-- The job, added in this transaction, comes after these: it is made ready when all of them have ended. Their rows are
-- locked in order, so that none can end unseen. One that has ended already is not waited for.
create function legwork.come_after(job_id bigint, ids bigint[], policy text default 'fail') returns void language plpgsql as $$
#variable_conflict use_variable
declare
  own   smallint := job_id & 255;
  live  bigint[];
  known bigint[];
  bad   int;
  batch bigint;
begin
  perform pg_current_xact_id();
  ids := array(select distinct unnest(ids));
  perform from legwork.job j where j.slot = any(array(select distinct (u.id & 255)::smallint from unnest(ids) u(id))) and j.id = any(ids) for update;
  live := array(select j.id from legwork.job j where j.slot = any(array(select distinct (u.id & 255)::smallint from unnest(ids) u(id))) and j.id = any(ids));
  select array_agg(f.id), count(*) filter (where f.state <> 10) into known, bad
    from legwork.finished f where f.slot = any(array(select distinct (u.id & 255)::smallint from unnest(ids) u(id))) and f.id = any(ids);
  if cardinality(live) + coalesce(cardinality(known), 0) < cardinality(ids) then
    raise exception 'legwork: there is no job % for job % to come after', (select min(u.id) from unnest(ids) u(id) where (u.id = any(live || known)) is not true), job_id
      using errcode = 'LW404';
  end if;
  batch := (nextval('legwork.batch_seq') << 8) | own;
  insert into legwork.batch (id, slot, kind, waiter, total, pending, failed, begun, policy)
    values (batch, own, 2, job_id, cardinality(ids), cardinality(live), coalesce(bad, 0), cardinality(ids), policy);
  perform legwork.add_members(batch, live, 1, cardinality(ids));
  insert into legwork.member (slot, job_id, batch_id, place, state)
    select f.slot, f.id, batch, cardinality(live) + 1, f.state from legwork.finished f
     where f.slot = any(array(select distinct (u.id & 255)::smallint from unnest(ids) u(id))) and f.id = any(ids);
  with held as (
    update legwork.job j set state = 6 where j.slot = own and j.id = job_id and j.state in (1, 3) returning j.queue_id, j.name, j.run_at
  )
  insert into legwork.tally (queue_id, name, state, n)
    select h.queue_id, h.name, s.state, s.n from held h
     cross join lateral (values (case when h.run_at > legwork.now() then 1 else 3 end, -1), (2, 1)) s(state, n);
  if cardinality(live) = 0 then perform legwork.end_batch(batch); end if;
end $$;

-- Jobs have ended: notes what they came to, lets others begin, and tells who waited. Called in the transaction that ended
-- them, after it: batches are locked in order. Returns the lanes in which jobs became ready.
create function legwork.tell(own smallint, ids bigint[]) returns table (queue_id int, priority smallint) language plpgsql as $$
#variable_conflict use_column
declare
  told record;
  b    legwork.batch;
begin
  for told in
    with noted as (
      update legwork.member m
         set (state, reason, output, error) = (
           select f.state, f.reason, f.output, f.error from legwork.finished f where f.slot = own and f.id = m.job_id limit 1)
       where m.slot = own and m.job_id = any(ids) and m.state is null
       returning m.batch_id, m.state
    )
    select batch_id, count(*)::int as n, (count(*) filter (where state <> 10))::int as bad from noted group by batch_id order by batch_id
  loop
    update legwork.batch u
       set pending = u.pending - told.n, failed = u.failed + told.bad, begun = u.begun + told.n
     where u.slot = (told.batch_id & 255)::smallint and u.id = told.batch_id returning * into b;
    if not found then continue; end if;
    return query select * from legwork.release_members(b.id, b.begun - told.n, b.begun);
    if told.bad > 0 and b.failed = told.bad and b.follow ? 'failed' then
      return query select * from legwork.follow(b.id, b.follow->'failed');
    end if;
    if b.pending = 0 then return query select * from legwork.end_batch(b.id); end if;
  end loop;
end $$;

-- Members in places after `low` and up to `high` may run now.
create function legwork.release_members(batch_id bigint, low int, high int)
  returns table (queue_id int, priority smallint) language plpgsql as $$
#variable_conflict use_column
begin
  return query
    with free as materialized (
      select array(select m.job_id from legwork.member m where m.batch_id = release_members.batch_id and m.place > low and m.place <= high) as ids
    ), moved as (
      update legwork.job j set state = case when j.run_at > legwork.now() then 1 else 3 end, seq = nextval('legwork.job_seq')
       where j.slot = any(array(select distinct (u.id & 255)::smallint from free, unnest(free.ids) u(id))) and j.id = any((select ids from free)::bigint[]) and j.state = 6
       returning j.queue_id, j.name, j.priority, j.state
    ), counted as (
      insert into legwork.tally (queue_id, name, state, n)
        select m.queue_id, m.name, s.state, sum(s.n) from moved m cross join lateral (values (2::smallint, -1), (m.state, 1)) s(state, n) group by 1, 2, 3
    )
    select distinct moved.queue_id, moved.priority from moved where moved.state = 3;
end $$;

-- All members have ended.
create function legwork.end_batch(ended bigint) returns table (queue_id int, priority smallint) language plpgsql as $$
#variable_conflict use_column
declare
  b legwork.batch;
begin
  update legwork.batch u set ended_at = legwork.now() where u.slot = (ended & 255)::smallint and u.id = ended returning * into b;
  if b.kind = 1 then
    return query
      with woken as (
        update legwork.job j set wakes = j.wakes + 1, state = case when j.state = 4 then 3 else j.state end,
               seq = case when j.state = 4 then nextval('legwork.job_seq') else j.seq end
          from (select o.id, o.state as was from legwork.job o where o.slot = b.slot and o.id = b.waiter for update) before
         where j.slot = b.slot and j.id = b.waiter and before.id = j.id returning j.queue_id, j.name, j.priority, before.was
      ), counted as (
        insert into legwork.tally (queue_id, name, state, n)
          select w.queue_id, w.name, s.state, s.n from woken w cross join (values (4::smallint, -1), (3::smallint, 1)) s(state, n) where w.was = 4
      )
      select w.queue_id, w.priority from woken w where w.was = 4;
  elsif b.kind = 2 then
    return query
      with freed as (
        update legwork.job j set state = case when j.run_at > legwork.now() then 1 else 3 end, seq = nextval('legwork.job_seq'),
               options = case when b.failed > 0 and b.policy <> 'run'
                 then coalesce(j.options, '{}') || jsonb_build_object('after', jsonb_build_object('policy', b.policy, 'failed', b.failed, 'total', b.total))
                 else j.options end
         where j.slot = b.slot and j.id = b.waiter and j.state = 6 returning j.queue_id, j.name, j.priority, j.state
      ), counted as (
        insert into legwork.tally (queue_id, name, state, n)
          select f.queue_id, f.name, s.state, s.n from freed f cross join lateral (values (2::smallint, -1), (f.state, 1)) s(state, n)
      )
      select f.queue_id, f.priority from freed f where f.state = 3;
  else
    if b.failed = 0 and b.follow ? 'succeeded' then return query select * from legwork.follow(b.id, b.follow->'succeeded'); end if;
    if b.follow ? 'finished' then return query select * from legwork.follow(b.id, b.follow->'finished'); end if;
  end if;
end $$;

-- Adds the jobs that follow a batch, which they learn from a header; returns their lanes. Not in one statement: that would
-- not see the rows which a function adds.
create function legwork.follow(batch_id bigint, jobs jsonb) returns table (queue_id int, priority smallint) language plpgsql as $$
#variable_conflict use_column
declare
  added bigint[];
begin
  added := array(select e.id from legwork.enqueue_many((
    select jsonb_agg(j || jsonb_build_object('headers', coalesce(j->'headers', '{}') || jsonb_build_object('legwork-batch', batch_id::text)))
      from jsonb_array_elements(jobs) j), 0, false) e); -- what has been promised is added, whatever the bounds
  return query
    select distinct j.queue_id, j.priority from legwork.job j
     where j.slot = any(array(select distinct (u.id & 255)::smallint from unnest(added) u(id))) and j.id = any(added) and j.state = 3;
end $$;
