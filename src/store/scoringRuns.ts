// Batch scorings of models. Lists are written into a table of their own, which readers do not see, and become the model's
// partition of `predictions` in one transaction when every shard is there:
//
//   QUEUED ──first shard taken──▶ RUNNING ──showPredictions, all shards done──▶ SUCCEEDED
//      └───────────────────────────┴──endScoringRun──▶ FAILED | CANCELLED (the table is dropped)

import type pg from 'pg';
import { AppError, type ErrorCode } from '../errors.js';
import { attachPartition, createHiddenTable, dropLeftovers } from './predictions.js';
import type { ScoringRun } from './prisma/client.js';
import { inTransaction, type Store } from './store.js';

/** About a second of work of a thread for the paper's model on ml-20m's movies, and 200,000 rows of 100 for each user. */
const SHARD_USERS = 2048;

export const DEFAULT_TOP = 100;
export const MAX_TOP = 1000;

export interface ScoringRequest {
  modelId: number;
  /** Movies in each list. */
  top: number;
  /** Asking again with the same key gives the same scoring. */
  idempotencyKey: string | null;
}

export interface ScoringProgress {
  shards: number;
  shardsDone: number;
  usersDone: number;
  rowsWritten: number;
  /** Since the first shard was taken. */
  seconds: number;
  etaSeconds: number | null;
}

/**
 * Queues a scoring of every user, or gives the unfinished one that was asked for in the same way.
 * @throws AppError SCORING_BUSY, SCORING_INVALID, MODEL_NOT_FOUND
 */
export async function createScoringRun(
  store: Store,
  request: ScoringRequest,
  shardUsers = SHARD_USERS,
): Promise<ScoringRun> {
  const { modelId, top, idempotencyKey } = request;
  if (!Number.isInteger(top) || top < 1 || top > MAX_TOP) {
    throw new AppError('SCORING_INVALID', `top is ${top}: expected a whole number from 1 to ${MAX_TOP}`, {
      argumentPath: ['top'],
    });
  }
  return inTransaction(store.pool, async (client) => {
    // The model's row is the turn of those who ask for the same model at once.
    const model = await client.query('select from models where id = $1 for update', [modelId]);
    if (model.rowCount === 0)
      throw new AppError('MODEL_NOT_FOUND', `no model ${modelId}`, { argumentPath: ['modelId'] });
    const known = await findKnown(client, request);
    if (known) return orBusy(known, request);
    const { rows } = await client.query<ScoringRun>(
      `insert into scoring_runs (model_id, top, idempotency_key, users, shards)
       select $1, $2, $3, users, ceil(users / $4::float8)
       from (select coalesce(max(idx) + 1, 0) as users from users) as count
       on conflict (idempotency_key) do nothing
       returning ${COLUMNS}`,
      [modelId, top, idempotencyKey, shardUsers],
    );
    // Somebody asked with the same key, at the same time, for another model.
    if (rows.length === 0) return orBusy((await findKnown(client, request))!, request);
    await client.query(
      `insert into scoring_shards (scoring_run_id, shard, first_index, end_index)
       select id, shard, shard * $2, least(users, (shard + 1) * $2)
       from scoring_runs, generate_series(0, shards - 1) as shard
       where id = $1`,
      [rows[0].id, shardUsers],
    );
    await createHiddenTable(client, rows[0].id, modelId);
    return rows[0];
  });
}

/** Of the same key, or else one of the same model that has not ended. */
async function findKnown(
  client: pg.PoolClient,
  { modelId, idempotencyKey }: ScoringRequest,
): Promise<ScoringRun | undefined> {
  const { rows } = await client.query<ScoringRun>(
    `select ${COLUMNS} from scoring_runs
     where idempotency_key = $2 or (model_id = $1 and status in ('QUEUED', 'RUNNING'))
     order by idempotency_key is not distinct from $2 desc
     limit 1`,
    [modelId, idempotencyKey],
  );
  return rows[0];
}

function orBusy(known: ScoringRun, { modelId, top, idempotencyKey }: ScoringRequest): ScoringRun {
  const isSame = known.modelId === modelId && known.top === top;
  if (isSame || (idempotencyKey !== null && known.idempotencyKey === idempotencyKey)) return known;
  throw new AppError(
    'SCORING_BUSY',
    `scoring ${known.id} is writing the best ${known.top} of model ${modelId}`,
  );
}

const COLUMNS = `id, status, model_id as "modelId", top, shards, users, idempotency_key as "idempotencyKey",
  error_code as "errorCode", error_message as "errorMessage",
  queued_at as "queuedAt", started_at as "startedAt", finished_at as "finishedAt"`;

