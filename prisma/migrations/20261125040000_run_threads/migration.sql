-- Purpose: how many threads the engine of a run computed with. Lock: training_runs, exclusively. Time: milliseconds, no row
-- is written. Runs from before have null.

alter table training_runs add column threads integer;
