// Which model is active: promotion behind a gate, the way back, and the removal of old models; each is one transaction.
// Replicas read the active mark at the start of every request, so the next request anywhere has the new model.
//
// The gate compares a model with the active one on the test ratings that both of them held out. The split goes by a hash, so there
// are such ratings also after the set has grown: neither model was trained on them, and a larger set is no excuse for a worse model.

import type pg from 'pg';
import { AppError } from '../errors.js';
import { getModel, MODEL_LOCK, modelNotFound } from './models.js';
import { dropLeftovers } from './predictions.js';
import type { Model } from './prisma/client.js';
import { inTransaction, type Store } from './store.js';

/** Below this many an RMSE has a standard error of more than 7 %. */
const SHARED_RATINGS_MIN = 100;

/** @throws AppError MODEL_NOT_FOUND; without `force` MODEL_WORSE, MODEL_INCOMPARABLE */
export async function promoteModel(store: Store, id: number, { force = false } = {}): Promise<Model> {
  await inTransaction(store.pool, async (client) => {
    await lockModels(client);
    const refusal = force ? null : await findRefusal(client, id);
    if (refusal) throw refusal;
    await markActive(client, id);
  });
  return getModel(store, id);
}

/** Inside the caller's transaction, which has just stored the model. Gives null, or why the active model stays. */
export async function promoteIfNotWorse(client: pg.PoolClient, id: number): Promise<string | null> {
  await lockModels(client);
  const refusal = await findRefusal(client, id);
  if (!refusal) await markActive(client, id);
  return refusal && `not promoted: ${refusal.message}`;
}

/** Makes the model active that was so before; said twice, it undoes itself. @throws AppError MODEL_NO_FORMER */
export async function rollBack(store: Store): Promise<Model> {
  const id = await inTransaction(store.pool, async (client) => {
    await lockModels(client);
    const { rows } = await client.query<{ id: number }>(`select id from (${FORMER}) as former`);
    if (rows.length === 0) throw new AppError('MODEL_NO_FORMER', 'no other model has been active before');
    await markActive(client, rows[0].id);
    return rows[0].id;
  });
  return getModel(store, id);
}

export interface PruneReceipt {
  /** Of the models that are gone. */
  versions: number[];
  /** Rows. */
  testPredictions: number;
  /** Failed and cancelled runs whose checkpoints are gone. */
  checkpoints: number;
}

/**
 * Deletes all models but the newest `keep`, the active one and the one to roll back to, with their stored lists and test predictions; and
 * the checkpoints of all failed and cancelled runs but the newest `keep`. Runs and evaluations stay.
 */
export async function pruneModels(store: Store, keep: number): Promise<PruneReceipt> {
  const versions = await inTransaction(store.pool, async (client) => {
    await lockModels(client);
    const { rows } = await client.query<{ version: number }>(
      `delete from models
       where active is null
         and id not in (select id from models order by version desc limit $1)
         and id not in (${FORMER})
         and not exists (
           select from scoring_runs where model_id = models.id and status in ('QUEUED', 'RUNNING'))
       returning version`,
      [keep],
    );
    return rows.map((row) => row.version).sort((a, b) => a - b);
  });
  // Without the lock, which runs that end wait for. What is left behind here goes the next time.
  const testPredictions = await deleteTestPredictions(store);
  const checkpoints = await deleteCheckpoints(store, keep);
  await dropLeftovers(store);
  return { versions, testPredictions, checkpoints };
}

/** Of runs whose models are gone. */
async function deleteTestPredictions(store: Store): Promise<number> {
  const { rowCount } = await store.pool.query(
    `delete from test_predictions
     where run_id = any(array(
       select id from training_runs run
       where status = 'SUCCEEDED' and trial is null and not exists (select from models where run_id = run.id)))`,
  );
  return rowCount!;
}

