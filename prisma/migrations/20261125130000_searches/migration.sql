-- Purpose: searches for hyperparameters, whose trials are training runs. Lock: training_runs, exclusively. Time: milliseconds; no row
-- is written, and the new indexes are empty.

create type search_strategy as enum ('RANDOM', 'HALVING');

create table searches (
  id serial primary key,
  status run_status not null default 'RUNNING',
  strategy search_strategy not null,
  space jsonb not null,
  trials integer not null,
  seed integer not null,
  preset text not null,
  hyperparameters jsonb not null,
  split jsonb not null,
  engine text not null,
  priority integer not null default 0,
  promote boolean not null,
  idempotency_key text unique,
  code_version text not null,
  error_code text,
  error_message text,
  started_at timestamptz(3) not null default current_timestamp,
  finished_at timestamptz(3)
);

alter table training_runs
  add column search_id integer references searches (id) on update cascade on delete cascade,
  add column trial integer,
  add column rung integer,
  add column validation_rmse double precision;

-- Whoever goes on with a search, and how often: each trial is in a rung once, and there is one run of the winner.
create unique index training_runs_search_id_rung_trial_key on training_runs (search_id, rung, trial);
create unique index training_runs_winner_key on training_runs (search_id) where search_id is not null and trial is null;
