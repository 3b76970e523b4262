-- Purpose: what older MovieLens sets tell about users (u.user, users.dat). Locks: users exclusively. Time: milliseconds, no row
-- is rewritten.

alter table users
  add column gender text,
  add column age int,
  add column occupation text,
  add column zip_code text;
comment on column users.age is 'In years; of sets that give groups only, such as ml-1m, the group''s lowest age (1: under 18).';
