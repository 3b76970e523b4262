// Training runs. Every change of status is a compare-and-set, so that two processes never both own a run:
//
//   QUEUED ──claimRun──▶ RUNNING ──saveResult (store/results.ts), saveTrial (store/searchRecord.ts)──▶ SUCCEEDED
//     ▲ ▲ └──────────────┬─│──────cancelRun──▶ CANCELLED ──┐
//     │ └──requeueRun────┘ └──endRun──▶ FAILED ────────────┤
//     │ └──takeBackLostRuns, without heartbeat; FAILED when it was lost too often
//     └─────────────────────resumeRun──────────────────────┘
//
// Each claim raises `attempt`. Whatever a worker writes names the attempt it has claimed (RunClaim), so that one which was thought dead
// changes nothing any more. A run that goes back keeps its checkpoint (store/checkpoints.ts), and whoever claims it goes on from there.

import { AppError, type ErrorCode } from '../errors.js';
import type { Prisma, RunStatus, TrainingRun } from './prisma/client.js';
import { appendRunLog } from './runLogs.js';
import type { RunRequest } from './runRequest.js';
import type { Store } from './store.js';

/** A run whose process has not been heard of for this long is taken for dead; the beat is every second. */
const LOST_AFTER_SECONDS = 20;
/** So often a run goes back to the queue by itself. */
const MAX_LOSSES = 3;
/** The unique index over the machines whose GPUs train. */
const GPU_KEY = 'training_runs_gpu_of_key';

/** The right to write what a run does: the run, and which of its attempts. */
export type RunClaim = Pick<TrainingRun, 'id' | 'attempt'>;

/** QUEUED, or RUNNING when the caller trains it itself. The run that has the idempotency key already, if there is one. */
export async function createRun(
  store: Store,
  request: RunRequest,
  status: 'QUEUED' | 'RUNNING' = 'QUEUED',
): Promise<TrainingRun> {
  const attempt = status === 'RUNNING' ? 1 : 0;
  const fields = { ...request, status, attempt, engineAsked: request.engine };
  try {
    return await store.prisma.trainingRun.create({
      data: fields as unknown as Prisma.TrainingRunCreateInput,
    });
  } catch (error) {
    const { idempotencyKey } = request;
    const run =
      idempotencyKey !== null && (await store.prisma.trainingRun.findUnique({ where: { idempotencyKey } }));
    if (!run) throw error;
    return run;
  }
}

/**
 * null when somebody else has it, or it has ended. gpuOf: the machine whose GPU it is to have to itself while it is RUNNING; null: none.
 * @throws AppError GPU_BUSY when another run has that: this one waits on
 */
