// The epochs of a run: steps in chunks, the loss on the held-out ratings after each epoch, progress, cancel.

import { setImmediate } from 'node:timers/promises';
import type { Trainer } from '../engines/engine.js';
import { AppError } from '../errors.js';
import type { Hyperparameters } from '../store/hyperparameters.js';
import { saveEpoch } from '../store/runs.js';
import type { Store } from '../store/store.js';
import type { TrainingOptions } from './events.js';
import type { RatingSet } from './split.js';

/** Progress is reported, and a cancel seen, about this often. */
const CHUNK_MS = 200;

/** @throws AppError RUN_DIVERGED, or the signal's reason */
export async function runEpochs(
  store: Store,
  runId: number,
  trainer: Trainer,
  trainRatings: number,
  test: RatingSet,
  hyperparameters: Hyperparameters,
  ratingMean: number,
  options: TrainingOptions,
): Promise<void> {
  const { epochs } = hyperparameters;
  const steps = Math.ceil(trainRatings / hyperparameters.batchSize);
  let secondsBefore = 0;
  for (let epoch = 1; epoch <= epochs; epoch++) {
    const begun = performance.now();
    const trainLoss = await runEpoch(trainer, { epoch, epochs, steps, secondsBefore }, options);
    const trainSeconds = (performance.now() - begun) / 1000;
    const validationLoss = await lossOf(trainer, test, ratingMean);
    const seconds = (performance.now() - begun) / 1000;
    secondsBefore += seconds;
    const metric = {
      epoch,
      trainLoss,
      validationLoss,
      seconds,
      samplesPerSecond: trainRatings / trainSeconds,
    };
    if (!Number.isFinite(validationLoss)) throw diverged(epoch, validationLoss);
    await saveEpoch(store, runId, metric);
    options.onEvent?.({ event: 'epoch', epochs, ...metric });
  }
}

interface EpochPlace {
  epoch: number;
  epochs: number;
  steps: number;
  /** Of the epochs before this one. */
  secondsBefore: number;
}

/** Gives the mean squared error over the epoch. */
async function runEpoch(
  trainer: Trainer,
  place: EpochPlace,
  { onEvent, signal }: TrainingOptions,
): Promise<number> {
  const { epoch, epochs, steps, secondsBefore } = place;
  const begun = performance.now();
  let [step, chunk, squares, samples] = [0, 1, 0, 0];
  while (step < steps) {
    const chunkBegun = performance.now();
    const result = await trainer.train(epoch - 1, step, Math.min(chunk, steps - step));
    step = Math.min(steps, step + chunk);
    squares += result.squaredErrorSum;
    samples += result.samples;
    const trainLoss = squares / samples;
    if (!Number.isFinite(trainLoss)) throw diverged(epoch, trainLoss);
    const seconds = (performance.now() - begun) / 1000;
    const epochsLeft = epochs - (epoch - 1) - step / steps;
    const etaSeconds = (epochsLeft * (secondsBefore + seconds)) / (epoch - 1 + step / steps);
    onEvent?.({
      event: 'progress',
      epoch,
      epochs,
      step,
      steps,
      trainLoss,
      samplesPerSecond: samples / seconds,
      etaSeconds,
    });
    if (performance.now() - chunkBegun < CHUNK_MS / 2) chunk *= 2;
    // A turn of the event loop, so that a cancel gets through.
    await setImmediate();
    signal?.throwIfAborted();
  }
  return squares / samples;
}

/** Mean squared error of the raw outputs, as the training loss is. */
async function lossOf(trainer: Trainer, set: RatingSet, ratingMean: number): Promise<number> {
  const raw = await trainer.predict(set.userIndices, set.movieIndices);
  let squares = 0;
  for (let i = 0; i < raw.length; i++) squares += (raw[i] + ratingMean - set.ratings[i]) ** 2;
  return squares / raw.length;
}

function diverged(epoch: number, loss: number): AppError {
  return new AppError('RUN_DIVERGED', `the loss became ${loss} in epoch ${epoch}`);
}
