// The epochs of a run: after each the loss on the held-out ratings, and a word to whoever keeps the figures.

import type { Hyperparameters } from '../store/hyperparameters.js';
import type { EpochMetricRow } from '../store/runProgress.js';
import type { BestEpoch } from './bestEpoch.js';
import { checkFinite, checkLoss, lossOfMean } from './divergence.js';
import type { TrainingOptions } from './events.js';
import type { Learner } from './learner.js';
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

export interface EpochsPlan {
  hyperparameters: Hyperparameters;
  trainRatings: number;
  /** What epochs are judged by. */
  validation: RatingSet;
  /** Of the training ratings. */
  ratingMean: number;
  best: BestEpoch;
}

/** All epochs, or as many as bring something. @throws AppError RUN_DIVERGED, or the signal's reason */
export async function runEpochs(learner: Learner, plan: EpochsPlan, options: EpochsOptions): Promise<void> {
  const { hyperparameters, trainRatings, validation, ratingMean, best } = plan;
  const { epochs } = hyperparameters;
  const meanLoss = lossOfMean(validation, ratingMean);
  const { done = { epoch: 0, seconds: 0 }, handBack } = options;
  const isDue = checkpointClock();
  let secondsBefore = done.seconds;
  for (let epoch = done.epoch + 1; epoch <= epochs; epoch++) {
    const begun = performance.now();
    const check = (loss: number) => checkFinite(epoch, loss, hyperparameters);
    const { trainLoss, noise } = await learner.runEpoch({ epoch, epochs, secondsBefore, check }, options);
    const trainSeconds = (performance.now() - begun) / 1000;
    const validationLoss = await lossOf(learner, validation, ratingMean);
    const seconds = (performance.now() - begun) / 1000;
    secondsBefore += seconds;
    const metric = {
      ...{ epoch, trainLoss, validationLoss, seconds, noise },
      samplesPerSecond: trainRatings / trainSeconds,
    };
    checkLoss(epoch, validationLoss, meanLoss, hyperparameters);
    await options.onEpoch?.(metric);
    options.onEvent?.({ event: 'epoch', epochs, ...metric });
    if (!(await best.see(epoch, validationLoss, learner))) break;
    const isHandedBack = handBack?.aborted === true;
    if (epoch < epochs || isHandedBack) await isDue(isHandedBack, async () => options.onCheckpoint?.(epoch));
    handBack?.throwIfAborted();
  }
  if (best.epoch !== null) options.onEvent?.({ event: 'kept', epoch: best.epoch });
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
