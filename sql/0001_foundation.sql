-- Legwork's tables. Rules that hold for every statement on them:
--   * a hot statement names the slot by constant or parameter: it is the distribution column on a PostgreSQL that shards
--   * time comes from legwork.now(), never from now() or clock_timestamp()
--   * a claim writes only columns that no index and no index predicate mentions, so that it is a HOT update

create schema if not exists legwork;

-- The one clock. Stable, so that it may stand in an UPDATE of a distributed table; tests replace it.
create function legwork.now() returns timestamptz language sql stable parallel safe as 'select statement_timestamp()';

-- Names this database: ids of jobs begin anew in every one, keys that go to other services must not.
create table legwork.installation (id uuid primary key default gen_random_uuid());
insert into legwork.installation default values;

-- Names and keys are compared byte by byte: faster, the same order everywhere, and no index breaks when the system's
-- locales are updated.
create table legwork.queue (
  id           int generated always as identity primary key,
  name         text collate "C" not null unique,
  slot         smallint not null default 0 check (slot between 0 and 255),
  paused_at    timestamptz,
  pause_reason text,
  paused_by    text,
  created_at   timestamptz not null default legwork.now()
);

-- What the workers know: written when an engine starts, read by plain-SQL producers to find the queue of a job name.
create table legwork.definition (
  name          text collate "C" primary key,
  queue         text collate "C" not null,
  priority      smallint not null,
  input_schema  jsonb,
  output_schema jsonb,
  needs         text[] not null default '{}', -- labels of the workers that can run it
  seen_at       timestamptz not null default legwork.now()
);

create sequence legwork.job_seq;

-- Only unfinished jobs. A running job is a ready row (state 3) with a worker on it.
-- id: low 8 bits are the slot, the rest comes from the sequence. seq: place in the ready order; equal to the sequence
-- part of the id at first, drawn afresh whenever the job becomes ready again, so that ready rows appear only at the tail.
-- state 6: blocked by other jobs it comes after. awaited: somebody must be told when it ends (see 0004_batches.sql).
-- wakes: how often something has come that a durable job may wait for; one that parks without knowing of it runs again.
-- line: place among the jobs of its key; stays when seq changes, so that a retry keeps its place.
-- Primary keys begin with the job, here and below, though the slot comes first everywhere else: a plan that was made when the
-- table had one row would, before PostgreSQL 17, look up the slot alone and compare every row of it with every job asked for.
create table legwork.job (
  id            bigint not null,
  seq           bigint not null,
  line          bigint,
  created_at    timestamptz not null default legwork.now(),
  run_at        timestamptz,
  claimed_at    timestamptz,
  cancel_at     timestamptz,
  queue_id      int not null,
  claim         int not null default 0,
  worker_id     int,
  slot          smallint not null default 0,
  priority      smallint not null default 0,
  state         smallint not null check (state between 1 and 6),
  attempt       smallint not null default 0,
  crashes       smallint not null default 0,
  wakes         int not null default 0,
  awaited       boolean not null default false,
  name          text collate "C" not null,
  key           text collate "C",
  unique_key    text collate "C",
  cancel_reason text,
  trace         text,
  tags          text[],
  headers       jsonb,
  input         jsonb,
  options       jsonb,
  progress      jsonb,
  primary key (id, slot)
) with (
  -- Room for the claimed version of every row on its own page: at 60, measured, only 63 % of the claims were HOT, since
  -- a page is claimed as a whole before anything on it can be pruned; at 45 all were, with half the claim's WAL, and the
  -- table no larger.
  fillfactor = 45,
  -- the table turns over completely all the time: vacuum by count, not by share, and without naps
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0,
  autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000
);

create index job_ready on legwork.job (slot, queue_id, priority, seq) where state = 3;
create index job_due on legwork.job (slot, run_at, id) where state in (1, 4);
create index job_key on legwork.job (slot, name, key, line) where key is not null;
create unique index job_unique on legwork.job (slot, name, unique_key) where unique_key is not null;
create index job_tags on legwork.job using gin (tags) where tags is not null;