export async function claimRun(
  store: Store,
  id: number,
  gpuOf: string | null = null,
): Promise<TrainingRun | null> {
  try {
    const { rowCount } = await store.pool.query(
      `update training_runs
       set status = 'RUNNING', attempt = attempt + 1, heartbeat_at = clock_timestamp(), gpu_of = $2
       where id = $1 and status = 'QUEUED'`,
      [id, gpuOf],
    );
    return rowCount === 1 ? getRun(store, id) : null;
  } catch (error) {
    if ((error as { constraint?: string }).constraint !== GPU_KEY) throw error;
    throw new AppError('GPU_BUSY', `run ${id} waits: another one trains on the GPU of ${gpuOf}`, {
      cause: error,
    });
  }
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
  if (!run) throw new AppError('RUN_NOT_FOUND', `no training run ${id}`, { argumentPath: ['runId'] });
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

/** Ends a run that is still the caller's; otherwise does nothing. */
export async function endRun(
  store: Store,
  { id, attempt }: RunClaim,
  status: 'FAILED' | 'CANCELLED',
  error: { code: ErrorCode | 'INTERNAL'; message: string },
): Promise<void> {
  await store.pool.query(
    `update training_runs
     set status = $3::run_status, error_code = $4, error_message = $5, finished_at = now()
     where id = $1 and attempt = $2 and status = 'RUNNING'`,
    [id, attempt, status, error.code, error.message],
  );
}

/** Ends a run that waits or trains, wherever that is: its worker sees it by the next beat. @throws AppError RUN_NOT_FOUND, RUN_ENDED */
export async function cancelRun(store: Store, id: number): Promise<TrainingRun> {
  const { rowCount } = await store.pool.query(
    `update training_runs
     set status = 'CANCELLED', error_code = 'RUN_CANCELLED', error_message = 'cancelled', finished_at = now()
     where id = $1 and status in ('QUEUED', 'RUNNING')`,
    [id],
  );
  const run = await getRun(store, id);
  if (rowCount === 0) throw ended(run);
  await appendRunLog(store, id, 'WARN', 'somebody cancels the run');
  return run;
}

/** Puts a run that failed or was cancelled back into the queue, to go on from its checkpoint. @throws AppError RUN_NOT_FOUND, RUN_ENDED */
export async function resumeRun(store: Store, id: number): Promise<TrainingRun> {
  const { rowCount } = await store.pool.query(
    `update training_runs
     set status = 'QUEUED', losses = 0, error_code = null, error_message = null, finished_at = null, heartbeat_at = null
     where id = $1 and status in ('FAILED', 'CANCELLED')`,
    [id],
  );
  const run = await getRun(store, id);
  if (rowCount === 0) throw ended(run);
  await appendRunLog(store, id, 'INFO', 'somebody resumes the run');
  return run;
}

function ended({ id, status }: TrainingRun): AppError {
  return new AppError('RUN_ENDED', `run ${id} is ${status}`, { argumentPath: ['runId'] });
}

/** Puts a run that is still the caller's back into the queue; otherwise does nothing. */
export async function requeueRun(store: Store, { id, attempt }: RunClaim): Promise<void> {
  await store.pool.query(
    `update training_runs set status = 'QUEUED', heartbeat_at = null
     where id = $1 and attempt = $2 and status = 'RUNNING'`,
    [id, attempt],
  );
}

/** Puts the runs of dead processes back into the queue, or ends them when that has happened too often. */
export async function takeBackLostRuns(store: Store): Promise<Pick<TrainingRun, 'id' | 'status'>[]> {
  const { rows } = await store.pool.query(
    `with lost as (
       select id, losses >= $2::int as is_hopeless
       from training_runs
       where status = 'RUNNING'
         and coalesce(heartbeat_at, queued_at) < clock_timestamp() - make_interval(secs => $1::int)
       for update skip locked
     )
     update training_runs run
     set losses = losses + 1, heartbeat_at = null,
       status = case when is_hopeless then 'FAILED'::run_status else 'QUEUED' end,
       finished_at = case when is_hopeless then now() end,
       error_code = case when is_hopeless then 'RUN_LOST' end,
       error_message = case when is_hopeless then
         'no heartbeat for ' || $1::int || ' seconds, for the ' || losses + 1 || 'th time: its workers die' end
     from lost
     where run.id = lost.id
     returning run.id, run.status`,
    [LOST_AFTER_SECONDS, MAX_LOSSES],
  );
  for (const { id, status } of rows) {
    const message = `no heartbeat for ${LOST_AFTER_SECONDS} seconds: the run is ${status} now`;
    await appendRunLog(store, id, status === 'FAILED' ? 'ERROR' : 'WARN', message);
  }
  return rows;
}

/** Runs that wait: the most urgent first, then the oldest. */
export async function listQueuedRuns(store: Store): Promise<Pick<TrainingRun, 'id' | 'priority'>[]> {
  return store.prisma.trainingRun.findMany({
    where: { status: 'QUEUED' },
    orderBy: [{ priority: 'desc' }, { id: 'asc' }],
    select: { id: true, priority: true },
  });
}
