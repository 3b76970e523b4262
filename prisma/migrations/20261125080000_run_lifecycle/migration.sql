-- Purpose: runs that outlive their workers: a fencing token, how often a worker was lost, priority, and checkpoints that can be read back.
-- Lock: training_runs and checkpoints, exclusively. Time: milliseconds; no row is written, and nothing has written checkpoints so far.

alter table training_runs
  add column attempt integer not null default 0,
  add column losses integer not null default 0,
  add column priority integer not null default 0,
  add column engine_asked text not null default 'auto',
  add column checkpoint jsonb;

alter table checkpoints
  add column position integer not null,
  add column dtype text not null;
