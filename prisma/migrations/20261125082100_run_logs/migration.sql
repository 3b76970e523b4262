-- Purpose: what a run told while it trained, so that its record can be read without the worker's log. Lock: training_runs,
-- shared with writers, for the foreign key. Time: milliseconds.

create type log_level as enum ('INFO', 'WARN', 'ERROR');

create table run_logs (
  id serial primary key,
  run_id integer not null references training_runs (id) on update cascade on delete cascade,
  logged_at timestamptz(3) not null default clock_timestamp(),
  level log_level not null,
  message text not null
);
create index run_logs_run_id_id_idx on run_logs (run_id, id);
comment on table run_logs is 'What a training run told: where it began, why it stopped. Its figures are in epoch_metrics.';
