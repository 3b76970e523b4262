-- Purpose: one run at a time on the GPU of each machine. Lock: training_runs, exclusively. Time: milliseconds; no row is written.

alter table training_runs add column gpu_of text;

create unique index training_runs_gpu_of_key on training_runs (gpu_of) where status = 'RUNNING';