export async function findScoringRun(store: Store, id: number): Promise<ScoringRun | null> {
  return store.prisma.scoringRun.findUnique({ where: { id } });
}

/** @throws AppError SCORING_NOT_FOUND */
export async function getScoringRun(store: Store, id: number): Promise<ScoringRun> {
  const run = await findScoringRun(store, id);
  if (!run) throw new AppError('SCORING_NOT_FOUND', `no scoring ${id}`, { argumentPath: ['scoringRunId'] });
  return run;
}

/** Newest first; `before` is a scoring's id or null. */
export async function listScoringRuns(
  store: Store,
  first: number,
  before: number | null,
): Promise<ScoringRun[]> {
  return store.prisma.scoringRun.findMany({
    where: before === null ? {} : { id: { lt: before } },
    orderBy: { id: 'desc' },
    take: first,
  });
}

/** One entry for each id of a scoring that there is. */
export async function scoringProgress(store: Store, ids: readonly number[]): Promise<ScoringProgress[]> {
  const { rows } = await store.pool.query<Omit<ScoringProgress, 'etaSeconds'> & { id: number }>(
    `select run.id, run.shards, count(*) filter (where shard.status = 'SUCCEEDED')::int as "shardsDone",
       coalesce(sum(end_index - first_index) filter (where shard.status = 'SUCCEEDED'), 0)::int as "usersDone",
       coalesce(sum(shard.rows), 0)::float8 as "rowsWritten",
       coalesce(extract(epoch from coalesce(finished_at, clock_timestamp()) - started_at), 0)::float8 as seconds
     from scoring_runs run
     left join scoring_shards shard on scoring_run_id = id
     where run.id = any($1::int[])
     group by run.id`,
    [ids],
  );
  const byId = new Map(rows.map(({ id, ...row }) => [id, { ...row, etaSeconds: etaOf(row) }]));
  return ids.map((id) => byId.get(id)!);
}

function etaOf({ shards, shardsDone, seconds }: Omit<ScoringProgress, 'etaSeconds'>): number | null {
  return shardsDone === 0 ? null : ((shards - shardsDone) * seconds) / shardsDone;
}

/**
 * Shows the lists, instead of earlier ones of the same model, once every shard is written; otherwise does nothing.
 * Whether the scoring has ended by now, by whomever.
 */
export async function showPredictions(store: Store, id: number): Promise<boolean> {
  return inTransaction(store.pool, async (client) => {
    const { rows } = await client.query<{ modelId: number }>(
      `update scoring_runs
       set status = 'SUCCEEDED', started_at = coalesce(started_at, now()), finished_at = clock_timestamp()
       where id = $1 and status in ('QUEUED', 'RUNNING')
         and not exists (select from scoring_shards where scoring_run_id = $1 and status <> 'SUCCEEDED')
       returning model_id as "modelId"`,
      [id],
    );
    if (rows.length > 0) {
      await attachPartition(client, id, rows[0].modelId);
      return true;
    }
    const ended = await client.query(
      `select from scoring_runs where id = $1 and status in ('QUEUED', 'RUNNING')`,
      [id],
    );
    return ended.rowCount === 0;
  });
}

/** Ends a scoring that has not ended, and drops what it has written; otherwise does nothing. Whether it was the one that ended it. */
export async function endScoringRun(
  store: Store,
  id: number,
  status: 'FAILED' | 'CANCELLED',
  error: { code: ErrorCode | 'INTERNAL'; message: string },
): Promise<boolean> {
  const { rowCount } = await store.pool.query(
    `update scoring_runs
     set status = $2::run_status, error_code = $3, error_message = $4, finished_at = now()
     where id = $1 and status in ('QUEUED', 'RUNNING')`,
    [id, status, error.code, error.message],
  );
  // Workers that still write into its table see the end by their next beat; the drop waits for them.
  if (rowCount === 1) await dropLeftovers(store);
  return rowCount === 1;
}

/** @throws AppError SCORING_NOT_FOUND, SCORING_ENDED */
export async function cancelScoringRun(store: Store, id: number): Promise<ScoringRun> {
  const error = { code: 'RUN_CANCELLED', message: 'cancelled' } as const;
  const isCancelled = await endScoringRun(store, id, 'CANCELLED', error);
  const run = await getScoringRun(store, id);
  if (!isCancelled)
    throw new AppError('SCORING_ENDED', `scoring ${id} has ended: ${run.status}`, {
      argumentPath: ['scoringRunId'],
    });
  return run;
}
