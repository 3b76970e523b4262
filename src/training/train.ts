// The flow of a run: ratings → split → learner → epochs → evaluation → result. Runs wherever it is called;
// training/thread.ts calls it in a worker thread. Asks the engine only through engines/engine.ts.

import type { Engine, ModelShape, Parameters, TrainingRatings } from '../engines/engine.js';
import { AppError } from '../errors.js';
import {
  type Hyperparameters,
  type Split,
  sizedHyperparameters,
  storedHyperparameters,
} from '../store/hyperparameters.js';
import type { ModelContent } from '../store/models.js';
import type { TrainingRun } from '../store/prisma/client.js';
import { type RatingTable, readRatings } from '../store/ratingReader.js';
import { saveResult, type TestPredictions } from '../store/results.js';
import { type EpochMetricRow, getRun, recordStart, saveEpoch } from '../store/runs.js';
import { clipToScale, type RatingScale } from '../store/scale.js';
import type { Store } from '../store/store.js';
import { meanOf } from './baselines.js';
import { runEpochs } from './epochs.js';
import { evaluate, measureBaselines } from './evaluate.js';
import type { TrainingOptions } from './events.js';
import { type Learner, openLearner } from './learner.js';
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
  const { onEvent } = options;
  const run = await getRun(store, runId);
  const clock = startClock();
  const sides = await readSides(store, engine, run, options);
  const { train, test, userIds, movieIds, hyperparameters, scale } = sides;
  clock.lap('read');

  const sizes = { users: userIds.length, movies: movieIds.length };
  const shape = shapeOf(sizes, hyperparameters);
  const baselines = measureBaselines({ train, test }, shape.users, shape.movies, scale);
  clock.lap('baselines');
  const ratingMean = meanOf(train.ratings);
  const ratings = toTargets(train, ratingMean);
  const learner = await openLearner(engine, shape, hyperparameters, ratings, run.seed);
  try {
    const { length } = ratings.targets;
    const onEpoch = (metric: EpochMetricRow) => saveEpoch(store, runId, metric);
    await runEpochs(learner, hyperparameters.epochs, length, test, ratingMean, { ...options, onEpoch });
    clock.lap('train');
    onEvent?.({ event: 'evaluating' });
    const predicted = await predictRatings(learner, test, ratingMean, scale);
    const evaluation = evaluate(test, predicted, baselines, scale);
    clock.lap('evaluate');
    const modelId = await saveResult(store, runId, {
      evaluation,
      testPredictions: toTestPredictions({ userIds, movieIds }, test, predicted),
      model: toContent(shape, await learner.parameters(), ratingMean, ratings),
      promote: run.promote,
      timings: clock.seconds,
    });
    onEvent?.({ event: 'succeeded', modelId, evaluation, peakRssMiB: peakRssMiB() });
  } finally {
    await learner.close();
  }
}

interface Sides extends SplitRatings {
  hyperparameters: Hyperparameters;
  userIds: Int32Array;
  movieIds: Int32Array;
  scale: RatingScale;
}

/** Reads, splits and announces. A function of its own, so that the table (12 bytes a rating) is let go once it is split. */
async function readSides(
  store: Store,
  engine: Engine,
  run: TrainingRun,
  { onEvent, signal }: TrainingOptions,
): Promise<Sides> {
  const table = await readRatings(store, {
    onProgress: (rows, total) => onEvent?.({ event: 'reading', rows, total }),
    signal,
  });
  const sides = splitRatings(table, run.split as unknown as Split);
  const asked = storedHyperparameters(run.hyperparameters);
  const hyperparameters = sizedHyperparameters(run.preset, asked, sides.train.ratings.length);
  await announce(store, engine, run.id, { table, sides, hyperparameters }, onEvent);
  const { userIds, movieIds, scale } = table;
  return { ...sides, hyperparameters, userIds, movieIds, scale };
}

async function announce(
  store: Store,
  engine: Engine,
  runId: number,
  {
    table,
    sides,
    hyperparameters,
  }: { table: RatingTable; sides: SplitRatings; hyperparameters: Hyperparameters },
  onEvent: TrainingOptions['onEvent'],
): Promise<void> {
  const { train, test } = sides;
  const [trainRatings, testRatings] = [train.ratings.length, test.ratings.length];
  if (trainRatings === 0 || testRatings === 0) {
    throw new AppError(
      'RUN_NO_RATINGS',
      `the store holds ${trainRatings + testRatings} ratings: ${trainRatings} to train on, ${testRatings} to test on`,
    );
  }
  const { name, device, threads } = engine;
  await recordStart(store, runId, {
    ...{ engine: name, device, threads, trainRatings, testRatings },
    snapshotRatings: table.ratings.length,
    snapshotLatest: table.latestRatedAt,
    snapshotChecksum: table.checksum,
    hyperparameters,
  });
  onEvent?.({ event: 'started', engine: name, device, threads, trainRatings, testRatings });
}

export function shapeOf(
  sizes: { users: number; movies: number },
  { embeddingWidth, hiddenLayers, biases, dotProduct }: Hyperparameters,
): ModelShape {
  return { ...sizes, embeddingWidth, hiddenLayers, biases, dotProduct };
}

/** In place: the ratings become the targets. A copy would hold another 4 bytes for each rating as long as the run lasts. */
export function toTargets(
  { userIndices, movieIndices, ratings }: RatingSet,
  ratingMean: number,
): TrainingRatings {
  for (let i = 0; i < ratings.length; i++) ratings[i] -= ratingMean;
  return { userIndices, movieIndices, targets: ratings };
}

/** In stars, clipped to the scale: what is served. */
async function predictRatings(
  learner: Learner,
  set: RatingSet,
  ratingMean: number,
  scale: RatingScale,
): Promise<Float32Array> {
  const raw = await learner.predict(set.userIndices, set.movieIndices);
  return raw.map((output) => clipToScale(output + ratingMean, scale));
}

function toTestPredictions(
  { userIds, movieIds }: Pick<RatingTable, 'userIds' | 'movieIds'>,
  test: RatingSet,
  predicted: Float32Array,
): TestPredictions {
  return {
    userIds: test.userIndices.map((user) => userIds[user]),
    movieIds: test.movieIndices.map((movie) => movieIds[movie]),
    actual: test.ratings,
    predicted,
  };
}

function toContent(
  shape: ModelShape,
  parameters: Parameters,
  ratingMean: number,
  train: TrainingRatings,
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

function peakRssMiB(): number {
  return Math.round(process.resourceUsage().maxRSS / 1024);
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
