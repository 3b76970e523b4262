-- Purpose: a run that succeeded says why its model was not promoted, where the gate refused it.
-- Lock: training_runs, exclusively. Time: milliseconds; no row is written.

alter table training_runs add column note text;
