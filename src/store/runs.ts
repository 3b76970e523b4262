// Training runs. Every change of status is a compare-and-set, so that two processes never both own a run:
//
//   QUEUED ──claimRun──▶ RUNNING ──saveResult (store/results.ts)──▶ SUCCEEDED
//      ▲ └─────endRun──────┤──endRun──▶ FAILED | CANCELLED
//      └────requeueRun─────┘──failLostRuns, without heartbeat──▶ FAILED

import { AppError, type ErrorCode } from '../errors.js';
import type { Hyperparameters } from './hyperparameters.js';
import type { Prisma, RunStatus, TrainingRun } from './prisma/client.js';
import type { RunRequest } from './runRequest.js';
import { inTransaction, type Store } from './store.js';

/** A run whose process has not been heard of for this long is taken for dead; the beat is every second. */
const LOST_AFTER_SECONDS = 30;

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
}

/** QUEUED, or RUNNING when the caller trains it itself. The run that has the idempotency key already, if there is one. */
export async function createRun(
  store: Store,
  request: RunRequest,
  status: 'QUEUED' | 'RUNNING' = 'QUEUED',
): Promise<TrainingRun> {
  const fields = { ...request, status } as unknown as Prisma.TrainingRunCreateInput;
  try {
    return await store.prisma.trainingRun.create({ data: fields });
  } catch (error) {
    const { idempotencyKey } = request;
    const run = idempotencyKey && (await store.prisma.trainingRun.findUnique({ where: { idempotencyKey } }));
    if (!run) throw error;
    return run;
  }
}

/** null when somebody else has it, or it has ended. */
export async function claimRun(store: Store, id: number): Promise<TrainingRun | null> {
  const { rowCount } = await store.pool.query(
    `update training_runs set status = 'RUNNING' where id = $1 and status = 'QUEUED'`,
    [id],
  );
  return rowCount === 1 ? getRun(store, id) : null;
}

export async function findRun(store: Store, id: number): Promise<TrainingRun | null> {
  return store.prisma.trainingRun.findUnique({ where: { id } });
}

/** One entry for each id, null where there is no such run. */
export async function findRuns(store: Store, ids: readonly number[]): Promise<(TrainingRun | null)[]> {
  const rows = await store.prisma.trainingRun.findMany({ where: { id: { in: [...ids] } } });
  const byId = new Map(rows.map((row) => [row.id, row]));
  return ids.map((id) => byId.get(id) ?? null);
}

/** @throws AppError RUN_NOT_FOUND */
export async function getRun(store: Store, id: number): Promise<TrainingRun> {
  const run = await findRun(store, id);
  if (!run) throw new AppError('RUN_NOT_FOUND', `no training run ${id}`);
  return run;
}

/** Newest first; `before` is a run's id or null; an empty `statuses` means all. */
export async function listRuns(
  store: Store,
  first: number,
  before: number | null,
  statuses: readonly RunStatus[],
): Promise<TrainingRun[]> {
  return store.prisma.trainingRun.findMany({
    where: {
      ...(before === null ? {} : { id: { lt: before } }),
      ...(statuses.length === 0 ? {} : { status: { in: [...statuses] } }),
    },
    orderBy: { id: 'desc' },
    take: first,
  });
}

/** What was found out at the start: where it runs, on which ratings, and what the preset comes to on so many. */
export async function recordStart(
  store: Store,
  id: number,
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
  const { hyperparameters, ...rest } = start;
  const data = { ...rest, hyperparameters: { ...hyperparameters } };
  await store.prisma.trainingRun.updateMany({ where: { id, status: 'RUNNING' }, data });
}

/** Says that the run is alive; false when it is no longer RUNNING and should stop. */
export async function beat(store: Store, id: number, progress: RunProgress | null): Promise<boolean> {
  const { rowCount } = await store.pool.query(
    `update training_runs
     set started_at = coalesce(started_at, now()), heartbeat_at = now(), progress = coalesce($2::jsonb, progress)
     where id = $1 and status = 'RUNNING'`,
    [id, progress === null ? null : JSON.stringify(progress)],
  );
  return rowCount === 1;
}

export async function saveEpoch(store: Store, runId: number, metric: EpochMetricRow): Promise<void> {
  await store.prisma.epochMetric.create({ data: { runId, ...metric } });
}

/** Ends a run that has not ended yet; otherwise does nothing. */
export async function endRun(
  store: Store,
  id: number,
  status: 'FAILED' | 'CANCELLED',
  error: { code: ErrorCode | 'INTERNAL'; message: string },
): Promise<void> {
  await store.pool.query(
    `update training_runs
     set status = $2::run_status, error_code = $3, error_message = $4, finished_at = now()
     where id = $1 and status in ('QUEUED', 'RUNNING')`,
    [id, status, error.code, error.message],
  );
}

/** Puts a RUNNING run back, to begin anew with another worker; otherwise does nothing. */
export async function requeueRun(store: Store, id: number): Promise<void> {
  await inTransaction(store.pool, async (client) => {
    const { rowCount } = await client.query(
      `update training_runs
       set status = 'QUEUED', device = '', threads = null, started_at = null, heartbeat_at = null, progress = null
       where id = $1 and status = 'RUNNING'`,
      [id],
    );
    if (rowCount === 1) await client.query('delete from epoch_metrics where run_id = $1', [id]);
  });
}

/** Marks the runs of dead processes FAILED; gives their ids. */
export async function failLostRuns(store: Store): Promise<number[]> {
  const { rows } = await store.pool.query(
    `update training_runs
     set status = 'FAILED', finished_at = now(), error_code = 'RUN_LOST',
       error_message = 'no heartbeat for ' || $1::int || ' seconds: the process that trained it is gone'
     where status = 'RUNNING' and coalesce(heartbeat_at, queued_at) < now() - make_interval(secs => $1::int)
     returning id`,
    [LOST_AFTER_SECONDS],
  );
  return rows.map((row) => row.id);
}

/** Runs that wait, oldest first. */
export async function listQueuedRuns(store: Store): Promise<number[]> {
  const rows = await store.prisma.trainingRun.findMany({
    where: { status: 'QUEUED' },
    orderBy: { id: 'asc' },
    select: { id: true },
  });
  return rows.map((row) => row.id);
}
