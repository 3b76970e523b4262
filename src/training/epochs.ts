// The epochs of a run: after each the loss on the held-out ratings, and a word to whoever keeps the figures.

import type { EpochMetricRow } from '../store/runs.js';
import type { TrainingOptions } from './events.js';
import { diverged, type Learner } from './learner.js';
import type { RatingSet } from './split.js';

/** A checkpoint is taken when the last one's time is at most a fortieth of what has passed since, and a second has. */
const MAX_SHARE_INVERSE = 40;
const MIN_PAUSE_MS = 1000;

export interface EpochsOptions extends TrainingOptions {
  /** Epochs that were done before, and their seconds. */
  done?: { epoch: number; seconds: number };
  /** Keeps the figures of an epoch. */
  onEpoch?: (metric: EpochMetricRow) => Promise<void>;
  /** Keeps what the learner is after an epoch, to go on from. */
  onCheckpoint?: (epoch: number) => Promise<void>;
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
  const { done = { epoch: 0, seconds: 0 }, handBack } = options;
  const isDue = checkpointClock();
  let secondsBefore = done.seconds;
  for (let epoch = done.epoch + 1; epoch <= epochs; epoch++) {
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
    if (epoch < epochs) await isDue(handBack?.aborted === true, async () => options.onCheckpoint?.(epoch));
    handBack?.throwIfAborted();
  }
}

/** Keeps checkpoints from taking more than a small share of the time; one that is `needed` is taken at once. */
function checkpointClock() {
  let [last, tookMs] = [performance.now(), MIN_PAUSE_MS / MAX_SHARE_INVERSE];
  return async (isNeeded: boolean, take: () => Promise<void>) => {
    if (!isNeeded && performance.now() - last < tookMs * MAX_SHARE_INVERSE) return;
    const begun = performance.now();
    await take();
    last = performance.now();
    tookMs = Math.max(last - begun, MIN_PAUSE_MS / MAX_SHARE_INVERSE);
  };
}

/** Mean squared error of the raw outputs, as the training loss is. */
async function lossOf(learner: Learner, set: RatingSet, ratingMean: number): Promise<number> {
  const raw = await learner.predict(set.userIndices, set.movieIndices);
  let squares = 0;
  for (let i = 0; i < raw.length; i++) squares += (raw[i] + ratingMean - set.ratings[i]) ** 2;
  return squares / raw.length;
}
