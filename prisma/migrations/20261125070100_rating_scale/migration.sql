-- Purpose: a data set's own rating scale instead of MovieLens' half stars. Locks: ratings and evaluations exclusively. Time:
-- one pass over the ratings, for the check: a second or two for 20 million.

create table rating_scale (
  id boolean primary key default true check (id),
  minimum float8 not null,
  maximum float8 not null,
  step float8 not null,
  check (minimum < maximum and step > 0 and step <= maximum - minimum)
);
comment on table rating_scale is 'One row: the lowest and highest rating, and the step that ratings are rounded to in confusion_cells. Set by the first import.';

insert into rating_scale (minimum, maximum, step)
select 0.5, 5, 0.5
where exists (select from ratings);

-- The loader and the API keep to the scale; the table refuses what no scale can hold.
alter table ratings
  drop constraint ratings_scale_check,
  add constraint ratings_finite_check check (rating between -1e6 and 1e6);

alter table evaluations
  add column scale_minimum float8 not null default 0.5,
  add column scale_maximum float8 not null default 5,
  add column scale_step float8 not null default 0.5;
alter table evaluations
  alter column scale_minimum drop default,
  alter column scale_maximum drop default,
  alter column scale_step drop default;

do $$
begin
  if exists (select from pg_roles where rolname = 'marquee_analyst') then
    grant select on rating_scale to marquee_analyst;
  end if;
end
$$;
