// The flow of a run: ratings → split → trainer → epochs → evaluation → result. Runs wherever it is called;
// training/thread.ts calls it in a worker thread. Asks the engine only through engines/engine.ts.

import type { Engine, ModelShape, Parameters, Trainer } from '../engines/engine.js';
import { initialParameters } from '../engines/init.js';
import { AppError } from '../errors.js';
import type { Hyperparameters, Split } from '../store/hyperparameters.js';
import type { ModelContent } from '../store/models.js';
import { type RatingTable, readRatings } from '../store/ratingReader.js';
import { saveResult, type TestPredictions } from '../store/results.js';
import { getRun, recordStart } from '../store/runs.js';
import { clipToScale } from '../store/scale.js';
import type { Store } from '../store/store.js';
import { meanOf } from './baselines.js';
import { runEpochs } from './epochs.js';
import { evaluate } from './evaluate.js';
import type { TrainingOptions } from './events.js';
import { type RatingSet, type SplitRatings, splitRatings } from './split.js';

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

  const { embeddingWidth, hiddenLayers } = hyperparameters;
  const shape = { users: table.userIds.length, movies: table.movieIds.length, embeddingWidth, hiddenLayers };
  const ratingMean = meanOf(sides.train.ratings);
  const trainer = await openTrainer(engine, shape, hyperparameters, sides.train, ratingMean, run.seed);
  try {
    await runEpochs(store, runId, trainer, sides, hyperparameters, ratingMean, options);
    clock.lap('train');
    onEvent?.({ event: 'evaluating' });
    const predicted = await predictRatings(trainer, sides.test, ratingMean);
    const evaluation = evaluate(sides.train, sides.test, predicted, shape.users, shape.movies);
    clock.lap('evaluate');
    const modelId = await saveResult(store, runId, {
      evaluation,
      testPredictions: toTestPredictions(table, sides.test, predicted),
      model: toContent(shape, await trainer.parameters(), ratingMean, sides.train),
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

/** In stars, clipped to the scale: what is served. */
async function predictRatings(trainer: Trainer, set: RatingSet, ratingMean: number): Promise<Float32Array> {
  const raw = await trainer.predict(set.userIndices, set.movieIndices);
  return raw.map((output) => clipToScale(output + ratingMean));
}

function toTestPredictions(table: RatingTable, test: RatingSet, predicted: Float32Array): TestPredictions {
  return {
    userIds: test.userIndices.map((user) => table.userIds[user]),
    movieIds: test.movieIndices.map((movie) => table.movieIds[movie]),
    actual: test.ratings,
    predicted,
  };
}

function toContent(
  shape: ModelShape,
  parameters: Parameters,
  ratingMean: number,
  train: RatingSet,
): ModelContent {
  return {
    ...{ shape, parameters, ratingMean },
    userRatingCounts: countsOf(train.userIndices, shape.users),
    movieRatingCounts: countsOf(train.movieIndices, shape.movies),
  };
}

function countsOf(indices: Int32Array, size: number): Int32Array {
  const counts = new Int32Array(size);
  for (const index of indices) counts[index]++;
  return counts;
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
