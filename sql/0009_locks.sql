-- Locks by name: one holder at a time, until it frees the lock or is silent for longer than its lease. A holder is one call,
-- told apart by a text of its own (who). token: from one sequence, drawn under the row's lock, so that it grows with every
-- holder of a name, also after the row was forgotten.
--   * locks: the row of the lock, then its line; a statement that touches several locks touches only those of its own process
create sequence legwork.lock_token;

create table legwork.lock (
  name       text collate "C" primary key,
  token      bigint,
  since      timestamptz,
  expires_at timestamptz,
  touched_at timestamptz not null default legwork.now(),
  pid        int,
  who        text,
  host       text
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- Who waits, in order. Each asks again and again; who has not asked for its lease is passed over.
create table legwork.lock_line (
  name       text collate "C" not null,
  place      bigint generated always as identity,
  expires_at timestamptz not null,
  who        text not null,
  primary key (name, who)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- Gives the lock to whoever asks, if it is free and nobody stands before; else who `waits` gets in line, or stays there. No token: not now.
-- Asking again is harmless. Who has been silent itself for longer than its lease calls nobody else silent yet: the whole
-- machine may have slept.
create function legwork.take_lock(wanted text, caller text, lease_ms float8, waits boolean, caller_host text, caller_pid int, out token bigint)
  language plpgsql as $$
#variable_conflict use_column
declare
  at      timestamptz := legwork.now();
  until   timestamptz := at + lease_ms * interval '1 millisecond';
  l       legwork.lock;
  asked   timestamptz;
  asleep  boolean;
begin
  loop
    select u.* into l from legwork.lock u where u.name = wanted for update;
    exit when found;
    insert into legwork.lock (name) values (wanted) on conflict do nothing;
  end loop;
  if l.who = caller then
    update legwork.lock u set expires_at = until where u.name = wanted;
    token := l.token;
    return;
  end if;
  select w.expires_at into asked from legwork.lock_line w where w.name = wanted and w.who = caller;
  asleep := coalesce(asked <= at, false);
  if not asleep then
    delete from legwork.lock_line w where w.name = wanted and w.expires_at <= at;
  end if;
  if (l.who is null or l.expires_at <= at and not asleep)
    and not exists (select from legwork.lock_line w where w.name = wanted and w.who <> caller
                       and w.place < coalesce((select m.place from legwork.lock_line m where m.name = wanted and m.who = caller), 9223372036854775807)) then
    token := nextval('legwork.lock_token');
    delete from legwork.lock_line w where w.name = wanted and w.who = caller;
    update legwork.lock u
       set token = take_lock.token, who = caller, since = at, expires_at = until, touched_at = at, host = caller_host, pid = caller_pid
     where u.name = wanted;
  elsif waits then
    insert into legwork.lock_line as w (name, who, expires_at) values (wanted, caller, until)
      on conflict (name, who) do update set expires_at = excluded.expires_at;
  end if;
end $$;

-- Frees a lock, or leaves its line. Whether it was the caller's until now, and whether anybody waits.
create function legwork.free_lock(wanted text, caller text, out mine boolean, out wanted_by int) language plpgsql as $$
begin
  update legwork.lock u set who = null, expires_at = null, since = null, host = null, pid = null, touched_at = legwork.now()
   where u.name = wanted and u.who = caller;
  mine := found;
  delete from legwork.lock_line w where w.name = wanted and w.who = caller;
  select count(*) into wanted_by from legwork.lock_line w where w.name = wanted;
end $$;