-- Which job holds a key now. waiting: jobs may have been set aside for it. A row without a job is a key that has to be
-- handed to the next in line. blocked_at: its job has failed for good, and nothing of the key runs until a person decides.
create table legwork.key_holder (
  slot    smallint not null,
  name    text collate "C" not null,
  key     text collate "C" not null,
  job_id  bigint,
  blocked_at timestamptz,
  waiting boolean not null default false,
  -- the key first: then its index can only be read by keys, not slot by slot, whatever an old statistic says
  primary key (key, name, slot)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
create index key_holder_free on legwork.key_holder (slot, name, key) where job_id is null;
create index key_holder_blocked on legwork.key_holder (slot, blocked_at) where blocked_at is not null;

-- The keys of jobs that a claim has locked: the first in line of each key takes the key's row in key_holder, the others are
-- set aside. taken: the jobs that may run; parked: how many were set aside; crowded: the keys of which these were a quarter of
-- what the claim asked for, or more.
--
-- The upsert waits for a settle that is just releasing the key, and locks the row until the claim commits, so that a settle
-- which comes later sees the jobs set aside here, and by `waiting` that there are some. Most keys are free: an insert that
-- may fail costs half of it, and tells of the claim of another worker that came first. Rows are taken in the order of the
-- primary key, as everywhere, so that statements cannot deadlock.
create function legwork.take_keys(own smallint, ids bigint[], names text[], keys text[], lines bigint[], asked int,
    out taken bigint[], out parked int, out crowded jsonb)
  language plpgsql as $$
#variable_conflict use_column
declare
  many constant int := 50; -- from so many keys on it is worth while to look first whether they are free
  heads bigint[]; -- of each key the first in line, null where that is none of these jobs
  head_names text[];
  head_keys text[];
  followed boolean[];
begin
  select array_agg(id), array_agg(name), array_agg(key), array_agg(waiting) into heads, head_names, head_keys, followed
    from (select l.name, l.key, l.waiting,
                 case when not exists (
                   select from legwork.job e
                    where e.slot = own and e.name = l.name and e.key = l.key and e.line < l.line
                      and (e.state = 2 or (e.state = 3 and e.worker_id is null))) then l.id end as id
            from (select p.name, p.key, p.id, p.line, row_number() over line as place, lead(p.id) over line is not null as waiting
                    from (select id, name collate "C" as name, key collate "C" as key, line from unnest(ids, names, keys, lines) as u(id, name, key, line)) p
                  window line as (partition by p.key, p.name order by p.line)) l
           where l.place = 1 order by l.key, l.name) f;

  if cardinality(heads) >= many and not exists (select from legwork.key_holder k where k.slot = own and k.key = any(head_keys)) then
    begin
      insert into legwork.key_holder (slot, name, key, job_id, waiting)
        select own, name, key, id, waiting from unnest(head_names, head_keys, heads, followed) as h(name, key, id, waiting);
      taken := array_remove(heads, null);
    exception when unique_violation then
      taken := null;
    end;
  end if;
  if taken is null then
    with held as (
      insert into legwork.key_holder as k (slot, name, key, job_id, waiting)
        select own, name, key, id, waiting from unnest(head_names, head_keys, heads, followed) as h(name, key, id, waiting)
        on conflict (slot, key, name) do update set job_id = coalesce(k.job_id, excluded.job_id), waiting = true
        returning job_id
    )
    select array(select job_id from held where job_id = any(ids)) into taken;
  end if;

  parked := 0;
  if cardinality(taken) < cardinality(ids) then
    with aside as (
      update legwork.job j set state = 2
       where j.slot = own and j.id = any(array(select id from unnest(ids) u(id) where (id in (select unnest(taken))) is not true))
       returning j.queue_id, j.name, j.key
    ), counted as (
      insert into legwork.tally (queue_id, name, state, n)
        select queue_id, name, s.state, s.sign * count(*) from aside, (values (3, -1), (2, 1)) s(state, sign) group by queue_id, name, s.state, s.sign
    )
    select (select count(*) from aside),
           (select jsonb_build_object('names', jsonb_agg(name), 'keys', jsonb_agg(key))
              from (select name, key from aside group by name, key having count(*) >= greatest(asked / 4, 5)) c having count(*) > 0)
      into parked, crowded;
  end if;
end $$;

-- Gives each marked key to the first in line and makes that job ready, if it was set aside: the lanes where one became ready. A
-- key without a line goes. Whoever calls has locked the marks, or made them, in an earlier statement: behind the lock, the
-- snapshot of this one sees all jobs that claims have set aside. The job is locked while it is given the key, so that nothing
-- ends it unseen. One that somebody else has is not waited for: it may be in the hands of a claim that waits for the key. Then
-- the mark stays, for that claim or the sweep.
create function legwork.hand_on(own smallint, names text[], keys text[]) returns table (queue_id int, priority smallint)
  language plpgsql as $$
#variable_conflict use_column
begin
  return query with gone as (
    delete from legwork.key_holder k
     where k.slot = own and k.job_id is null and k.key = any(keys) and ((k.name, k.key) in (select * from unnest(names, keys))) is true
     returning k.name, k.key
  ), line as materialized (
    select g.name, g.key, h.id from gone g cross join lateral (
      select e.id from legwork.job e
       where e.slot = own and e.name = g.name and e.key = g.key and (e.state = 2 or (e.state = 3 and e.worker_id is null))
       order by e.line limit 1) h
  ), next as materialized (
    select j.id from legwork.job j
     where j.slot = own and j.id = any(array(select l.id from line l)) and (j.state = 2 or (j.state = 3 and j.worker_id is null))
       and ((j.id, j.name, j.key) in (select l.id, l.name, l.key from line l)) is true
     for update skip locked
  ), held as (
    insert into legwork.key_holder (slot, name, key, job_id, waiting)
      select own, l.name, l.key, case when (l.id in (select n.id from next n)) is true then l.id end, true from line l
  ), freed as (
    update legwork.job j set state = 3, seq = nextval('legwork.job_seq')
     where j.slot = own and j.state = 2 and j.id = any(array(select n.id from next n))
     returning j.queue_id, j.name, j.priority
  ), counted as (
    insert into legwork.tally (queue_id, name, state, n)
      select f.queue_id, f.name, s.state, s.sign * count(*) from freed f, (values (2, -1), (3, 1)) s(state, sign) group by f.queue_id, f.name, s.state, s.sign
  )
  select distinct f.queue_id, f.priority from freed f;
end $$;

-- The same for marks that others have left, in one round trip. A mark that is gone was handed over by somebody else. If a
-- crash undoes it the mark is still there: the commit does not wait for the disk.
create function legwork.hand_over(own smallint, names text[], keys text[]) returns table (queue_id int, priority smallint)
  language plpgsql as $$
#variable_conflict use_column
begin
  perform set_config('synchronous_commit', 'off', true);
  -- in the order of the primary key, as everywhere
  perform from legwork.key_holder k
    where k.slot = own and k.job_id is null and k.key = any(keys) and ((k.name, k.key) in (select * from unnest(names, keys))) is true
    order by k.key, k.name for update;
  return query select * from legwork.hand_on(own, names, keys);
end $$;

-- One row per process that runs jobs; liveness is its heartbeat. suspect: the job it runs that was running when a worker
-- died before; one at a time, so that the next death says whether it was that one.
create table legwork.worker (
  id          int generated always as identity primary key,
  beat_at     timestamptz not null default legwork.now(),
  started_at  timestamptz not null default legwork.now(),
  ended_at    timestamptz,
  pid         int not null,
  concurrency int not null,
  running     int not null default 0,
  suspect     bigint,
  state       text not null default 'running' check (state in ('running', 'stopping', 'stopped', 'dead')),
  host        text not null,
  process     text not null,
  version     text not null,
  names       text[] not null,
  pins        text[] not null,
  queues      text[],
  labels      text[] not null default '{}'
) with (fillfactor = 50);
create index worker_alive on legwork.worker (id) where ended_at is null;

-- Which jobs a worker claimed, a row per claim: without it a rescue would have to read the whole backlog,
-- because an index on job.worker_id would cost every claim its HOT update.
create table legwork.lease (
  worker_id int not null,
  batch     int not null,
  slot      smallint not null,
  ids       bigint[] not null,
  primary key (worker_id, batch)
) with (toast_tuple_target = 8160, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
-- A claim's ids fit into a page; compressing them would cost more than writing them.
alter table legwork.lease alter column ids set storage external;

-- How far into a lane (slot, queue, priority) the workers of a crew, which take the same jobs, have claimed: the highest
-- seq is what counts. A row per claim that moved it, instead of one that is updated: readers find the highest one first,
-- however many dead ones a long transaction keeps behind it.
create table legwork.floor (
  slot     smallint not null,
  queue_id int not null,
  priority smallint not null,
  crew     bigint not null,
  seq      bigint not null,
  primary key (slot, queue_id, priority, crew, seq)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

-- History: append-only, by time; retention drops partitions. Dead letters are kept apart because they are kept longer.
create table legwork.finished (
  id            bigint not null,
  finished_at   timestamptz not null default legwork.now(),
  created_at    timestamptz not null,
  run_at        timestamptz,
  started_at    timestamptz,
  queue_id      int not null,
  claim         int not null,
  worker_id     int,
  slot          smallint not null,
  priority      smallint not null,
  state         smallint not null,
  attempt       smallint not null,
  crashes       smallint not null,
  name          text collate "C" not null,
  key           text collate "C",
  unique_key    text collate "C",
  reason        text,
  trace         text,
  tags          text[],
  headers       jsonb,
  input         jsonb,
  options       jsonb,
  progress      jsonb,
  output        jsonb,
  error         jsonb,
  primary key (id, slot, state, finished_at)
) partition by list (state);
create index finished_tags on legwork.finished using gin (tags) where tags is not null;

create table legwork.finished_done partition of legwork.finished for values in (10, 12, 13) partition by range (finished_at);
create table legwork.finished_dead partition of legwork.finished for values in (11, 14) partition by range (finished_at);

-- Every attempt that did not complete the job: its error and what was decided.
create table legwork.attempt (
  job_id     bigint not null,
  at         timestamptz not null default legwork.now(),
  started_at timestamptz,
  delay_ms   bigint,
  claim      int not null,
  worker_id  int,
  slot       smallint not null,
  attempt    smallint not null,
  outcome    text not null,
  error      jsonb,
  primary key (job_id, slot, claim, at)
) partition by range (at);

-- Progress, log lines and whatever else happens inside an attempt. Lifecycle events are not written: they are
-- derived from job, attempt and finished. (claim, seq) orders them; seq is drawn in the order of the flushes.
create sequence legwork.feed_seq;
create table legwork.feed (
  job_id bigint not null,
  seq    bigint not null default nextval('legwork.feed_seq'),
  at     timestamptz not null default legwork.now(),
  claim  int not null,
  slot   smallint not null,
  kind   text not null,
  data   jsonb,
  primary key (job_id, slot, claim, seq, at)
) partition by range (at);

-- What a durable job remembers, a row per step: by name, so that code around it may change. place: in the order of the
-- starts, for undoing in reverse. state 1 begun, 2 done, 3 failed for good, 4 waits until due_at (a sleep, a step's back-off).
-- A row named '!undo' says that the job has failed for good and its steps are being undone; error tells why.
create table legwork.step (
  job_id   bigint not null,
  at       timestamptz not null default legwork.now(),
  due_at   timestamptz,
  place    int not null,
  slot     smallint not null,
  state    smallint not null check (state between 1 and 4),
  attempt  smallint not null default 0,
  undoable boolean not null default false,
  name     text collate "C" not null,
  output   jsonb,
  error    jsonb,
  primary key (job_id, slot, name)
) with (fillfactor = 90, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- What was sent to a durable job, in order; each is taken by one wait, whether that began before or after.
create sequence legwork.signal_seq;
create table legwork.signal (
  job_id   bigint not null,
  id       bigint not null default nextval('legwork.signal_seq'),
  at       timestamptz not null default legwork.now(),
  slot     smallint not null,
  topic    text collate "C" not null,
  taken_by text collate "C",
  data     jsonb,
  primary key (job_id, slot, id)
);

-- Counters: every statement that moves jobs appends one row per (queue, name, state); maintenance folds them. They know one
-- state more than the jobs: see legwork.counted_as in 0007_expiry.sql.
create table legwork.tally (queue_id int not null, state smallint not null, n int not null, name text collate "C" not null)
  with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
-- It has no key: without this a database with a publication for all tables would refuse to fold it.
alter table legwork.tally replica identity full;
create table legwork.count (
  queue_id int not null,
  name     text collate "C" not null,
  state    smallint not null,
  n        bigint not null,
  primary key (queue_id, name, state)
) with (fillfactor = 50);

-- Makes the partition of `parent` that holds `at`, `days` long and aligned to the epoch, unless it is there or its
-- span has rows in the default partition already (then those stay there and are pruned by age like the rest).
create function legwork.add_partition(parent text, at timestamptz, days int) returns boolean language plpgsql as $$
declare
  first bigint := floor(extract(epoch from at) / (86400 * days))::bigint * days;
  low   timestamptz := to_timestamp(first * 86400);
  high  timestamptz := to_timestamp((first + days) * 86400);
  part  text := format('%s_%s', parent, to_char(low at time zone 'utc', 'YYYYMMDD'));
begin
  -- Every process makes them: the second one must see what the first has made.
  perform pg_advisory_xact_lock(6235701202);
  if to_regclass('legwork.' || quote_ident(part)) is not null then return false; end if;
  execute format('create table legwork.%I (like legwork.%I including defaults)', part, parent);
  execute format('alter table legwork.%I attach partition legwork.%I for values from (%L) to (%L)', parent, part, low, high);
  return true;
exception when check_violation then return false;
end $$;

create table legwork.finished_done_default partition of legwork.finished_done default;
create table legwork.finished_dead_default partition of legwork.finished_dead default;
create table legwork.attempt_default partition of legwork.attempt default;
create table legwork.feed_default partition of legwork.feed default;

select legwork.add_partition('finished_done', now() + d * interval '1 day', 1) from generate_series(0, 2) d;
select legwork.add_partition(parent, now() + d * interval '7 days', 7)
  from unnest(array['finished_dead', 'attempt', 'feed']) parent, generate_series(0, 1) d;

-- What people and tools read: every job, live or finished, with its state in words.
create view legwork.jobs as
  select j.id, j.slot, j.name, q.name as queue, j.priority,
         case j.state when 1 then 'scheduled' when 2 then 'blocked' when 6 then 'blocked' when 4 then 'waiting' when 5 then 'compensating'
              else case when j.worker_id is null then 'ready' else 'running' end end as state,
         j.attempt, j.crashes, j.claim, j.key, j.unique_key, j.tags, j.headers, j.trace, j.input, j.progress,
         null::jsonb as output, null::jsonb as error, j.cancel_reason as reason, j.worker_id,
         j.created_at, j.run_at, j.claimed_at as started_at, null::timestamptz as finished_at,
         j.options->>'version' as version, j.options->>'pin' as pin
    from legwork.job j join legwork.queue q on q.id = j.queue_id
  union all
  select f.id, f.slot, f.name, q.name, f.priority,
         case f.state when 10 then 'completed' when 11 then 'dead' when 12 then 'cancelled'
              when 13 then 'compensated' else 'compensation_failed' end,
         f.attempt, f.crashes, f.claim, f.key, f.unique_key, f.tags, f.headers, f.trace, f.input, f.progress,
         f.output, f.error, f.reason, f.worker_id,
         f.created_at, f.run_at, f.started_at, f.finished_at, f.options->>'version', f.options->>'pin'
    from legwork.finished f join legwork.queue q on q.id = f.queue_id;

-- Adds jobs inside the caller's transaction and returns one row per element: its place, its id, whether it is new
-- (false: an unfinished job with the same name and unique key was there, and the id is that one's), and what bounds did because
-- their queue was full, or null (see 0012_bounds.sql).
-- Elements: name (required), input, queue, priority, runAt or delayMs, key, unique, tags, headers, trace, options (among them
-- startWithin, ms, which is stored as a moment).
create function legwork.enqueue_many(jobs jsonb, depth int default 0, bounded boolean default true)
  returns table (ord int, id bigint, created boolean, bounds jsonb) language plpgsql as $$
#variable_conflict use_column
declare
  total  int := jsonb_array_length(jobs);
  seqs   bigint[];
  mine   bigint[];
  places jsonb; -- queue name -> [id, slot]; a call names few queues, however many jobs it has
begin
  -- The transaction must have its id before the first seq is drawn: workers decide by it
  -- whether a row may still appear below the place they have scanned to.
  perform pg_current_xact_id();
  places := legwork.queue_places(array(
    select distinct coalesce(j->>'queue', d.queue, 'default')
      from jsonb_array_elements(jobs) j
      -- null finds nothing at once: only plain-SQL producers leave the queue out
      left join legwork.definition d on d.name = case when j ? 'queue' then null else j->>'name' end));
  if bounded and jsonb_path_exists(places, '$.*[2] ? (@ == true)') then
    return query select * from legwork.enqueue_bounded(jobs);
    return;
  end if;
  seqs := array(select nextval('legwork.job_seq') from generate_series(1, total));

  with added as (
    insert into legwork.job (slot, id, queue_id, priority, seq, state, name, run_at, key, line, unique_key, trace, input, headers, options, tags)
      select slot, (seq << 8) | slot, queue_id, priority, seq, case when run_at > legwork.now() then 1 else 3 end, j->>'name', run_at,
             j->>'key', case when j ? 'key' then seq end, j->>'unique', j->>'trace', j->'input', j->'headers',
             case when j ? 'options' or within is not null then legwork.with_deadline(j->'options', within, run_at) end,
             case when j ? 'tags' then array(select jsonb_array_elements_text(j->'tags')) end
        from (
          select j, seqs[e.ord] as seq, (place->>0)::int as queue_id, (place->>1)::smallint as slot,
                 coalesce((j->>'priority')::smallint, d.priority, 0) as priority, d.start_within as within,
                 coalesce((j->>'runAt')::timestamptz, legwork.now() + (j->>'delayMs')::float8 * interval '1 millisecond') as run_at
            from jsonb_array_elements(jobs) with ordinality e(j, ord)
            left join legwork.definition d on d.name = case when j ?& '{queue,priority}' then null else j->>'name' end
            cross join lateral (select places->coalesce(j->>'queue', d.queue, 'default') as place) p
        ) given
      on conflict (slot, name, unique_key) where unique_key is not null do nothing
      returning job.id, job.queue_id, job.name, job.state
  ), counted as (
    insert into legwork.tally (queue_id, name, state, n)
      select queue_id, name, state, count(*) from added group by 1, 2, 3
  )
  select array_agg(added.id) into mine from added;

  return query
    select e.ord::int, (seqs[e.ord] << 8) | slot, true, null::jsonb
      from jsonb_array_elements(jobs) with ordinality e(j, ord)
      left join legwork.definition d on d.name = case when j ? 'queue' then null else j->>'name' end
      cross join lateral (select (places->coalesce(j->>'queue', d.queue, 'default')->>1)::smallint as slot) p
     where cardinality(mine) = total or (((seqs[e.ord] << 8) | slot) in (select unnest(mine))) is true;

  if coalesce(cardinality(mine), 0) < total then
    return query select b.*, null::jsonb from legwork.enqueued_before(jobs, seqs, mine, depth) b;
  end if;
end $$;

-- Where the queues of these names are; makes the missing ones.
-- The third value: it has bounds.
create function legwork.queue_places(names text[]) returns jsonb language plpgsql as $$
declare
  places jsonb;
begin
  select jsonb_object_agg(q.name, jsonb_build_array(q.id, q.slot, q.bounded)) into places
    from unnest(names) n join legwork.queue q on q.name = n;
  if names <@ array(select jsonb_object_keys(places)) then return places; end if;
  insert into legwork.queue (name) select n from unnest(names) n order by n on conflict do nothing;
  return (select jsonb_object_agg(q.name, jsonb_build_array(q.id, q.slot)) from unnest(names) n join legwork.queue q on q.name = n);
end $$;

-- The rest of enqueue_many: those whose unique key was taken get the id of the job that holds it.
create function legwork.enqueued_before(jobs jsonb, seqs bigint[], mine bigint[], depth int)
  returns table (ord int, id bigint, created boolean) language plpgsql
  -- whoever's session this runs in: the index that gives the order is the only plan
  set enable_sort = off as $$
#variable_conflict use_column
declare
  r record;
begin
  for r in
    select e.ord::int as ord, e.j, q.slot,
           (select h.id from legwork.job h
             where h.slot = q.slot and h.name = j->>'name' and h.unique_key >= j->>'unique' and h.unique_key <= j->>'unique'
             order by h.unique_key limit 1) as holder
      from jsonb_array_elements(jobs) with ordinality e(j, ord)
      left join legwork.definition d on d.name = j->>'name'
      join legwork.queue q on q.name = coalesce(j->>'queue', d.queue, 'default')
     where (((seqs[e.ord] << 8) | q.slot) in (select unnest(mine))) is not true
  loop
    ord := r.ord; id := r.holder; created := false;
    if id is null then
      -- The job that was in the way has finished since: its place is free, so add ours.
      if depth > 20 then
        raise exception 'legwork: jobs named % with unique key % keep finishing while they are looked up', r.j->>'name', r.j->>'unique'
          using errcode = 'serialization_failure';
      end if;
      select m.id, m.created into id, created from legwork.enqueue_many(jsonb_build_array(r.j), depth + 1, false) m;
    end if;
    return next;
  end loop;
end $$;

-- One job from plain SQL: a trigger, psql, another language. Returns its id, or that of the job that holds the unique key.
create function legwork.enqueue(
  name text, input jsonb default null, queue text default null, priority int default null, run_at timestamptz default null,
  delay interval default null, key text default null, unique_key text default null, tags text[] default null,
  headers jsonb default null, trace text default null, start_within interval default null
) returns bigint language plpgsql as $$
begin
  if coalesce(enqueue.name, '') = '' then
    raise exception 'legwork.enqueue: name must not be empty' using errcode = 'invalid_parameter_value';
  end if;
  return (select m.id from legwork.enqueue_many(jsonb_build_array(jsonb_strip_nulls(jsonb_build_object(
    'name', enqueue.name, 'queue', enqueue.queue, 'priority', enqueue.priority, 'runAt', enqueue.run_at,
    'delayMs', extract(epoch from enqueue.delay) * 1000, 'key', enqueue.key, 'unique', enqueue.unique_key,
    'tags', to_jsonb(enqueue.tags), 'headers', enqueue.headers, 'trace', enqueue.trace,
    'options', case when enqueue.start_within is not null then jsonb_build_object('startWithin', extract(epoch from enqueue.start_within) * 1000) end))
    || case when enqueue.input is null then '{}' else jsonb_build_object('input', enqueue.input) end)) m);
end $$;
