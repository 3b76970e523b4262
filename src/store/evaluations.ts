// Reads of what a run left behind: epochs, evaluation, baselines, confusion. Batched, for loaders.

import { AppError } from '../errors.js';
import type { ConfusionCell, EpochMetric, Evaluation, Model } from './prisma/client.js';
import type { RankingRecord } from './rankings.js';
import { type RatingScale, scaleSteps, stepOf } from './scale.js';
import type { Store } from './store.js';

export type EvaluationRow = Evaluation & {
  baselines: { name: string; mse: number; rmse: number; mae: number }[];
  /** Lowest level first; empty for models without uncertainty. */
  intervals: { level: number; held: number }[];
  rankings: RankingRecord[];
};

export type ScaleColumns = Pick<Evaluation, 'scaleMinimum' | 'scaleMaximum' | 'scaleStep'>;

/** Of a figure that is counted from test predictions. */
export function prunedRun(runId: number): AppError {
  return new AppError('RUN_PRUNED', `the test predictions of run ${runId} were deleted with its model`);
}

export interface ConfusionRow {
  threshold: number;
  truePositives: number;
  falsePositives: number;
  trueNegatives: number;
  falseNegatives: number;
}

/** One entry for each run, in epoch order. */
export async function findEpochs(store: Store, runIds: readonly number[]): Promise<EpochMetric[][]> {
  const rows = await store.prisma.epochMetric.findMany({
    where: { runId: { in: [...runIds] } },
    orderBy: { epoch: 'asc' },
  });
  return runIds.map((runId) => rows.filter((row) => row.runId === runId));
}

/** One entry for each run, null where it has not been evaluated. */
export async function findEvaluations(
  store: Store,
  runIds: readonly number[],
): Promise<(EvaluationRow | null)[]> {
  const rows = await store.prisma.evaluation.findMany({
    where: { runId: { in: [...runIds] } },
    include: {
      baselines: { orderBy: { rmse: 'desc' } },
      intervals: { orderBy: { level: 'asc' } },
      rankings: { orderBy: [{ k: 'asc' }, { ndcg: 'asc' }] },
    },
  });
  const byRun = new Map(rows.map((row) => [row.runId, row]));
  return runIds.map((runId) => byRun.get(runId) ?? null);
}

/** One entry for each run, null where it has no model. */
export async function findModelsOfRuns(store: Store, runIds: readonly number[]): Promise<(Model | null)[]> {
  const rows = await store.prisma.model.findMany({ where: { runId: { in: [...runIds] } } });
  const byRun = new Map(rows.map((row) => [row.runId, row]));
  return runIds.map((runId) => byRun.get(runId) ?? null);
}

/** Counted anew from the stored test predictions, all 0 where they are pruned; one entry for each pair of run and threshold. */
export async function findConfusions(
  store: Store,
  keys: readonly { runId: number; threshold: number }[],
): Promise<ConfusionRow[]> {
  const { rows } = await store.pool.query<ConfusionRow>(
    `select threshold,
       count(*) filter (where actual > threshold and predicted > threshold)::int as "truePositives",
       count(*) filter (where actual <= threshold and predicted > threshold)::int as "falsePositives",
       count(*) filter (where actual <= threshold and predicted <= threshold)::int as "trueNegatives",
       count(*) filter (where actual > threshold and predicted <= threshold)::int as "falseNegatives"
     from unnest($1::int[], $2::float8[]) with ordinality as key (run_id, threshold, place)
     left join test_predictions using (run_id)
     group by place, threshold
     order by place`,
    [keys.map(({ runId }) => runId), keys.map(({ threshold }) => threshold)],
  );
  return rows;
}

/** Areas under the ROC curve; one entry for each pair of run and threshold, null where all test ratings are on one side of it. */
export async function findAucs(
  store: Store,
  keys: readonly { runId: number; threshold: number }[],
): Promise<(number | null)[]> {
  const { rows } = await store.pool.query<{ auc: number | null }>(
    `with classes as (
       select place, predicted, count(*) filter (where actual > threshold)::float8 as positives,
         count(*) filter (where actual <= threshold)::float8 as negatives
       from unnest($1::int[], $2::float8[]) with ordinality as key (run_id, threshold, place)
       left join test_predictions using (run_id)
       group by place, predicted
     ), ranked as (
       select *, sum(negatives) over (partition by place order by predicted) - negatives / 2 as below
       from classes
     )
     select sum(positives * below) / nullif(sum(positives) * sum(negatives), 0) as auc
     from ranked
     group by place
     order by place`,
    [keys.map(({ runId }) => runId), keys.map(({ threshold }) => threshold)],
  );
  return rows.map(({ auc }) => auc);
}

export interface CalibrationRow {
  predictedFrom: number;
  ratings: number;
  meanPredicted: number;
  meanActual: number;
}

/** One entry for each run: bins that hold test ratings, lowest first. */
export async function findCalibrations(store: Store, runIds: readonly number[]): Promise<CalibrationRow[][]> {
  const { rows } = await store.pool.query<CalibrationRow & { runId: number }>(
    `select run_id as "runId", predicted_from as "predictedFrom", ratings, mean_predicted as "meanPredicted",
       mean_actual as "meanActual"
     from calibration
     where run_id = any($1::int[])
     order by predicted_from`,
    [runIds],
  );
  return runIds.map((runId) => rows.filter((row) => row.runId === runId));
}

/** One entry for each run: counts, actual by predicted, by step of the scale, lowest first. */
export async function findStarConfusions(store: Store, runIds: readonly number[]): Promise<number[][][]> {
  const evaluations = await store.prisma.evaluation.findMany({
    where: { runId: { in: [...runIds] } },
    include: { cells: true },
  });
  const byRun = new Map(evaluations.map((row) => [row.runId, matrixOf(row.cells, scaleOf(row))]));
  return runIds.map((runId) => byRun.get(runId) ?? []);
}

export function scaleOf({ scaleMinimum, scaleMaximum, scaleStep }: ScaleColumns): RatingScale {
  return { minimum: scaleMinimum, maximum: scaleMaximum, step: scaleStep };
}

function matrixOf(cells: readonly ConfusionCell[], scale: RatingScale): number[][] {
  const steps = scaleSteps(scale);
  const counts = steps.map(() => steps.map(() => 0));
  for (const { actual, predicted, ratings } of cells) {
    counts[stepOf(actual, scale)][stepOf(predicted, scale)] = ratings;
  }
  return counts;
}
