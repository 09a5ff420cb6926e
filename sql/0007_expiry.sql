-- Jobs that nobody wants any more when they have not started by a moment: `startBy` (ms since the epoch) in their options. It
-- stays there until the job was begun once; what has begun never expires.

-- For plain-SQL producers: what the definition says, in milliseconds.
alter table legwork.definition add column start_within float8;

-- Only for jobs that have it. A claim touches no column of it, so it stays a HOT update.
create index job_start_by on legwork.job (slot, ((options ->> 'startBy')::float8)) where options ? 'startBy';

-- Options as they are stored: `startWithin` (ms) counts from when the job may run, by the clock of the database. What the job
-- says itself goes before what its definition says (`within`).
create function legwork.with_deadline(options jsonb, within float8, run_at timestamptz) returns jsonb language sql stable parallel safe as $$
  select case when options ? 'startWithin' or (within is not null and (options ? 'startBy') is not true)
    then coalesce(options, '{}') - 'startWithin' || jsonb_build_object('startBy',
           floor(extract(epoch from greatest(run_at, legwork.now())) * 1000 + coalesce((options ->> 'startWithin')::float8, within)))
    else options end
$$;

-- The state under which the counters have a job that has ended: those that expired (15) apart from others that were cancelled.
create function legwork.counted_as(state smallint, error jsonb) returns smallint language sql immutable parallel safe as $$
  select case when state = 12 and error->>'code' = 'LW_JOB_EXPIRED' then 15::smallint else state end
$$;