/** Of all failed and cancelled runs but the newest `keep`. Gives how many runs there were. */
async function deleteCheckpoints(store: Store, keep: number): Promise<number> {
  const { rows } = await store.pool.query<{ id: number }>(
    `with gone as (
       update training_runs set checkpoint = null
       where status in ('FAILED', 'CANCELLED') and checkpoint is not null
         and id not in (
           select id from training_runs
           where status in ('FAILED', 'CANCELLED') and checkpoint is not null
           order by id desc
           limit $1)
       returning id
     ), deleted as (
       delete from checkpoints using gone where run_id = gone.id
     )
     select id from gone`,
    [keep],
  );
  return rows.length;
}

const FORMER = `select id from models
  where active is null and promoted_at is not null
  order by promoted_at desc
  limit 1`;

async function lockModels(client: pg.PoolClient): Promise<void> {
  await client.query('select pg_advisory_xact_lock($1)', [MODEL_LOCK]);
}

async function markActive(client: pg.PoolClient, id: number): Promise<void> {
  await client.query('update models set active = null where active and id <> $1', [id]);
  const { rowCount } = await client.query(
    'update models set active = true, promoted_at = clock_timestamp() where id = $1',
    [id],
  );
  if (rowCount === 0) throw modelNotFound(id);
}

interface Pair {
  version: number;
  activeVersion: number;
  runId: number;
  activeRunId: number;
  hasSameTest: boolean;
}

interface Comparison {
  ratings: number;
  rmse: number;
  activeRmse: number;
}

/** null: nothing speaks against it. @throws AppError MODEL_NOT_FOUND */
async function findRefusal(client: pg.PoolClient, id: number): Promise<AppError | null> {
  const { rows } = await client.query<Pair | { version: number; activeVersion: null }>(
    `select model.version, active.version as "activeVersion", run.id as "runId", active_run.id as "activeRunId",
       (run.split, run.snapshot_checksum) = (active_run.split, active_run.snapshot_checksum) as "hasSameTest"
     from models model
     join training_runs run on run.id = model.run_id
     left join models active on active.active and active.id <> model.id
     left join training_runs active_run on active_run.id = active.run_id
     where model.id = $1`,
    [id],
  );
  if (rows.length === 0) throw modelNotFound(id);
  const [pair] = rows;
  if (pair.activeVersion === null) return null;
  const compared = await (pair.hasSameTest ? compareEvaluations(client, pair) : compareShared(client, pair));
  const [ours, active] = [`model ${pair.version}`, `the active model ${pair.activeVersion}`];
  const argument = { argumentPath: ['modelId'] };
  if (!pair.hasSameTest && compared.ratings < SHARED_RATINGS_MIN) {
    const text = `${ours} and ${active} share ${compared.ratings} test ratings, too few to compare them`;
    return new AppError('MODEL_INCOMPARABLE', text, argument);
  }
  if (compared.rmse <= compared.activeRmse) return null;
  const [rmse, activeRmse] = [compared.rmse.toFixed(5), compared.activeRmse.toFixed(5)];
  const text = `${ours} has RMSE ${rmse} on ${compared.ratings} test ratings, worse than ${activeRmse} of ${active}`;
  return new AppError('MODEL_WORSE', text, argument);
}

/** Same split of the same ratings: both were evaluated on the same. */
async function compareEvaluations(client: pg.PoolClient, { runId, activeRunId }: Pair): Promise<Comparison> {
  const { rows } = await client.query<Comparison>(
    `select ours.test_ratings as ratings, ours.rmse, active.rmse as "activeRmse"
     from evaluations ours, evaluations active
     where ours.run_id = $1 and active.run_id = $2`,
    [runId, activeRunId],
  );
  return rows[0];
}

async function compareShared(client: pg.PoolClient, { runId, activeRunId }: Pair): Promise<Comparison> {
  // The planner has no statistics yet of a run that ends in this transaction, and would take it for a few rows.
  await client.query('set local enable_nestloop = off');
  const { rows } = await client.query<Comparison>(
    `select count(*)::int as ratings,
       sqrt(avg((ours.predicted - ours.actual) ^ 2)) as rmse,
       sqrt(avg((active.predicted - active.actual) ^ 2)) as "activeRmse"
     from test_predictions ours
     join test_predictions active using (user_id, movie_id, actual)
     where ours.run_id = $1 and active.run_id = $2`,
    [runId, activeRunId],
  );
  return rows[0];
}
