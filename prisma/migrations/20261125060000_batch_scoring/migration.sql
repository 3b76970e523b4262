-- Purpose: batch scoring, every user by every movie, in shards that any worker can take. Lock: models, against writes, for the
-- foreign key. Time: milliseconds, the tables are new.

create table scoring_runs (
  id serial primary key,
  status run_status not null default 'QUEUED',
  model_id integer not null references models (id) on update cascade on delete cascade,
  top integer not null,
  shards integer not null,
  users integer not null,
  idempotency_key text unique,
  error_code text,
  error_message text,
  queued_at timestamptz(3) not null default current_timestamp,
  started_at timestamptz(3),
  finished_at timestamptz(3)
);

create index scoring_runs_model_id_idx on scoring_runs (model_id);

-- The lists of a model are written by one run at a time.
create unique index scoring_runs_unfinished_key on scoring_runs (model_id) where status in ('QUEUED', 'RUNNING');

create table scoring_shards (
  scoring_run_id integer not null references scoring_runs (id) on update cascade on delete cascade,
  shard integer not null,
  first_index integer not null,
  end_index integer not null,
  status run_status not null default 'QUEUED',
  attempt integer not null default 0,
  heartbeat_at timestamptz(3),
  rows integer not null default 0,
  primary key (scoring_run_id, shard)
);
