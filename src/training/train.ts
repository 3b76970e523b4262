// The flow of a run: ratings → split → trainer → epochs → evaluation → result. Runs wherever it is called;
// training/thread.ts calls it in a worker thread. Asks the engine only through engines/engine.ts.

import { setImmediate } from 'node:timers/promises';
import type { Engine, ModelShape, Trainer } from '../engines/engine.js';
import { initialParameters } from '../engines/init.js';
import { AppError } from '../errors.js';
import type { Hyperparameters, Split } from '../store/hyperparameters.js';
import { type RatingTable, readRatings } from '../store/ratingReader.js';
import { saveResult } from '../store/results.js';
import { type EpochMetricRow, getRun, type RunProgress, recordStart, saveEpoch } from '../store/runs.js';
import { clipToScale } from '../store/scale.js';
import type { Store } from '../store/store.js';
import { meanOf } from './baselines.js';
import { type EvaluationResult, evaluate } from './evaluate.js';
import { type RatingSet, type SplitRatings, splitRatings } from './split.js';

/** Progress is reported, and a cancel seen, about this often. */
const CHUNK_MS = 200;

export type TrainingEvent =
  | { event: 'reading'; rows: number; total: number }
  | { event: 'started'; engine: string; device: string; trainRatings: number; testRatings: number }
  | ({ event: 'progress' } & RunProgress)
  | ({ event: 'epoch'; epochs: number } & EpochMetricRow)
  | { event: 'evaluating' }
  | { event: 'succeeded'; modelId: number; evaluation: EvaluationResult };

export interface TrainingOptions {
  onEvent?: (event: TrainingEvent) => void;
  signal?: AbortSignal;
}

/**
 * Trains a run that is RUNNING and stores its result; the caller ends the run when this throws.
 * @throws AppError RUN_NO_RATINGS, RUN_DIVERGED, RUN_LOST, or the signal's reason
 */
export async function trainRun(
  store: Store,
  engine: Engine,
  runId: number,
  options: TrainingOptions = {},
): Promise<void> {
  const { onEvent, signal } = options;
  const run = await getRun(store, runId);
  const hyperparameters = run.hyperparameters as unknown as Hyperparameters;
  const clock = startClock();
  const table = await readRatings(store, {
    onProgress: (rows, total) => onEvent?.({ event: 'reading', rows, total }),
    signal,
  });
  const sides = splitRatings(table, run.split as unknown as Split);
  await announce(store, engine, runId, table, sides, onEvent);
  clock.lap('read');

  const shape: ModelShape = {
    users: table.userIds.length,
    movies: table.movieIds.length,
    embeddingWidth: hyperparameters.embeddingWidth,
    hiddenLayers: hyperparameters.hiddenLayers,
  };
  const ratingMean = meanOf(sides.train.ratings);
  const trainer = await openTrainer(engine, shape, hyperparameters, sides.train, ratingMean, run.seed);
  try {
    await runEpochs(store, runId, trainer, sides, hyperparameters, ratingMean, options);
    clock.lap('train');
    onEvent?.({ event: 'evaluating' });
    const { train, test } = sides;
    const predicted = await predictRatings(trainer, test, ratingMean);
    const evaluation = evaluate(train, test, predicted, shape.users, shape.movies);
    clock.lap('evaluate');
    const modelId = await saveResult(store, runId, {
      evaluation,
      testPredictions: {
        userIds: test.userIndices.map((user) => table.userIds[user]),
        movieIds: test.movieIndices.map((movie) => table.movieIds[movie]),
        actual: test.ratings,
        predicted,
      },
      model: {
        shape,
        parameters: await trainer.parameters(),
        ratingMean,
        userRatingCounts: countsOf(train.userIndices, shape.users),
        movieRatingCounts: countsOf(train.movieIndices, shape.movies),
      },
      promote: run.promote,
      timings: clock.seconds,
    });
    onEvent?.({ event: 'succeeded', modelId, evaluation });
  } finally {
    await trainer.close();
  }
}

async function announce(
  store: Store,
  engine: Engine,
  runId: number,
  table: RatingTable,
  { train, test }: SplitRatings,
  onEvent: TrainingOptions['onEvent'],
): Promise<void> {
  const [trainRatings, testRatings] = [train.ratings.length, test.ratings.length];
  if (trainRatings === 0 || testRatings === 0) {
    throw new AppError(
      'RUN_NO_RATINGS',
      `the store holds ${trainRatings + testRatings} ratings: ${trainRatings} to train on, ${testRatings} to test on`,
    );
  }
  const { name, device } = engine;
  await recordStart(store, runId, {
    ...{ engine: name, device, trainRatings, testRatings },
    snapshotRatings: table.ratings.length,
    snapshotLatest: table.latestRatedAt,
    snapshotChecksum: table.checksum,
  });
  onEvent?.({ event: 'started', engine: name, device, trainRatings, testRatings });
}

async function openTrainer(
  engine: Engine,
  shape: ModelShape,
  { learningRate, momentum, batchSize }: Hyperparameters,
  train: RatingSet,
  ratingMean: number,
  seed: number,
): Promise<Trainer> {
  return engine.openTrainer({
    shape,
    parameters: initialParameters(shape, seed),
    optimizer: { learningRate, momentum, batchSize },
    ratings: {
      userIndices: train.userIndices,
      movieIndices: train.movieIndices,
      targets: train.ratings.map((rating) => rating - ratingMean),
    },
    seed,
  });
}

async function runEpochs(
  store: Store,
  runId: number,
  trainer: Trainer,
  { train, test }: SplitRatings,
  hyperparameters: Hyperparameters,
  ratingMean: number,
  options: TrainingOptions,
): Promise<void> {
  const { epochs } = hyperparameters;
  const steps = Math.ceil(train.ratings.length / hyperparameters.batchSize);
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
      samplesPerSecond: train.ratings.length / trainSeconds,
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

/** In stars, clipped to the scale: what is served. */
async function predictRatings(trainer: Trainer, set: RatingSet, ratingMean: number): Promise<Float32Array> {
  const raw = await trainer.predict(set.userIndices, set.movieIndices);
  return raw.map((output) => clipToScale(output + ratingMean));
}

function countsOf(indices: Int32Array, size: number): Int32Array {
  const counts = new Int32Array(size);
  for (const index of indices) counts[index]++;
  return counts;
}

function diverged(epoch: number, loss: number): AppError {
  return new AppError('RUN_DIVERGED', `the loss became ${loss} in epoch ${epoch}`);
}

function startClock() {
  const seconds: Record<string, number> = {};
  let last = performance.now();
  return {
    seconds,
    /** Names the time since the last lap. */
    lap(name: string) {
      const now = performance.now();
      seconds[name] = (now - last) / 1000;
      last = now;
    },
  };
}
