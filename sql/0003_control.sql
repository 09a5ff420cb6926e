-- Which job a text stands for beyond what the unique index of legwork.job can say: for a period (kind 1), and for
-- idempotency keys (kind 2), which stay as long as their job is known, or until `until` if that is later.
create table legwork.reservation (
  job_id      bigint,
  at          timestamptz not null default legwork.now(),
  until       timestamptz,
  slot        smallint not null,
  kind        smallint not null check (kind in (1, 2)),
  name        text collate "C" not null,
  text        text collate "C" not null,
  fingerprint text collate "C" not null,
  primary key (slot, name, kind, text)
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- What stands for an input when texts are compared: jsonb writes equal values alike, whatever the order of their names.
create function legwork.fingerprint(input jsonb) returns text language sql immutable parallel safe as $$
  select encode(sha256(convert_to(coalesce(input::text, ''), 'UTF8')), 'hex')
$$;

-- Changes an unfinished job that no worker has: what `patch` names, with the words of enqueue_many's elements, and
-- "blank" for no input, "key": null for no key. Options are added to the job's own. The row is locked, so a claim either
-- has it before and the answer is 'running', or finds it changed.
-- Answers 'changed', 'running' (also of a durable job that waits, unless only its pin is to change), 'ended' or 'missing'; of a changed job the lane if it
-- is ready, and the milliseconds until it is due if it is scheduled.
create function legwork.change_job(job bigint, patch jsonb)
  returns table (outcome text, queue_id int, priority smallint, due float8) language plpgsql as $$
#variable_conflict use_column
declare
  own   smallint := job & 255;
  old   legwork.job;
  new   legwork.job;
  moved boolean;
begin
  -- before a seq is drawn, as the floors of the workers need it
  perform pg_current_xact_id();
  select * into old from legwork.job j where j.slot = own and j.id = job for update;
  if not found then
    outcome := case when exists (select from legwork.finished f where f.slot = own and f.id = job) then 'ended' else 'missing' end;
    return next;
    return;
  end if;
  -- of one that is parked only the version that goes on with it
  if old.state = 4 and patch = jsonb_build_object('options', jsonb_build_object('pin', patch->'options'->'pin')) then
    update legwork.job j set options = coalesce(old.options, '{}') || (patch->'options') where j.slot = own and j.id = job;
    outcome := 'changed';
    return next;
    return;
  end if;
  if old.worker_id is not null or old.state in (4, 5) then
    outcome := 'running';
    return next;
    return;
  end if;

  new := old;
  if patch ? 'input' then new.input := patch->'input'; end if;
  if patch ? 'blank' then new.input := null; end if;
  if patch ? 'priority' then new.priority := (patch->>'priority')::smallint; end if;
  if patch ? 'queue' then new.queue_id := (legwork.queue_places(array[patch->>'queue'])->(patch->>'queue')->>0)::int; end if;
  if patch ? 'key' then new.key := patch->>'key'; end if;
  if patch ? 'tags' then new.tags := array(select jsonb_array_elements_text(patch->'tags')); end if;
  if patch ? 'headers' then new.headers := patch->'headers'; end if;
  if patch ? 'trace' then new.trace := patch->>'trace'; end if;
  if patch ? 'options' then new.options := coalesce(old.options, '{}') || (patch->'options'); end if;
  if patch ? 'runAt' then new.run_at := (patch->>'runAt')::timestamptz; end if;
  if patch ? 'delayMs' then new.run_at := legwork.now() + (patch->>'delayMs')::float8 * interval '1 millisecond'; end if;
  -- measured from when the job was added: the latest moment to which repeated calls may put it off
  if patch ? 'maxMs' then new.run_at := least(new.run_at, old.created_at + (patch->>'maxMs')::float8 * interval '1 millisecond'); end if;

  -- a job that is put off keeps the time that it has for its start
  if new.options ? 'startBy' and new.run_at is distinct from old.run_at then
    new.options := new.options || jsonb_build_object('startBy', (new.options->>'startBy')::float8
      + floor(extract(epoch from greatest(new.run_at, legwork.now()) - coalesce(old.run_at, old.created_at)) * 1000));
  end if;
  new.options := legwork.with_deadline(new.options, null, new.run_at);

  moved := new.key is distinct from old.key;
  new.state := case when old.state = 6 then 6 when new.run_at > legwork.now() then 1 when old.state = 2 and not moved then 2 else 3 end;
  -- A ready job keeps its place, unless it gets one in another lane: ready rows appear only at the tail of a lane.
  if new.state = 3 and (old.state, old.priority, old.queue_id) is distinct from (3, new.priority, new.queue_id) then
    new.seq := nextval('legwork.job_seq');
  end if;
  if moved then new.line := case when new.key is not null then nextval('legwork.job_seq') end; end if;
  -- It may have held its old key, in a back-off or because it is the next. The sweep and the next claim look for a place without a job.
  if moved or (old.state in (2, 3) and new.state = 1) then
    update legwork.key_holder k set job_id = null where k.slot = own and k.name = old.name and k.key = old.key and k.job_id = job;
  end if;
  update legwork.job j
     set seq = new.seq, line = new.line, run_at = new.run_at, queue_id = new.queue_id, priority = new.priority, state = new.state, key = new.key,
         input = new.input, tags = new.tags, headers = new.headers, trace = new.trace, options = new.options
   where j.slot = own and j.id = job;
  -- it may have stood in the line of a limit
  if old.state = 2 and new.state <> 2 then perform legwork.release(own, array[job], array[0::smallint], array[0::float8]); end if;
  if (old.queue_id, old.state) is distinct from (new.queue_id, new.state) then
    insert into legwork.tally (queue_id, name, state, n)
      -- counters know one kind of blocked
      values (old.queue_id, old.name, case old.state when 6 then 2 else old.state end, -1), (new.queue_id, new.name, case new.state when 6 then 2 else new.state end, 1);
  end if;
  outcome := 'changed';
  if new.state = 3 then queue_id := new.queue_id; priority := new.priority; end if;
  if new.state = 1 then due := extract(epoch from new.run_at - legwork.now()) * 1000; end if;
  return next;
end $$;

-- Takes the row of a text, waiting for whoever has it: one after the other from here to the end of the transaction.
-- Returns the job that it stands for and the fingerprint of its input; nothing when the text is free.
create function legwork.reserve(own smallint, job_name text, of_kind int, value text, input_print text)
  returns table (job_id bigint, fingerprint text) language plpgsql as $$
#variable_conflict use_column
declare
  r legwork.reservation;
begin
  insert into legwork.reservation as o (slot, name, kind, text, fingerprint) values (own, job_name, of_kind, value, input_print)
    on conflict (slot, name, kind, text) do update set at = o.at returning o.* into r;
  if r.until > legwork.now() or (r.kind = 2 and (
       exists (select from legwork.job j where j.slot = (r.job_id & 255)::smallint and j.id = r.job_id)
       or exists (select from legwork.finished f where f.slot = (r.job_id & 255)::smallint and f.id = r.job_id))) then
    job_id := r.job_id;
    fingerprint := r.fingerprint;
    return next;
  end if;
end $$;

-- What a call does that meets the job which stands for its text already; see enqueue_ruled.
create function legwork.meet(holder bigint, j jsonb) returns table (conflict text, old_input text) language plpgsql as $$
#variable_conflict use_column
declare
  rule  jsonb := j->'rule';
  patch jsonb;
begin
  conflict := 'ignored';
  if rule->>'conflict' = 'reject' then conflict := 'duplicate'; end if;
  if rule->>'conflict' in ('replace', 'merge') then
    patch := j - '{name,unique,rule,once,queue}'::text[] || case when rule ? 'maxMs' then jsonb_build_object('maxMs', rule->'maxMs') else '{}' end;
    if rule->>'conflict' = 'merge' then patch := patch - 'input';
    elsif not j ? 'input' then patch := patch || '{"blank": true}';
    end if;
    if (select c.outcome from legwork.change_job(holder, patch) c) = 'changed' then
      conflict := case rule->>'conflict' when 'merge' then 'merge' else 'replaced' end;
      -- change_job has locked the row
      old_input := (select o.input::text from legwork.job o where o.slot = (holder & 255)::smallint and o.id = holder);
    end if;
  end if;
  return next;
end $$;

-- One element of enqueue_ruled.
create function legwork.enqueue_once(j jsonb) returns table (id bigint, created boolean, conflict text, old_input text, bounds jsonb) language plpgsql as $$
#variable_conflict use_column
declare
  rule   jsonb := j->'rule';
  once   jsonb := j->'once';
  own    smallint := (legwork.queue_places(array[j->>'queue'])->(j->>'queue')->>1)::smallint;
  print  text := legwork.fingerprint(j->'input');
  value  text := coalesce(rule->>'value', print);
  period float8 := coalesce((rule->>'ms')::float8, (rule->>'bucket')::float8);
  holder bigint;
  was    text;
begin
  if once is not null then
    select r.job_id, r.fingerprint into holder, was from legwork.reserve(own, j->>'name', 2, once->>'value', print) r;
    if holder is not null then
      return query select holder, false, case when was = print then 'ignored' else 'mismatch' end, null::text, null::jsonb;
      return;
    end if;
  end if;

  if period is not null then
    if rule ? 'bucket' then value := value || ' @' || floor(extract(epoch from legwork.now()) * 1000 / period); end if;
    holder := (select r.job_id from legwork.reserve(own, j->>'name', 1, value, print) r);
  end if;
  if holder is not null then
    select m.conflict, m.old_input into conflict, old_input from legwork.meet(holder, j) m;
    id := holder; created := false;
  else
    select a.id, a.created, a.conflict, a.old_input, a.bounds into id, created, conflict, old_input, bounds
      from legwork.enqueue_unless_waiting(case when rule is null or period is not null then j else j || jsonb_build_object('unique', value) end, own) a;
    if period is not null then
      update legwork.reservation r set job_id = enqueue_once.id, at = legwork.now(), fingerprint = print,
             until = case when rule ? 'bucket' then to_timestamp((floor(extract(epoch from legwork.now()) * 1000 / period) + 1) * period / 1000)
                          else legwork.now() + period * interval '1 millisecond' end
       where r.slot = own and r.name = j->>'name' and r.kind = 1 and r.text = value;
    end if;
  end if;
  if once is not null then
    update legwork.reservation r set job_id = enqueue_once.id, at = legwork.now(), fingerprint = print, until = legwork.now() + (once->>'keepMs')::float8 * interval '1 millisecond'
     where r.slot = own and r.name = j->>'name' and r.kind = 2 and r.text = once->>'value';
  end if;
  return next;
end $$;

-- Adds a job, or does what its rule says when an unfinished one has its unique key, or what a bound does that is full.
create function legwork.enqueue_unless_waiting(j jsonb, own smallint) returns table (id bigint, created boolean, conflict text, old_input text, bounds jsonb) language plpgsql as $$
#variable_conflict use_column
declare
  holder legwork.job;
begin
  for tries in 1..50 loop
    conflict := null;
    select m.id, m.created, m.bounds into id, created, bounds from legwork.enqueue_many(jsonb_build_array(j)) m;
    if created then return next; return; end if;
    if not j ? 'unique' then
      -- Its queue was full, and it was coalesced into a job that waits. That one is locked.
      conflict := case when j ? 'merges' then 'merge' else 'replaced' end;
      old_input := (select o.input::text from legwork.job o where o.slot = own and o.id = enqueue_unless_waiting.id);
      return next;
      return;
    end if;
    conflict := 'ignored';
    -- a plain unique key: whatever it does, the first one stays
    if not j ? 'rule' then return next; return; end if;
    select * into holder from legwork.job h where h.slot = own and h.id = enqueue_unless_waiting.id for update;
    -- it has ended, or another call has taken its key away, while we waited for its row
    continue when holder.unique_key is distinct from j->>'unique';
    if j->'rule'->>'until' = 'started' and (holder.claim > 0 or holder.state = 5) then
      -- It has been started: the key goes to the next one. Here, because taking it away in the claim would cost every claim its HOT update.
      update legwork.job h set unique_key = null where h.slot = own and h.id = holder.id;
      continue;
    end if;
    select m.conflict, m.old_input into conflict, old_input from legwork.meet(holder.id, j) m;
    return next;
    return;
  end loop;
  raise exception 'legwork: jobs named % with unique key % keep changing hands', j->>'name', j->>'unique' using errcode = 'serialization_failure';
end $$;

-- Like enqueue_many, for elements that may have a rule beside. "once" {value, keepMs} is an idempotency key. "rule" says
-- which jobs are the same: {value} and until when, until: 'started' or 'finished', or for a period {ms}, or one that is
-- aligned {bucket}; and what a call does when one is there, conflict: 'ignore', 'replace', 'merge' or 'reject'; maxMs as in
-- change_job. Without a value the input stands for itself. "merges" of an element without a rule as in legwork.coalesce_into.
-- bounds as in enqueue_many. conflict: 'ignored' or 'replaced', or 'merge': the row is locked, and the caller puts in what becomes of old_input and its own.
-- All or none: 'duplicate' or 'mismatch' in the last row says that this one was refused, and nothing of the call remains.
create function legwork.enqueue_ruled(jobs jsonb)
  returns table (ord int, id bigint, created boolean, conflict text, old_input text, bounds jsonb) language plpgsql as $$
#variable_conflict use_column
declare
  e record;
begin
  for e in select u.ord::int as ord, u.j from jsonb_array_elements(jobs) with ordinality u(j, ord) order by u.ord loop
    ord := e.ord;
    select a.id, a.created, a.conflict, a.old_input, a.bounds into id, created, conflict, old_input, bounds from legwork.enqueue_once(e.j) a;
    return next;
    if conflict in ('duplicate', 'mismatch') then raise exception 'refused' using errcode = 'LW409'; end if;
  end loop;
-- the block is a subtransaction: what was added before the refused one is taken back, and the caller's transaction goes on
exception when sqlstate 'LW409' then
  return;
end $$;

-- Who has changed a setting at run time, and from what to what.
create table legwork.setting (
  kind    text collate "C" not null,
  name    text collate "C" not null,
  version int not null,
  at      timestamptz not null default legwork.now(),
  by      text,
  old     jsonb,
  new     jsonb,
  primary key (kind, name, version)
);

-- Writes down a change of a setting and tells the workers at the commit; returns its version. What changes nothing is not
-- written. A NOTIFY in a transaction makes commits queue, so jobs never send one; settings are changed seldom.
create function legwork.note_setting(kind text, name text, old jsonb, new jsonb, by text) returns int language plpgsql as $$
#variable_conflict use_variable
declare
  last int := coalesce((select max(s.version) from legwork.setting s where s.kind = note_setting.kind and s.name = note_setting.name), 0);
begin
  if old is not distinct from new then return last; end if;
  insert into legwork.setting (kind, name, version, by, old, new) values (kind, name, last + 1, coalesce(by, current_user), old, new);
  perform pg_notify('legwork', '{"from": "sql", "hint": {"queues": true, "due": 0}}');
  return last + 1;
end $$;

-- Rules by name, of the kinds whose tables inherit from this one, which has no rows of its own: what code declares, and on
-- top of it what was chosen at run time.
create table legwork.rule (
  kind       text collate "C" not null,
  name       text collate "C" not null,
  declared   jsonb not null default '{}',
  chosen     jsonb,
  rule       jsonb generated always as (declared || coalesce(chosen, '{}')) stored,
  version    int not null default 0,
  changed_at timestamptz not null default legwork.now()
);

-- Changes a rule at run time: the keys that are given go before what code declares, and null among them gives one up; null
-- instead of them goes back to what code declares. Returns the version.
create function legwork.choose(kind text, name text, keys jsonb, by text) returns int language plpgsql as $$
#variable_conflict use_variable
declare
  before jsonb;
  result int;
begin
  select r.chosen into before from legwork.rule r where r.kind = choose.kind and r.name = choose.name for update;
  result := legwork.note_setting(kind, name, before, keys, by);
  update legwork.rule r set chosen = keys, version = result, changed_at = legwork.now() where r.kind = choose.kind and r.name = choose.name;
  return result;
end $$;

-- Refuses what nobody would understand.
create function legwork.check_rule(kind text, name text, rule jsonb) returns void language plpgsql immutable as $$
declare
  known text[] := case kind when 'limit' then '{running,count,per,smooth,failures,min,window,openFor,probes}' else '{depth,count,per,whenFull}' end;
  k text;
  v jsonb;
begin
  if coalesce(name, '') = '' then
    raise exception 'legwork.set_%: the name must not be empty', kind using errcode = 'invalid_parameter_value';
  end if;
  if rule is null then return; end if;
  if jsonb_typeof(rule) <> 'object' then raise exception 'legwork: a % is a JSON object', kind using errcode = 'invalid_parameter_value'; end if;
  if kind = 'limit' and name like 'worker:%' and rule - 'running' <> '{}' then
    raise exception 'legwork: a limit in each process has running alone' using errcode = 'invalid_parameter_value';
  end if;
  for k, v in select * from jsonb_each(rule) loop
    continue when k = any(known) and (
      k = any('{running,count,min,probes,depth}') and (v = 'null' or jsonb_typeof(v) = 'number' and v::numeric >= 1 and v::numeric = floor(v::numeric))
      or k = any('{per,window,openFor}') and (v = 'null' or jsonb_typeof(v) = 'number' and v::numeric >= 1)
      or k = 'failures' and jsonb_typeof(v) = 'number' and v::numeric > 0 and v::numeric <= 1
      or k = 'smooth' and jsonb_typeof(v) = 'boolean'
      or k = 'whenFull' and v <@ '["reject", "shed", "delay", "coalesce"]');
    raise exception 'legwork: a % cannot have % = %', kind, k, v using errcode = 'invalid_parameter_value', hint = case kind
      when 'limit' then 'Keys: running, count, per (ms), smooth; for breakers failures (0 to 1), min, window (ms), openFor (ms), probes.'
      else 'Keys: depth, count, per (ms), whenFull (reject, shed, delay or coalesce).' end;
  end loop;
  if (rule->>'count' is null) <> (rule->>'per' is null) then
    raise exception 'legwork: a rate needs count and per' using errcode = 'invalid_parameter_value';
  end if;
end $$;

-- No worker takes a job from the queue any more. One that is paused keeps its moment, and its reason unless another is given.
-- Returns the version of the setting.
create function legwork.pause_queue(name text, reason text default null, by text default null) returns int language plpgsql as
  $$ begin return legwork.set_pause(name, true, reason, by); end $$;

create function legwork.resume_queue(name text, by text default null) returns int language plpgsql as
  $$ begin return legwork.set_pause(name, false, null, by); end $$;

create function legwork.set_pause(queue text, paused boolean, reason text, by text) returns int language plpgsql as $$
#variable_conflict use_variable
declare
  was legwork.queue;
begin
  if coalesce(queue, '') = '' then
    raise exception 'legwork: the name of the queue must not be empty' using errcode = 'invalid_parameter_value';
  end if;
  if paused then insert into legwork.queue (name) values (queue) on conflict do nothing; end if;
  select q.* into was from legwork.queue q where q.name = queue for update;
  if paused then reason := coalesce(reason, was.pause_reason); end if;
  update legwork.queue q
     set paused_at = case when paused then coalesce(q.paused_at, legwork.now()) end, pause_reason = reason, paused_by = case when paused then coalesce(by, current_user) end
   where q.id = was.id and (q.paused_at is not null, q.pause_reason) is distinct from (paused, reason);
  return legwork.note_setting('pause', queue, legwork.pause_told(was.paused_at is not null, was.pause_reason), legwork.pause_told(paused, reason), by);
end $$;

-- How the history tells of a pause.
create function legwork.pause_told(paused boolean, reason text) returns jsonb language sql immutable as
  $$ select jsonb_strip_nulls(jsonb_build_object('paused', paused, 'reason', reason)) $$;

-- Lets the next job of a blocked key go; the one that failed stays dead. False when the key was not blocked. The history has
-- it under the name of the jobs and the key, as a JSON list.
create function legwork.unblock_key(name text, key text, by text default null) returns boolean language plpgsql
  -- whoever's session this runs in: the index that gives the order is the only plan
  set enable_sort = off as $$
#variable_conflict use_column
declare
  held legwork.key_holder;
begin
  select k.* into held from legwork.key_holder k where k.key = unblock_key.key and k.name = unblock_key.name and k.blocked_at is not null for update;
  if not found then return false; end if;
  update legwork.key_holder k set job_id = null, blocked_at = null where k.key = held.key and k.name = held.name and k.slot = held.slot;
  perform legwork.hand_on(held.slot, array[held.name], array[held.key]);
  perform legwork.note_setting('key', jsonb_build_array(held.name, held.key)::text, jsonb_build_object('blocked', true, 'job', held.job_id::text),
    jsonb_build_object('blocked', false), by);
  return true;
end $$;
