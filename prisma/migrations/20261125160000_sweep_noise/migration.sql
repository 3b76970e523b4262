-- Purpose: what each sweep of a run of the kind bayes drew as the noise of ratings. Locks: epoch_metrics, briefly. Time: none to speak of.

alter table epoch_metrics add column noise float8;
