-- Purpose: which earlier run a run repeats from its record. Lock: training_runs, exclusively. Time: milliseconds, no row is
-- written.

alter table training_runs
  add column repeats integer references training_runs (id) on update cascade on delete set null;
