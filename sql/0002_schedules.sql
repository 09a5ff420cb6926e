-- Rules that enqueue jobs at nominal instants, and what became of each instant.

-- spec, policy: as code or somebody by API has given them. job, input: what is enqueued, ready to be written; "dynamic"
-- when the input is a function, which only processes with that code can call.
-- next_at: the next nominal instant. due_at: when something is to be done, later than next_at by the jitter, or by the
-- moment chosen in its window, which stands nowhere else; null while nothing is. last_at: the last nominal instant that was dealt with.
-- live: jobs of this schedule that may be unfinished. counted_from: older failures are forgiven.
create table legwork.schedule (
  id           text collate "C" primary key,
  created_at   timestamptz not null default legwork.now(),
  seen_at      timestamptz not null default legwork.now(),
  counted_from timestamptz not null default legwork.now(),
  due_at       timestamptz,
  next_at      timestamptz,
  last_at      timestamptz,
  paused_at    timestamptz,
  paused_until timestamptz,
  runs         bigint not null default 0,
  missed       bigint not null default 0,
  skipped      bigint not null default 0,
  trouble      smallint not null default 0,
  dynamic      boolean not null default false,
  origin       text not null check (origin in ('code', 'api')),
  zone_data    text collate "C" not null,
  paused_by    text,
  pause_reason text,
  live         bigint[] not null default '{}',
  spec         jsonb not null,
  policy       jsonb not null,
  job          jsonb not null,
  input        jsonb
) with (fillfactor = 60, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
create index schedule_due on legwork.schedule (due_at, id) where due_at is not null;

-- One row per nominal instant, written in the transaction that adds its job: that is why an instant fires once, however
-- many processes there are. outcome: 1 fired, 2 skipped, 3 missed. kind: 0 in its time, 1 caught up, 2 backfilled, 3 by
-- hand. Of instants that were missed in a row one row tells: from `nominal` to `until`, at least `count` when `more`.
create table legwork.firing (
  nominal  timestamptz not null,
  at       timestamptz not null default legwork.now(),
  until    timestamptz,
  job_id   bigint,
  count    int not null default 1,
  outcome  smallint not null check (outcome between 1 and 3),
  kind     smallint not null default 0 check (kind between 0 and 3),
  more     boolean not null default false,
  schedule text collate "C" not null,
  reason   text,
  primary key (schedule, nominal)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
create index firing_old on legwork.firing (at);
