// Errors of predictions on held-out ratings, and the confusion matrices, rightly labelled:
// positive means above the threshold, rows are actual. Checked against published figures in test/evaluate.test.ts.

import { clipToScale, type RatingScale, scaleSteps, stepOf } from '../store/scale.js';
import { fitBaselines, meanOf } from './baselines.js';
import type { IntervalShare } from './intervals.js';
import type { RatingSet, SplitRatings } from './split.js';

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
  /** Counts, actual by predicted, both rounded to the steps of the scale (lowest first). */
  starConfusion: number[][];
  baselines: BaselineErrors[];
}

/** With the intervals of models that know how sure they are. */
export type MeasuredEvaluation = EvaluationResult & { intervals: IntervalShare[] | null };

export interface BaselineErrors extends ErrorFigures {
  name: string;
}

/** Fits the baselines on `train` and measures them on `test`. Apart from `evaluate`, so that train may be gone by then. */
export function measureBaselines(
  { train, test }: SplitRatings,
  users: number,
  movies: number,
  scale: RatingScale,
): BaselineErrors[] {
  return fitBaselines(train, users, movies).map(({ name, predict }) => {
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
  return {
    scale,
    testRatings: test.ratings.length,
    ...errorsOf(test.ratings, predicted),
    confusion: confusionAt(meanOf(test.ratings), test.ratings, predicted),
    starConfusion: starConfusionOf(test.ratings, predicted, scale),
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
