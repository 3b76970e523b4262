// What a run leaves behind, in one transaction: evaluation, baselines, confusion, test predictions, model, status.
// So a run that says SUCCEEDED has all of it, and a run that died has none of it.

import { AppError } from '../errors.js';
import { copyColumns } from './columnCopy.js';
import { columnsOf } from './importRecord.js';
import { insertModel, type ModelContent } from './models.js';
import { promoteIfNotWorse } from './promotion.js';
import { insertRankings, type RankingRecord } from './rankings.js';
import type { RunClaim } from './runs.js';
import { type RatingScale, scaleSteps } from './scale.js';
import { inTransaction, type Store } from './store.js';

export interface EvaluationRecord {
  testRatings: number;
  mse: number;
  rmse: number;
  mae: number;
  confusion: {
    threshold: number;
    truePositives: number;
    falsePositives: number;
    trueNegatives: number;
    falseNegatives: number;
  };
  auc: number | null;
  rankings: readonly RankingRecord[];
  scale: RatingScale;
  /** Counts, actual by predicted, by step of the scale. */
  starConfusion: number[][];
  baselines: { name: string; mse: number; rmse: number; mae: number }[];
  /** Null for models without uncertainty. */
  intervals: { level: number; held: number }[] | null;
}

/** Parallel arrays, one entry for each test rating. */
export interface TestPredictions {
  userIds: Int32Array;
  movieIds: Int32Array;
  actual: Float32Array;
  predicted: Float32Array;
}

export interface RunResult {
  evaluation: EvaluationRecord;
  testPredictions: TestPredictions;
  model: ModelContent;
  promote: boolean;
  /** Seconds by phase. */
  timings: Record<string, number>;
}

/**
 * Gives the new model's id, and why it was not promoted though that was asked for; saying it again, since the answer was lost with
 * the connection, gives the same.
 * @throws AppError RUN_LOST when the run is no longer the caller's: nothing is written then
 */
export async function saveResult(
  store: Store,
  { id: runId, attempt }: RunClaim,
  result: RunResult,
): Promise<{ modelId: number; note: string | null }> {
  return inTransaction(store.pool, async (client) => {
    const saved = await client.query<{ modelId: number; note: string | null }>(
      'select models.id as "modelId", run.note from models join training_runs run on run.id = run_id where run_id = $1 and attempt = $2',
      [runId, attempt],
    );
    if (saved.rows.length > 0) return saved.rows[0];
    const { rowCount } = await client.query(
      `update training_runs
       set status = 'SUCCEEDED', finished_at = clock_timestamp(), timings = $3, checkpoint = null
       where id = $1 and attempt = $2 and status = 'RUNNING'`,
      [runId, attempt, JSON.stringify(result.timings)],
    );
    if (rowCount !== 1)
      throw new AppError('RUN_LOST', `run ${runId} was ended or taken over; its result is dropped`);
    await client.query('delete from checkpoints where run_id = $1', [runId]);
    await insertEvaluation(client, runId, result.evaluation);
    await insertRankings(client, runId, result.evaluation.rankings);
    await insertTestPredictions(client, runId, result.testPredictions);
    const modelId = await insertModel(client, runId, result.model);
    const note = result.promote ? await promoteIfNotWorse(client, modelId) : null;
    if (note) await client.query('update training_runs set note = $2 where id = $1', [runId, note]);
    return { modelId, note };
  });
}

type Client = Parameters<typeof copyColumns>[0];

async function insertEvaluation(client: Client, runId: number, evaluation: EvaluationRecord): Promise<void> {
  const { testRatings, mse, rmse, mae, auc, scale, confusion, starConfusion, baselines, intervals } =
    evaluation;
  await client.query(
    `insert into evaluations (run_id, test_ratings, mse, rmse, mae, threshold,
       true_positives, false_positives, true_negatives, false_negatives, scale_minimum, scale_maximum, scale_step, auc)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
    [
      ...[runId, testRatings, mse, rmse, mae, confusion.threshold],
      ...[
        confusion.truePositives,
        confusion.falsePositives,
        confusion.trueNegatives,
        confusion.falseNegatives,
      ],
      ...[scale.minimum, scale.maximum, scale.step, auc],
    ],
  );
  await client.query(
    `insert into evaluation_baselines (run_id, name, mse, rmse, mae)
     select $1, baseline.* from unnest($2::text[], $3::float8[], $4::float8[], $5::float8[]) as baseline`,
    [runId, ...columnsOf(baselines, ['name', 'mse', 'rmse', 'mae'])],
  );
  await client.query(
    `insert into evaluation_intervals (run_id, level, held)
     select $1, interval.* from unnest($2::float8[], $3::float8[]) as interval`,
    [runId, ...columnsOf(intervals ?? [], ['level', 'held'])],
  );
  const steps = scaleSteps(scale);
  const cells = starConfusion.flatMap((row, actual) =>
    row.map((ratings, predicted) => ({ actual: steps[actual], predicted: steps[predicted], ratings })),
  );
  await client.query(
    `insert into confusion_cells (run_id, actual, predicted, ratings)
     select $1, cell.* from unnest($2::real[], $3::real[], $4::int[]) as cell`,
    [runId, ...columnsOf(cells, ['actual', 'predicted', 'ratings'])],
  );
}

async function insertTestPredictions(client: Client, runId: number, test: TestPredictions): Promise<void> {
  const runIds = new Int32Array(test.actual.length).fill(runId);
  await copyColumns(client, 'test_predictions (run_id, user_id, movie_id, actual, predicted)', [
    [runIds, test.userIds, test.movieIds, test.actual, test.predicted],
  ]);
}
