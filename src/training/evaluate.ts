// Errors of predictions on held-out ratings, and the confusion matrices, rightly labelled:
// positive means above the threshold, rows are actual. Checked against published figures in test/evaluate.test.ts.

import type { RankingRecord } from '../store/rankings.js';
import { clipToScale, type RatingScale, scaleSteps, stepOf } from '../store/scale.js';
import { aucAt } from './auc.js';
import { type Baseline, meanOf } from './baselines.js';
import type { IntervalShare } from './intervals.js';
import type { RatingSet } from './split.js';

export interface ErrorFigures {
  mse: number;
  rmse: number;
  mae: number;
}

export interface ConfusionCounts {
  threshold: number;
  truePositives: number;
  falsePositives: number;
  trueNegatives: number;
  falseNegatives: number;
}

export interface EvaluationResult extends ErrorFigures {
  /** What predictions were clipped to. */
  scale: RatingScale;
  testRatings: number;
  /** At the mean of the test ratings. */
  confusion: ConfusionCounts;
  /** At the same threshold; null where all test ratings are on one side of it. */
  auc: number | null;
  /** Counts, actual by predicted, both rounded to the steps of the scale (lowest first). */
  starConfusion: number[][];
  calibration: CalibrationBin[];
  baselines: BaselineErrors[];
}

/** With the intervals of models that know how sure they are, and with lists out of the full catalogue. */
export type MeasuredEvaluation = EvaluationResult & {
  intervals: IntervalShare[] | null;
  rankings: RankingRecord[];
};

/** Test ratings whose predictions lie in the same quarter of a star; the view `calibration` has the same. */
export interface CalibrationBin {
  predictedFrom: number;
  ratings: number;
  meanPredicted: number;
  meanActual: number;
}

export interface BaselineErrors extends ErrorFigures {
  name: string;
}

/** Measures fitted baselines on `test`. Apart from `evaluate`, so that what they were fitted on may be gone by then. */
export function measureBaselines(
  baselines: readonly Baseline[],
  test: RatingSet,
  scale: Pick<RatingScale, 'minimum' | 'maximum'>,
): BaselineErrors[] {
  return baselines.map(({ name, predict }) => {
    const guesses = test.ratings.map((_, i) =>
      clipToScale(predict(test.userIndices[i], test.movieIndices[i]), scale),
    );
    return { name, ...errorsOf(test.ratings, guesses) };
  });
}

/** predicted: one for each test rating, in stars, clipped to the scale. */
export function evaluate(
  test: RatingSet,
  predicted: Float32Array,
  baselines: BaselineErrors[],
  scale: RatingScale,
): EvaluationResult {
  const mean = meanOf(test.ratings);
  return {
    scale,
    testRatings: test.ratings.length,
    ...errorsOf(test.ratings, predicted),
    confusion: confusionAt(mean, test.ratings, predicted),
    auc: aucAt(mean, test.ratings, predicted),
    starConfusion: starConfusionOf(test.ratings, predicted, scale),
    calibration: calibrationOf(test.ratings, predicted),
    baselines,
  };
}

export function errorsOf(actual: Float32Array, predicted: Float32Array): ErrorFigures {
  let squares = 0;
  let absolutes = 0;
  for (let i = 0; i < actual.length; i++) {
    const error = predicted[i] - actual[i];
    squares += error * error;
    absolutes += Math.abs(error);
  }
  const mse = squares / actual.length;
  return { mse, rmse: Math.sqrt(mse), mae: absolutes / actual.length };
}

export function confusionAt(
  threshold: number,
  actual: Float32Array,
  predicted: Float32Array,
): ConfusionCounts {
  const counts = { threshold, truePositives: 0, falsePositives: 0, trueNegatives: 0, falseNegatives: 0 };
  for (let i = 0; i < actual.length; i++) {
    const isPositive = actual[i] > threshold;
    if (predicted[i] > threshold) counts[isPositive ? 'truePositives' : 'falsePositives']++;
    else counts[isPositive ? 'falseNegatives' : 'trueNegatives']++;
  }
  return counts;
}

function starConfusionOf(actual: Float32Array, predicted: Float32Array, scale: RatingScale): number[][] {
  const steps = scaleSteps(scale);
  const counts = steps.map(() => steps.map(() => 0));
  for (let i = 0; i < actual.length; i++) counts[stepOf(actual[i], scale)][stepOf(predicted[i], scale)]++;
  return counts;
}

/** Bins that hold ratings, lowest first. */
export function calibrationOf(actual: Float32Array, predicted: Float32Array): CalibrationBin[] {
  const bins = new Map<number, CalibrationBin>();
  for (const [i, rating] of actual.entries()) {
    const predictedFrom = Math.floor(predicted[i] * 4) / 4;
    const bin = bins.get(predictedFrom) ?? { predictedFrom, ratings: 0, meanPredicted: 0, meanActual: 0 };
    bin.ratings++;
    bin.meanPredicted += (predicted[i] - bin.meanPredicted) / bin.ratings;
    bin.meanActual += (rating - bin.meanActual) / bin.ratings;
    bins.set(predictedFrom, bin);
  }
  return [...bins.values()].sort((a, b) => a.predictedFrom - b.predictedFrom);
}
