-- Purpose: to tell whose ratings a model has not seen as they are now. Locks: users and models exclusively, briefly. Time: none to speak of.

alter table users add column ratings_changed_at timestamptz;
comment on column users.ratings_changed_at is 'When one of their ratings was last added, replaced or removed; null since the first import.';

alter table models add column ratings_read_at timestamptz not null default now();
alter table models alter column ratings_read_at drop default;
comment on column models.ratings_read_at is 'The ratings as of then were the model''s training and test ratings.';

update models set ratings_read_at = coalesce(started_at, queued_at) from training_runs where training_runs.id = models.run_id;
