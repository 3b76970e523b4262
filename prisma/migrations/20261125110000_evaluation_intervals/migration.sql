-- Purpose: how many test ratings each evaluation's intervals held. Locks: evaluations, briefly, for the reference. Time: none to speak of.

create table evaluation_intervals (
  run_id int not null references evaluations (run_id) on delete cascade on update cascade,
  level float8 not null,
  held float8 not null,
  primary key (run_id, level)
);

do $$
begin
  if exists (select from pg_roles where rolname = 'marquee_analyst') then
    grant select on evaluation_intervals to marquee_analyst;
  end if;
end
$$;
