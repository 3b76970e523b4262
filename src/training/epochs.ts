// The epochs of a run: after each the loss on the held-out ratings, and a word to whoever keeps the figures.

import type { EpochMetricRow } from '../store/runs.js';
import type { TrainingOptions } from './events.js';
import { diverged, type Learner } from './learner.js';
import type { RatingSet } from './split.js';

export interface EpochsOptions extends TrainingOptions {
  /** Keeps the figures of an epoch. */
  onEpoch?: (metric: EpochMetricRow) => Promise<void>;
}

/** @throws AppError RUN_DIVERGED, or the signal's reason */
export async function runEpochs(
  learner: Learner,
  epochs: number,
  trainRatings: number,
  test: RatingSet,
  ratingMean: number,
  options: EpochsOptions,
): Promise<void> {
  let secondsBefore = 0;
  for (let epoch = 1; epoch <= epochs; epoch++) {
    const begun = performance.now();
    const trainLoss = await learner.runEpoch({ epoch, epochs, secondsBefore }, options);
    const trainSeconds = (performance.now() - begun) / 1000;
    const validationLoss = await lossOf(learner, test, ratingMean);
    const seconds = (performance.now() - begun) / 1000;
    secondsBefore += seconds;
    const metric = {
      ...{ epoch, trainLoss, validationLoss, seconds },
      samplesPerSecond: trainRatings / trainSeconds,
    };
    if (!Number.isFinite(validationLoss)) throw diverged(epoch, validationLoss);
    await options.onEpoch?.(metric);
    options.onEvent?.({ event: 'epoch', epochs, ...metric });
  }
}

/** Mean squared error of the raw outputs, as the training loss is. */
async function lossOf(learner: Learner, set: RatingSet, ratingMean: number): Promise<number> {
  const raw = await learner.predict(set.userIndices, set.movieIndices);
  let squares = 0;
  for (let i = 0; i < raw.length; i++) squares += (raw[i] + ratingMean - set.ratings[i]) ** 2;
  return squares / raw.length;
}
