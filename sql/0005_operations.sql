-- What people see of the steps of a durable job, and what they do about them.

-- seq: drawn whenever a step is written, while its job's row is locked, so that of one job a smaller number is never
-- committed later. claim: under which the step was written last.
create sequence legwork.step_seq;
-- at: when the step began, as far as anybody wrote it down; ended_at: when it was done or failed for good.
-- kind: 1 step, 2 sleep, 3 wait for a signal, 4 child, 5 children, 6 group.
alter table legwork.step
  add column ended_at timestamptz,
  add column seq bigint not null default nextval('legwork.step_seq'),
  add column claim int not null default 0,
  add column kind smallint not null default 1;

-- The steps that are to be undone, the last that began first, with what became of each undo; what came before a commit
-- stays. undo is null until somebody has begun with it.
create function legwork.undos(slot smallint, job_id bigint)
  returns table (name text, place int, output jsonb, undo smallint, tries smallint, due_at timestamptz, ended_at timestamptz, error jsonb, resolved text)
  language sql stable as $$
  select s.name, s.place, s.output, u.state, u.attempt, u.due_at, u.ended_at, u.error, u.output ->> 'resolved'
    from legwork.step s left join legwork.step u on u.slot = undos.slot and u.job_id = undos.job_id and u.name = '!undo ' || s.name
   where s.slot = undos.slot and s.job_id = undos.job_id and s.undoable
     and s.place > coalesce((select max(c.place) from legwork.step c
       where c.slot = undos.slot and c.job_id = undos.job_id and c.name like '!commit%'), 0)
   order by s.place desc
$$;
