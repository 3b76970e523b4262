// What the worker of a run tells of it while it trains. It writes only as long as the run is its own: RUNNING, by the attempt that it
// has claimed (store/runs.ts). All of it in SQL: a training thread has no other use for Prisma, which takes 0.3 s to answer its first query.

import type { Hyperparameters } from './hyperparameters.js';
import type { TrainingRun } from './prisma/client.js';
import type { RunClaim } from './runs.js';
import type { Store } from './store.js';

export interface RunProgress {
  /** 1-based. */
  epoch: number;
  epochs: number;
  /** Steps of this epoch that are done. */
  step: number;
  steps: number;
  /** Mean squared error of the epoch so far. */
  trainLoss: number | null;
  samplesPerSecond: number;
  etaSeconds: number | null;
}

export interface EpochMetricRow {
  epoch: number;
  trainLoss: number;
  validationLoss: number;
  seconds: number;
  samplesPerSecond: number;
  /** Of a sweep: α^(−½), in stars, before the factors of user and movie; null of gradient steps. */
  noise: number | null;
}

/** What was found out at the start: where it runs, on which ratings, and what the preset comes to on so many. */
export async function recordStart(
  store: Store,
  { id, attempt }: RunClaim,
  start: Pick<
    TrainingRun,
    | 'engine'
    | 'device'
    | 'threads'
    | 'snapshotRatings'
    | 'snapshotLatest'
    | 'snapshotChecksum'
    | 'trainRatings'
    | 'testRatings'
  > & { hyperparameters: Hyperparameters },
): Promise<void> {
  const { engine, device, threads, hyperparameters, trainRatings, testRatings } = start;
  const { snapshotRatings, snapshotLatest, snapshotChecksum } = start;
  await store.pool.query(
    `update training_runs
     set engine = $3, device = $4, threads = $5, hyperparameters = $6, train_ratings = $7, test_ratings = $8,
       snapshot_ratings = $9, snapshot_latest = $10, snapshot_checksum = $11
     where id = $1 and attempt = $2 and status = 'RUNNING'`,
    [
      ...[id, attempt, engine, device, threads, JSON.stringify(hyperparameters), trainRatings, testRatings],
      ...[snapshotRatings, snapshotLatest, snapshotChecksum],
    ],
  );
}

/** Says that the run is alive; false when it is no longer the caller's and should stop. */
export async function beat(
  store: Store,
  { id, attempt }: RunClaim,
  progress: RunProgress | null,
): Promise<boolean> {
  const { rowCount } = await store.pool.query(
    `update training_runs
     set started_at = coalesce(started_at, now()), heartbeat_at = clock_timestamp(), progress = coalesce($3::jsonb, progress)
     where id = $1 and attempt = $2 and status = 'RUNNING'`,
    [id, attempt, progress === null ? null : JSON.stringify(progress)],
  );
  return rowCount === 1;
}

/** Saying it again does no harm. */
export async function saveEpoch(
  store: Store,
  { id, attempt }: RunClaim,
  metric: EpochMetricRow,
): Promise<void> {
  const { epoch, trainLoss, validationLoss, seconds, samplesPerSecond, noise } = metric;
  await store.pool.query(
    `insert into epoch_metrics (run_id, epoch, train_loss, validation_loss, seconds, samples_per_second, noise)
     select id, $3, $4, $5, $6, $7, $8 from training_runs where id = $1 and attempt = $2 and status = 'RUNNING'
     on conflict (run_id, epoch) do update
     set (train_loss, validation_loss, seconds, samples_per_second, noise) =
       (excluded.train_loss, excluded.validation_loss, excluded.seconds, excluded.samples_per_second, excluded.noise)`,
    [id, attempt, epoch, trainLoss, validationLoss, seconds, samplesPerSecond, noise],
  );
}

/** Forgets the epochs after `epoch`: an attempt before this one took them, and they are taken again. Gives the seconds of the others. */
export async function rewindEpochs(store: Store, { id, attempt }: RunClaim, epoch: number): Promise<number> {
  await store.pool.query(
    `delete from epoch_metrics
     where run_id = $1 and epoch > $3
       and exists (select from training_runs where id = $1 and attempt = $2 and status = 'RUNNING')`,
    [id, attempt, epoch],
  );
  const { rows } = await store.pool.query<{ seconds: number }>(
    'select coalesce(sum(seconds), 0)::float8 as seconds from epoch_metrics where run_id = $1',
    [id],
  );
  return rows[0].seconds;
}
