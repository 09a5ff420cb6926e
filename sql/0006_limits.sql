-- Limits: how many jobs run at once, how often one may begin, and breakers. A limit is a rule with a name and, per instance
-- (a key, a tenant; '' where there is one for all), a limiter that counts. A job that is claimed asks all its limiters at
-- once (legwork.admit): it runs, or it is blocked and waits in the line of one of them. Places become free when jobs end
-- (legwork.release) or with time (due_at); then legwork.let_in calls the next in line and keeps the place for it.
--   * locks: job rows, then limiters by id; whoever holds limiters takes the rows of waiting jobs only if they are free
--   * what has no limit never comes here

-- The rules by name. Keys, all of them optional:
--   running: most at once; count, per (ms), smooth: the rate; failures, min, window, openFor (ms), probes: a breaker.
create table legwork.limit_rule (
  kind text collate "C" not null default 'limit',
  primary key (name)
) inherits (legwork.rule);

-- used: jobs that run. called: jobs that left the line, are ready, and have a place kept. tat, spent: see legwork.rate_room.
-- due_at: when time alone lets the next in line go. virtual: the rank of the last that was called, see legwork.admit.
-- ok, bad: what the breaker has counted since window_at; trial: it was open, and lets a few through to find out.
create table legwork.limiter (
  id          int generated always as identity primary key,
  name        text collate "C" not null,
  instance    text collate "C" not null,
  used        int not null default 0,
  called      int not null default 0,
  waiting     int not null default 0,
  ok          int not null default 0,
  bad         int not null default 0,
  trial       boolean not null default false,
  spent       float8 not null default 0,
  virtual     float8 not null default 0,
  tat         timestamptz,
  due_at      timestamptz,
  window_at   timestamptz,
  shut_until  timestamptz,
  touched_at  timestamptz not null default legwork.now(),
  shut_reason text,
  unique (name, instance)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
create index limiter_due on legwork.limiter (due_at) where due_at is not null;

-- A row per job and limiter it has a place in.
create table legwork.permit (
  job_id     bigint not null,
  since      timestamptz not null default legwork.now(),
  rank       float8 not null default 0,
  limiter_id int not null,
  slot       smallint not null,
  called     boolean not null,
  primary key (job_id, slot, limiter_id)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
create index permit_called on legwork.permit (since) where called;

-- The lines: jobs that are blocked by a limiter, each in one line. share: whose turn it is, where a limit is fair. turn: the
-- job's id again, for the order: an index with job_id in its end would be searched through for the job.
create table legwork.queued_for (
  job_id     bigint not null,
  turn       bigint generated always as (job_id) stored,
  rank       float8 not null,
  cost       float8 not null,
  limiter_id int not null,
  slot       smallint not null,
  priority   smallint not null,
  share      text collate "C",
  primary key (job_id, slot)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
create index queued_for_order on legwork.queued_for (limiter_id, priority, rank, turn);
create index queued_for_share on legwork.queued_for (limiter_id, share, rank) where share is not null;

-- A smooth rate lets so many begin together: what falls into 20 ms, for timers are no finer.
create function legwork.rate_burst(rule jsonb) returns int language sql immutable parallel safe as $$
  select greatest(1, least((rule->>'count')::int, floor((rule->>'count')::int * 20 / (rule->>'per')::float8)::int))
$$;

-- Microseconds between two of a smooth rate, rounded up. The burst is taken off, so that no window of any place has more than `count`.
create function legwork.rate_gap(rule jsonb) returns bigint language sql immutable parallel safe as $$
  select ceil((rule->>'per')::numeric * 1000 / ((rule->>'count')::int - legwork.rate_burst(rule) + 1))::bigint
$$;

-- How many may begin at `at` under the rate of a rule; null without one. Smooth: the generic cell rate algorithm (ITU-T
-- I.371), tat is the theoretical arrival time of the next. Otherwise: tat is when the window began, spent what it has had.
create function legwork.rate_room(rule jsonb, tat timestamptz, spent float8, at timestamptz) returns float8
  language sql immutable parallel safe as $$
  select case when rule->>'count' is null then null
    when (rule->>'smooth')::boolean is not false then greatest(0, 1 + floor(
      ((legwork.rate_burst(rule) - 1) * legwork.rate_gap(rule) - greatest(0, coalesce(extract(epoch from tat - at) * 1000000, 0)))
        / legwork.rate_gap(rule)))
    when tat is null or at >= tat + (rule->>'per')::float8 * interval '1 millisecond' then (rule->>'count')::int
    else greatest(0, (rule->>'count')::int - spent) end::float8
$$;

-- When the next may begin, if there is no room at `at`.
create function legwork.rate_next(rule jsonb, tat timestamptz) returns timestamptz language sql immutable parallel safe as $$
  select case when (rule->>'smooth')::boolean is not false
    then tat - (legwork.rate_burst(rule) - 1) * legwork.rate_gap(rule) * interval '1 microsecond'
    else tat + (rule->>'per')::float8 * interval '1 millisecond' end
$$;

-- The limiter after jobs of these costs have begun together. What costs more than there is room for makes those behind it wait longer.
create function legwork.charge(l legwork.limiter, rule jsonb, cost float8, at timestamptz) returns legwork.limiter
  language plpgsql immutable parallel safe as $$
begin
  if rule->>'count' is null or cost <= 0 then return l; end if;
  if (rule->>'smooth')::boolean is not false then
    l.tat := greatest(l.tat, at) + ceil(cost * legwork.rate_gap(rule)) * interval '1 microsecond';
  elsif l.tat is null or at >= l.tat + (rule->>'per')::float8 * interval '1 millisecond' then
    l.tat := at;
    l.spent := cost;
  else
    l.spent := l.spent + cost;
  end if;
  return l;
end $$;

-- How many more may begin under a limiter, at most. `kept`: for those who are called already, who have a place.
create function legwork.room(l legwork.limiter, rule jsonb, at timestamptz, kept boolean) returns float8
  language sql immutable parallel safe as $$
  select case when l.shut_until > at then 0 else greatest(0, least(
    (rule->>'running')::int - l.used - case when kept then 0 else l.called end,
    case when l.trial then coalesce((rule->>'probes')::int, 1) - l.used - case when kept then 0 else l.called end end,
    legwork.rate_room(rule, l.tat, l.spent, at) - case when kept then 0 else l.called end,
    1e9)) end
$$;

create function legwork.rule_of(limit_name text) returns jsonb language sql stable as
  $$ select coalesce((select r.rule from legwork.limit_rule r where r.name = limit_name), '{}') $$;

-- Calls the next in line of a limiter that this transaction has locked, as many as there is room for, and notes when time
-- alone will let the next one go. Jobs that somebody else has locked are passed over and looked at again soon.
create function legwork.let_in(which int, at timestamptz) returns table (queue_id int, priority smallint) language plpgsql as $$
#variable_conflict use_column
declare
  l     legwork.limiter;
  rule  jsonb;
  room  int;
  ids   bigint[];
  slots smallint[];
  top   float8;
begin
  select u.* into l from legwork.limiter u where u.id = which;
  if l.waiting = 0 then
    if l.due_at is not null then update legwork.limiter u set due_at = null where u.id = which; end if;
    return;
  end if;
  rule := legwork.rule_of(l.name);
  room := least(legwork.room(l, rule, at, false), 1000);
  if room > 0 then
    select array_agg(n.job_id), array_agg(distinct n.slot), max(n.rank) into ids, slots, top from (
      select q.job_id, q.slot, q.rank from legwork.queued_for q
       cross join lateral (select from legwork.job j where j.slot = q.slot and j.id = q.job_id and j.state = 2 for update skip locked) j
       where q.limiter_id = which order by q.priority, q.rank, q.turn limit room) n;
    if ids is not null then
      return query select * from legwork.call_next(which, slots, ids, at);
      l.called := l.called + cardinality(ids);
      l.waiting := l.waiting - cardinality(ids);
    end if;
  end if;
  update legwork.limiter u
     set called = l.called, waiting = l.waiting, virtual = greatest(l.virtual, top),
         due_at = case when l.waiting = 0 or l.shut_until = 'infinity' then null
           when l.shut_until > at then l.shut_until
           when coalesce(cardinality(ids), 0) < room then at + interval '50 milliseconds'
           when (rule->>'running')::int <= l.used + l.called or l.trial and coalesce((rule->>'probes')::int, 1) <= l.used + l.called then null
           when legwork.rate_room(rule, l.tat, l.spent, at) = 0 then legwork.rate_next(rule, l.tat)
           when legwork.rate_room(rule, l.tat, l.spent, at) > l.called then at end
   where u.id = which;
end $$;

-- These jobs leave the line of a limiter and become ready, with a place kept for each.
create function legwork.call_next(which int, slots smallint[], ids bigint[], at timestamptz)
  returns table (queue_id int, priority smallint) language plpgsql as $$
#variable_conflict use_column
begin
  return query with gone as (
    delete from legwork.queued_for q where q.slot = any(slots) and q.job_id = any(ids) returning q.slot, q.job_id, q.rank
  ), kept as (
    insert into legwork.permit (slot, job_id, limiter_id, called, rank, since) select g.slot, g.job_id, which, true, g.rank, at from gone g
  ), moved as (
    update legwork.job j set state = 3, seq = nextval('legwork.job_seq')
     where j.slot = any(slots) and j.id = any(ids) and j.state = 2 returning j.queue_id, j.name, j.priority
  ), counted as (
    insert into legwork.tally (queue_id, name, state, n)
      select m.queue_id, m.name, s.state, s.sign * count(*) from moved m, (values (2, -1), (3, 1)) s(state, sign) group by m.queue_id, m.name, s.state, s.sign
  )
  select distinct m.queue_id, m.priority from moved m;
end $$;

-- What a job asks of a limiter. held: 1 it was called, 2 it has a place already. verdict: take, wait (in this line), drop (the place that was kept).
create type legwork.ask as (
  job_id bigint, limiter_id int, cost float8, share text, weight float8, held smallint, rank float8, verdict text
);

-- Decides in the order given: a job takes a place in each of its limiters, or none and waits for the first that has no room.
-- room: for newcomers; kept: for those who are called.
create function legwork.decide(asks legwork.ask[], limiters int[], room float8[], kept float8[]) returns legwork.ask[]
  language plpgsql immutable as $$
declare
  total int := coalesce(cardinality(asks), 0);
  first int := 1;
  last  int;
  short int;
  k     int;
begin
  while first <= total loop
    short := null;
    last := first;
    while last <= total and asks[last].job_id = asks[first].job_id loop
      k := array_position(limiters, asks[last].limiter_id);
      if short is null and asks[last].held < 2 and (case asks[last].held when 1 then kept[k] else room[k] end) < 1 then short := last; end if;
      last := last + 1;
    end loop;
    for i in first .. last - 1 loop
      k := array_position(limiters, asks[i].limiter_id);
      if short is null and asks[i].held < 2 then
        asks[i].verdict := 'take';
        if asks[i].held = 1 then kept[k] := kept[k] - asks[i].cost; else room[k] := room[k] - asks[i].cost; kept[k] := kept[k] - asks[i].cost; end if;
      elsif short = i then asks[i].verdict := 'wait';
      elsif short is not null and asks[i].held = 1 then asks[i].verdict := 'drop';
      end if;
    end loop;
    first := last;
  end loop;
  return asks;
end $$;

-- Jobs that a worker has claimed ask for their places. Those that get one in each of their limiters have it until
-- legwork.release; the others are blocked, without having spent an attempt. `alone`: the claim has no other jobs, so its
-- lease goes if none may run. Those whose cancel was asked for and that would have to wait are told apart, for their
-- worker to end. Asking again is harmless. Asks are in the order of the jobs; jobs: which of ids, from 1.
create function legwork.admit(
  own smallint, worker int, batch int, alone boolean, ids bigint[], claims int[],
  jobs int[], names text[], instances text[], costs float8[], shares text[], weights float8[]
) returns table (admitted bigint[], cancelled bigint[], lanes jsonb, due float8) language plpgsql as $$
#variable_conflict use_variable
declare
  at       timestamptz := legwork.now();
  mine     bigint[];
  limiters int[];
  room     float8[];
  kept     float8[];
  asks     legwork.ask[];
begin
  -- a scan of many ids meets them in their order; asked for by `order by`, it would walk the whole slot
  mine := array(select j.id from legwork.job j where j.slot = own and j.id = any(ids) and j.worker_id = worker
                   and ((j.id, j.claim) in (select u.id, u.claim from unnest(ids, claims) u(id, claim))) is true for no key update);
  limiters := legwork.limiters_named(names, instances);
  select array_agg(l.id), array_agg(case when l.waiting > 0 then 0 else legwork.room(l, legwork.rule_of(l.name), at, false) end),
         array_agg(legwork.room(l, legwork.rule_of(l.name), at, true)) into limiters, room, kept
    from (select * from legwork.limiter u where u.id = any(limiters) order by u.id for no key update) l;
  -- one that nobody had asked for long has just been swept away: our connection tries again
  if coalesce(cardinality(limiters), 0) < (select count(distinct (u.name, u.instance)) from unnest(names, instances) u(name, instance)) then
    raise exception 'legwork: a limiter has gone' using errcode = 'serialization_failure';
  end if;
  asks := array(
    select row(ids[u.job], l.id, u.cost, u.share, u.weight, case when p.called then 1 when not p.called then 2 else 0 end, coalesce(p.rank, 0), null)::legwork.ask
      from unnest(jobs, names, instances, costs, shares, weights) with ordinality u(job, name, instance, cost, share, weight, ord)
      cross join lateral (select v.id from legwork.limiter v where v.name = u.name and v.instance = u.instance offset 0) l
      left join lateral (select v.called, v.rank from legwork.permit v where v.slot = own and v.job_id = ids[u.job] and v.limiter_id = l.id offset 0) p on true
     where (ids[u.job] in (select unnest(mine))) is true order by u.ord);
  asks := legwork.decide(asks, limiters, room, kept);
  cancelled := array(select j.id from legwork.job j where j.slot = own and j.cancel_at is not null
                        and j.id = any(array(select a.job_id from unnest(asks) a where a.verdict = 'wait')));
  asks := array(select a from unnest(asks) a where (a.job_id in (select unnest(cancelled))) is not true);
  perform legwork.put_aside(own, asks, at);
  perform legwork.take_places(own, asks, at);
  admitted := array(select u.id from unnest(mine) u(id) where (u.id in (select a.job_id from unnest(asks) a where a.verdict = 'wait' union all select unnest(cancelled))) is not true);
  if alone and cardinality(admitted) + cardinality(cancelled) = 0 then
    delete from legwork.lease e where e.worker_id = worker and e.batch = batch;
  end if;
  select w.lanes, w.due into lanes, due from legwork.let_all_in(limiters, at) w;
  return next;
end $$;

-- The limiters of these names and instances; makes the missing ones, always in the same order.
create function legwork.limiters_named(names text[], instances text[]) returns int[] language plpgsql as $$
begin
  insert into legwork.limiter (name, instance)
    select u.name, u.instance from (select distinct a.name, a.instance from unnest(names, instances) a(name, instance)) u
     where not exists (select from legwork.limiter l where l.name = u.name and l.instance = u.instance) order by 1, 2
    on conflict do nothing;
  return array(select distinct l.id from unnest(names, instances) u(name, instance)
    cross join lateral (select v.id from legwork.limiter v where v.name = u.name and v.instance = u.instance offset 0) l);
end $$;

-- Those that have to wait get in line. Fair lines: each share has a time of its own that goes on with every job of it, slower
-- the more weight it has; who begins to wait begins at the time of the line (start-time fair queuing, Goyal et al. 1996).
create function legwork.put_aside(own smallint, asks legwork.ask[], at timestamptz) returns void language plpgsql as $$
#variable_conflict use_column
begin
  with put as (
    update legwork.job j set state = 2, worker_id = null, attempt = j.attempt - 1, claimed_at = case when j.attempt > 1 then j.claimed_at end
     where j.slot = own and j.id = any(array(select a.job_id from unnest(asks) a where a.verdict = 'wait'))
     returning j.id, j.queue_id, j.name, j.priority
  ), counted as (
    insert into legwork.tally (queue_id, name, state, n)
      select p.queue_id, p.name, s.state, s.sign * count(*) from put p, (values (3, -1), (2, 1)) s(state, sign) group by p.queue_id, p.name, s.state, s.sign
  )
  insert into legwork.queued_for (slot, job_id, limiter_id, priority, rank, cost, share)
    select own, a.job_id, a.limiter_id, p.priority, case
             when a.held = 1 then a.rank
             when a.share is null then 0
             else greatest((select l.virtual from legwork.limiter l where l.id = a.limiter_id),
                           (select max(q.rank) from legwork.queued_for q where q.limiter_id = a.limiter_id and q.share = a.share), 0)
                  + sum(a.cost / a.weight) filter (where a.held = 0) over (partition by a.limiter_id, a.share order by a.ord) end,
           a.cost, a.share
      from unnest(asks) with ordinality a(job_id, limiter_id, cost, share, weight, held, rank, verdict, ord)
      cross join lateral (select j.priority from legwork.job j where j.slot = own and j.id = a.job_id offset 0) p
     where a.verdict = 'wait';
end $$;

-- Writes down who has a place now and who gave one back.
create function legwork.take_places(own smallint, asks legwork.ask[], at timestamptz) returns void language plpgsql as $$
declare
  d record;
  l legwork.limiter;
begin
  insert into legwork.permit as p (slot, job_id, limiter_id, called, since)
    select own, a.job_id, a.limiter_id, false, at from unnest(asks) a where a.verdict = 'take'
    on conflict (slot, job_id, limiter_id) do update set called = false, since = excluded.since;
  delete from legwork.permit p where p.slot = own and p.called
     and p.job_id = any(array(select a.job_id from unnest(asks) a where a.held = 1 and a.verdict in ('wait', 'drop')));
  for d in
    select a.limiter_id, count(*) filter (where a.verdict = 'take') as taken, count(*) filter (where a.held = 1) as uncalled,
           count(*) filter (where a.verdict = 'wait') as waits, coalesce(sum(a.cost) filter (where a.verdict = 'take'), 0) as cost
      from unnest(asks) a where a.verdict is not null group by 1
  loop
    select u.* into l from legwork.limiter u where u.id = d.limiter_id;
    l := legwork.charge(l, legwork.rule_of(l.name), d.cost, at);
    update legwork.limiter u set used = u.used + d.taken, called = u.called - d.uncalled, waiting = u.waiting + d.waits,
           tat = l.tat, spent = l.spent, touched_at = at where u.id = d.limiter_id;
  end loop;
end $$;

-- Lets in where somebody waits: the lanes in which jobs became ready, and the milliseconds until time alone lets the next one go.
create function legwork.let_all_in(limiters int[], at timestamptz, out lanes jsonb, out due float8) language plpgsql as $$
begin
  select jsonb_agg(distinct jsonb_build_array(w.queue_id, w.priority)) into lanes
    from unnest(limiters) u(id)
    cross join lateral (select l.id from legwork.limiter l where l.id = u.id and (l.waiting > 0 or l.due_at is not null) offset 0) l
    cross join lateral legwork.let_in(l.id, at) w;
  select ceil(extract(epoch from min(l.due_at) - at) * 1000)::float8 into due from legwork.limiter l where l.id = any(limiters) and l.due_at is not null;
end $$;

-- Lets in wherever the time has come, in short transactions; due: until the next.
create function legwork.let_in_due(most int, out lanes jsonb, out due float8, out more boolean) language plpgsql as $$
declare
  at  timestamptz := legwork.now();
  ids int[];
begin
  ids := array(select l.id from (
    select u.id from legwork.limiter u where u.due_at <= at order by u.due_at limit most) d
    cross join lateral (select v.id from legwork.limiter v where v.id = d.id for no key update skip locked) l);
  if cardinality(ids) > 0 then select w.lanes into lanes from legwork.let_all_in(ids, at) w; end if;
  more := cardinality(ids) = most;
  select greatest(0, ceil(extract(epoch from l.due_at - at) * 1000))::float8 into due from legwork.limiter l where l.due_at is not null order by l.due_at limit 1;
end $$;

-- What the end of jobs means for a breaker, or for whoever was asked to slow down for so many milliseconds.
create function legwork.judge(l legwork.limiter, rule jsonb, good int, failed int, slow float8, at timestamptz) returns legwork.limiter
  language plpgsql immutable parallel safe as $$
declare
  wait interval := (rule->>'openFor')::float8 * interval '1 millisecond';
begin
  if rule ? 'failures' and (l.shut_until > at) is not true then
    if l.trial and failed > 0 then
      l.shut_until := at + wait;
      l.shut_reason := 'a probe failed';
      l.ok := 0;
    elsif l.trial then
      l.ok := l.ok + good;
      if l.ok >= (rule->>'probes')::int then
        l.trial := false; l.ok := 0; l.bad := 0; l.window_at := at; l.shut_until := null; l.shut_reason := null;
      end if;
    else
      if l.window_at is null or at >= l.window_at + (rule->>'window')::float8 * interval '1 millisecond' then
        l.window_at := at; l.ok := 0; l.bad := 0;
      end if;
      l.ok := l.ok + good;
      l.bad := l.bad + failed;
      if failed > 0 and l.ok + l.bad >= (rule->>'min')::int and l.bad >= (rule->>'failures')::float8 * (l.ok + l.bad) then
        l.shut_until := at + wait;
        l.shut_reason := format('%s of %s jobs failed', l.bad, l.ok + l.bad);
        l.trial := true; l.ok := 0; l.bad := 0;
      end if;
    end if;
  end if;
  if slow > 0 and (l.shut_until >= at + slow * interval '1 millisecond') is not true then
    l.shut_until := at + slow * interval '1 millisecond';
    l.shut_reason := 'asked to slow down';
    if rule ? 'failures' then l.trial := true; l.ok := 0; l.bad := 0; end if;
  end if;
  return l;
end $$;

-- These jobs do not run any more, or wait no more: their places go to the next in line. Called in the transaction that moved
-- them, after it. verdicts: 1 completed, 2 failed, 0 neither; slow: milliseconds that an error asked to be left alone for.
-- turned: breakers that were opened or closed by this.
create function legwork.release(own smallint, ids bigint[], verdicts smallint[], slow float8[], out lanes jsonb, out due float8, out turned jsonb)
  language plpgsql as $$
declare
  at       timestamptz := legwork.now();
  limiters int[];
  d        record;
  l        legwork.limiter;
  was      legwork.limiter;
  rule     jsonb;
begin
  -- not a union, whose order the index of the lines has
  limiters := array(select p.limiter_id from legwork.permit p where p.slot = own and p.job_id = any(ids))
              || array(select q.limiter_id from legwork.queued_for q where q.slot = own and q.job_id = any(ids));
  if cardinality(limiters) = 0 then return; end if;
  perform from legwork.limiter u where u.id = any(limiters) order by u.id for no key update;
  for d in
    with gone as (
      delete from legwork.permit p where p.slot = own and p.job_id = any(ids) returning p.limiter_id, p.job_id, p.called
    ), left_line as (
      delete from legwork.queued_for q where q.slot = own and q.job_id = any(ids) returning q.limiter_id
    ), slowed as materialized (
      select u.id, u.ms from unnest(ids, slow) u(id, ms) where u.ms > 0
    )
    select g.limiter_id, count(*) filter (where not g.called) as used, count(*) filter (where g.called) as called, 0 as waited,
           count(*) filter (where not g.called and (g.job_id in (select u.id from unnest(ids, verdicts) u(id, verdict) where u.verdict = 1)) is true) as good,
           count(*) filter (where not g.called and (g.job_id in (select u.id from unnest(ids, verdicts) u(id, verdict) where u.verdict = 2)) is true) as failed,
           max((select u.ms from slowed u where u.id = g.job_id)) as slow
      from gone g group by 1
    union all
    select q.limiter_id, 0, 0, count(*), 0, 0, null from left_line q group by 1
  loop
    select u.* into was from legwork.limiter u where u.id = d.limiter_id;
    rule := legwork.rule_of(was.name);
    l := was;
    if rule ?| '{failures,count}' then l := legwork.judge(was, rule, d.good::int, d.failed::int, d.slow, at); end if;
    update legwork.limiter u
       set used = u.used - d.used, called = u.called - d.called, waiting = u.waiting - d.waited, ok = l.ok, bad = l.bad, trial = l.trial,
           window_at = l.window_at, shut_until = l.shut_until, shut_reason = l.shut_reason
     where u.id = d.limiter_id;
    if rule ? 'failures' and (l.shut_until, l.trial) is distinct from (was.shut_until, was.trial) then
      turned := coalesce(turned, '[]') || jsonb_build_object('name', l.name, 'open', l.trial, 'reason', l.shut_reason,
        'ms', extract(epoch from l.shut_until - at) * 1000);
    end if;
  end loop;
  select w.lanes, w.due into lanes, due from legwork.let_all_in(array(select distinct u.id from unnest(limiters) u(id) order by 1), at) w;
end $$;

-- A running job asks its limits with a rate, and its breakers, to let nobody else begin for so long; `named`: the one of that name.
create function legwork.slow_down(own smallint, worker int, job bigint, claim_no int, ms float8, named text) returns int language plpgsql as $$
#variable_conflict use_column
declare
  at       timestamptz := legwork.now();
  limiters int[];
begin
  perform from legwork.job j where j.slot = own and j.id = job and j.worker_id = worker and j.claim = claim_no for no key update;
  if not found then return null; end if;
  limiters := array(
    select l.id from legwork.limiter l
     where l.id = any(array(select p.limiter_id from legwork.permit p where p.slot = own and p.job_id = job and not p.called))
       and case when named is null then legwork.rule_of(l.name) ?| '{count,failures}' else l.name in (named, 'breaker:' || named) end
     order by l.id for no key update);
  update legwork.limiter l
     set shut_until = greatest(l.shut_until, at + ms * interval '1 millisecond'), shut_reason = 'asked to slow down',
         trial = l.trial or legwork.rule_of(l.name) ? 'failures', ok = 0, bad = 0,
         due_at = case when l.waiting > 0 then greatest(l.shut_until, at + ms * interval '1 millisecond') end
   where l.id = any(limiters);
  return cardinality(limiters);
end $$;

-- Changes a limit at run time, or makes one; see legwork.choose.
create function legwork.set_limit(limit_name text, rule jsonb, by text default null) returns int language plpgsql as $$
#variable_conflict use_variable
declare
  result int;
begin
  perform legwork.check_rule('limit', limit_name, rule);
  insert into legwork.limit_rule (name) values (limit_name) on conflict do nothing;
  result := legwork.choose('limit', limit_name, rule, by);
  -- whoever looks next lets in as many as the new rule has room for
  update legwork.limiter l set due_at = legwork.now()
   where l.id = any(array(select u.id from legwork.limiter u where u.name = limit_name and u.waiting > 0 order by u.id for no key update));
  return result;
end $$;

-- Opens a breaker by hand, or closes it. Returns the version of the setting.
create function legwork.set_breaker(breaker text, open boolean, reason text default null, by text default null) returns int language plpgsql as $$
#variable_conflict use_column
declare
  which int := (legwork.limiters_named(array['breaker:' || breaker], array['']))[1];
  was   boolean;
begin
  select l.shut_until > legwork.now() into was from legwork.limiter l where l.id = which for no key update;
  update legwork.limiter l
     set trial = open, ok = 0, bad = 0, window_at = null, shut_until = case when open then 'infinity'::timestamptz end, touched_at = legwork.now(),
         shut_reason = case when open then coalesce(reason, 'opened by hand') end, due_at = case when not open and l.waiting > 0 then legwork.now() end
   where l.id = which;
  return legwork.note_setting('breaker', breaker, jsonb_build_object('open', coalesce(was, false)), jsonb_build_object('open', open, 'reason', reason), by);
end $$;

-- Mends, often: who was called and did not come for five seconds gives the place to the next (its queue is paused, or nobody
-- serves it), and permits of jobs that do not run are taken back.
create function legwork.mend_permits(own smallint, out lanes jsonb, out mended int) language plpgsql as $$
declare
  at   timestamptz := legwork.now();
  held record;
begin
  mended := 0;
  if not exists (select from legwork.permit) then return; end if;
  for held in
    select p.limiter_id, array_agg(p.job_id) as ids from legwork.permit p
      left join lateral (select j.worker_id from legwork.job j where j.slot = own and j.id = p.job_id offset 0) j on true
     where p.slot = own and case when p.called then p.since < at - interval '5 seconds' else j.worker_id is null and p.since < at - interval '5 seconds' end
     group by 1 order by 1
  loop
    perform from legwork.limiter l where l.id = held.limiter_id for no key update;
    -- looked at again under the lock: it may have come meanwhile
    with gone as (
      delete from legwork.permit p where p.slot = own and p.job_id = any(held.ids) and p.limiter_id = held.limiter_id and p.since < at - interval '5 seconds'
         and (p.called or not exists (select from legwork.job j where j.slot = own and j.id = p.job_id and j.worker_id is not null))
       returning p.called
    ), n as (select count(*) filter (where called) as called, count(*) filter (where not called) as used from gone)
    update legwork.limiter l set called = l.called - n.called, used = l.used - n.used from n where l.id = held.limiter_id;
    mended := mended + cardinality(held.ids);
    select coalesce(lanes, '[]') || coalesce(w.lanes, '[]') into lanes from legwork.let_all_in(array[held.limiter_id], at) w;
  end loop;
end $$;

-- Mends, seldom: those in line that wait no more, counts that are not what the rows say, and limiters that nobody has asked for an hour.
create function legwork.mend_limiters(own smallint) returns int language plpgsql as $$
declare
  l      legwork.limiter;
  mended int := 0;
begin
  for l in select * from legwork.limiter u order by u.id loop
    perform from legwork.limiter u where u.id = l.id for no key update skip locked;
    if not found then continue; end if;
    delete from legwork.queued_for q where q.limiter_id = l.id
       and not exists (select from legwork.job j where j.slot = q.slot and j.id = q.job_id and j.state = 2);
    update legwork.limiter u set used = c.used, called = c.called, waiting = c.waiting, due_at = case when c.waiting > 0 then legwork.now() end
      from (select (select count(*)::int from legwork.permit p where p.limiter_id = l.id and not p.called) as used,
                   (select count(*)::int from legwork.permit p where p.limiter_id = l.id and p.called) as called,
                   (select count(*)::int from legwork.queued_for q where q.limiter_id = l.id) as waiting) c
     where u.id = l.id and (u.used, u.called, u.waiting) is distinct from (c.used, c.called, c.waiting);
    if found then mended := mended + 1; end if;
    delete from legwork.limiter u where u.id = l.id and u.used + u.called + u.waiting = 0 and u.instance <> '' and u.touched_at < legwork.now() - interval '1 hour'
       and (u.tat is null or u.tat < legwork.now() - interval '1 day') and (u.shut_until > legwork.now()) is not true and not u.trial;
  end loop;
  return mended;
end $$;
