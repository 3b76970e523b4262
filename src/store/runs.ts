// Training runs. Every change of status is a compare-and-set, so that two processes never both own a run:
//
//   QUEUED ──claimRun──▶ RUNNING ──saveResult (store/results.ts)──▶ SUCCEEDED
//      └──────endRun──────┴──endRun──▶ FAILED | CANCELLED         failLostRuns: RUNNING without heartbeat ──▶ FAILED

import { AppError, type ErrorCode } from '../errors.js';
import type { Prisma, RunStatus, TrainingRun } from './prisma/client.js';
import type { RunRequest } from './runRequest.js';
import type { Store } from './store.js';

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

/** isNew: false when the idempotency key was used before. */
export async function createRun(
  store: Store,
  request: RunRequest,
): Promise<{ run: TrainingRun; isNew: boolean }> {
  const fields = request as unknown as Prisma.TrainingRunCreateInput;
  try {
    return { run: await store.prisma.trainingRun.create({ data: fields }), isNew: true };
  } catch (error) {
    const { idempotencyKey } = request;
    const run =
      idempotencyKey === null
        ? null
        : await store.prisma.trainingRun.findUnique({ where: { idempotencyKey } });
    if (!run) throw error;
    return { run, isNew: false };
  }
}

/** null when somebody else has it, or it has ended. */
export async function claimRun(store: Store, id: number): Promise<TrainingRun | null> {
  const now = new Date();
  const { count } = await store.prisma.trainingRun.updateMany({
    where: { id, status: 'QUEUED' },
    data: { status: 'RUNNING', startedAt: now, heartbeatAt: now },
  });
  return count === 1 ? getRun(store, id) : null;
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

/** What was found out at the start: where it runs and on which ratings. */
export async function recordStart(
  store: Store,
  id: number,
  start: Pick<
    TrainingRun,
    | 'engine'
    | 'device'
    | 'snapshotRatings'
    | 'snapshotLatest'
    | 'snapshotChecksum'
    | 'trainRatings'
    | 'testRatings'
  >,
): Promise<void> {
  await store.prisma.trainingRun.updateMany({ where: { id, status: 'RUNNING' }, data: start });
}

/** Says that the run is alive; false when it is no longer RUNNING and should stop. */
export async function beat(store: Store, id: number, progress: RunProgress | null): Promise<boolean> {
  const { rowCount } = await store.pool.query(
    `update training_runs
     set heartbeat_at = now(), progress = coalesce($2::jsonb, progress)
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
  await store.prisma.trainingRun.updateMany({
    where: { id, status: { in: ['QUEUED', 'RUNNING'] } },
    data: { status, errorCode: error.code, errorMessage: error.message, finishedAt: new Date() },
  });
}

/** Marks the runs of dead processes FAILED; gives their ids. */
export async function failLostRuns(store: Store): Promise<number[]> {
  const { rows } = await store.pool.query(
    `update training_runs
     set status = 'FAILED', finished_at = now(), error_code = 'RUN_LOST',
       error_message = 'no heartbeat for ' || $1::int || ' seconds: the process that trained it is gone'
     where status = 'RUNNING' and heartbeat_at < now() - make_interval(secs => $1::int)
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
