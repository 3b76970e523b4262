// The flow of a run: ratings → split → learner → epochs → evaluation → result. Runs wherever it is called;
// training/thread.ts calls it in a worker thread. Asks the engine only through engines/engine.ts.

import type { Engine, ModelShape, Parameters, TrainingRatings } from '../engines/engine.js';
import { type Checkpoint, findCheckpoint, saveCheckpoint } from '../store/checkpoints.js';
import type { Hyperparameters } from '../store/hyperparameters.js';
import type { ModelContent } from '../store/models.js';
import type { TrainingRun } from '../store/prisma/client.js';
import type { RatingTable } from '../store/ratingReader.js';
import { saveResult, type TestPredictions } from '../store/results.js';
import { rewindEpochs, saveEpoch } from '../store/runProgress.js';
import type { RunClaim } from '../store/runs.js';
import { clipToScale } from '../store/scale.js';
import { saveTrial } from '../store/searchRecord.js';
import { databaseTime, type Store, whenBack } from '../store/store.js';
import { fitBaselines, meanOf } from './baselines.js';
import { type BestEpoch, type KeptModel, watchBestEpoch } from './bestEpoch.js';
import { certaintyOf } from './certainty.js';
import { type EpochsOptions, runEpochs } from './epochs.js';
import { evaluate, measureBaselines } from './evaluate.js';
import type { TrainingOptions } from './events.js';
import { measureIntervals } from './intervals.js';
import { type Learner, openLearner } from './learner.js';
import { countsOf, movieBiasesOf, rankMovies } from './ranking.js';
import { readSides } from './sides.js';
import type { RatingSet } from './split.js';

/**
 * Trains a run that is RUNNING, as its claim gave it, and stores its result, of a trial its validation error; the caller ends the run when this throws.
 * @throws AppError RUN_NO_RATINGS, RUN_OTHER_RATINGS, RUN_DIVERGED, RUN_LOST, or the signal's reason
 */
export async function trainRun(
  store: Store,
  engine: Engine,
  run: TrainingRun,
  options: TrainingOptions = {},
): Promise<void> {
  const { onEvent, signal } = options;
  const prepared = await prepare(store, engine, run, options);
  const kept = await learn(store, engine, prepared, options);
  if (!kept) {
    const { seconds } = prepared.clock;
    const validationRmse = await whenBack(() => saveTrial(store, run, seconds), signal);
    onEvent?.({ event: 'tried', validationRmse });
    return;
  }
  const result = await measure(engine, prepared, kept, options);
  const saved = await whenBack(() => saveResult(store, run, result), signal);
  const { evaluation } = result;
  onEvent?.({ event: 'succeeded', ...saved, evaluation, peakRssMiB: peakRssMiB() });
}

type Prepared = Awaited<ReturnType<typeof prepare>>;

/** What there is before the first epoch: the ratings, divided, what the baselines make of them, and where to begin. */
async function prepare(store: Store, engine: Engine, run: TrainingRun, options: TrainingOptions) {
  const { signal } = options;
  const ratingsReadAt = await whenBack(() => databaseTime(store), signal);
  const clock = startClock();
  const sides = await readSides(store, engine, run, options);
  const { train, test, userIds, movieIds, hyperparameters, attributes, scale, checksum } = sides;
  clock.lap('read');
  const sizes = { users: userIds.length, movies: movieIds.length };
  const shape = shapeOf(sizes, hyperparameters);
  const fitted = fitBaselines(train, shape.users, shape.movies);
  const baselines = measureBaselines(fitted, test, scale);
  const movieBiases = movieBiasesOf(fitted, shape.movies);
  clock.lap('baselines');
  const ratingMean = meanOf(train.ratings);
  const ratings = toTargets(train, ratingMean);
  const lesson = { shape, hyperparameters, ratings, attributes, seed: run.seed };
  const checkpoint = await whenBack(() => findUsableCheckpoint(store, run, checksum), signal);
  return { run, ratingsReadAt, clock, sides, baselines, movieBiases, ratingMean, lesson, checkpoint };
}

/**
 * The epochs, and what is left of them once their memory is given back: the model that is kept, and what it says of the test ratings.
 * null of a trial, which is judged by its epochs alone.
 */
async function learn(
  store: Store,
  engine: Engine,
  { run, clock, sides, ratingMean, lesson, checkpoint }: Prepared,
  options: TrainingOptions,
) {
  const { validation, test, hyperparameters, checksum } = sides;
  const { shape, ratings } = lesson;
  const best = watchBestEpoch(hyperparameters, checkpoint);
  const learner = await openLearner(engine, lesson, checkpoint);
  try {
    const epochs = await epochsOptions(store, run, { learner, best, checkpoint, checksum }, options);
    const trainRatings = ratings.targets.length;
    await runEpochs(learner, { hyperparameters, trainRatings, validation, ratingMean, best }, epochs);
    clock.lap('train');
    // The test ratings are for the winner of the search.
    if (run.trial !== null) return null;
    options.onEvent?.({ event: 'evaluating' });
    return await best.use(engine, shape, learner, async (kept) => {
      const parameters = await kept.parameters();
      const rawScores = await scoresOf(kept, test, ratingMean);
      return { rawScores, parameters, certainty: await certaintyOf(kept, shape, parameters, lesson) };
    });
  } finally {
    await learner.close();
  }
}

/** What comes of the run: the model that is kept, and how good it is. */
async function measure(
  engine: Engine,
  { run, ratingsReadAt, clock, sides, baselines, movieBiases, ratingMean, lesson }: Prepared,
  { rawScores, parameters, certainty }: NonNullable<Awaited<ReturnType<typeof learn>>>,
  options: TrainingOptions,
) {
  const { train, test, userIds, movieIds, attributes, scale } = sides;
  const { shape, ratings } = lesson;
  const predicted = rawScores.map((score) => clipToScale(score, scale));
  const intervals = certainty && measureIntervals(certainty.beliefs, test, rawScores, scale);
  const model = toContent(shape, parameters, ratingMean, ratings);
  const errors = evaluate(test, predicted, baselines, scale);
  clock.lap('evaluate');
  const rankings = await rankMovies(engine, model, { train, test, userIds, scale, movieBiases }, options);
  clock.lap('rank');
  return {
    evaluation: { ...errors, intervals, rankings },
    testPredictions: toTestPredictions({ userIds, movieIds }, test, predicted),
    model: {
      ...{ ...model, ratingsReadAt, posterior: certainty?.tensors ?? null },
      movieAttributes: certainty?.moviePrior ? attributes!.movie.labels : [],
    },
    promote: run.promote,
    timings: clock.seconds,
  };
}

/** null: the run begins anew, since it has no checkpoint, or one of other ratings than there are now. */
async function findUsableCheckpoint(
  store: Store,
  run: TrainingRun,
  checksum: string,
): Promise<Checkpoint | null> {
  const checkpoint = await findCheckpoint(store, run);
  return checkpoint?.snapshotChecksum === checksum ? checkpoint : null;
}

/** Where the epochs begin, and what is kept of each. */
async function epochsOptions(
  store: Store,
  claim: RunClaim,
  {
    learner,
    best,
    checkpoint,
    checksum,
  }: { learner: Learner; best: BestEpoch; checkpoint: Checkpoint | null; checksum: string },
  options: TrainingOptions,
): Promise<EpochsOptions> {
  const { signal, onEvent } = options;
  const epoch = checkpoint?.epoch ?? 0;
  const seconds = await whenBack(() => rewindEpochs(store, claim, epoch), signal);
  if (checkpoint) onEvent?.({ event: 'resumed', epoch });
  return {
    ...{ ...options, done: { epoch, seconds } },
    onEpoch: (metric) => whenBack(() => saveEpoch(store, claim, metric), signal),
    async onCheckpoint(epoch) {
      const { count, arrays } = await learner.state();
      const state = { epoch, snapshotChecksum: checksum, count, arrays: [...arrays, ...best.arrays()] };
      await whenBack(() => saveCheckpoint(store, claim, state), signal);
    },
  };
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

/** Expected ratings in stars, not clipped. */
async function scoresOf(model: KeptModel, set: RatingSet, ratingMean: number): Promise<Float32Array> {
  const raw = await model.predict(set.userIndices, set.movieIndices);
  return raw.map((output) => output + ratingMean);
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
): Omit<ModelContent, 'ratingsReadAt' | 'posterior' | 'movieAttributes'> {
  return {
    ...{ shape, parameters, ratingMean },
    userRatingCounts: countsOf(train.userIndices, shape.users),
    movieRatingCounts: countsOf(train.movieIndices, shape.movies),
  };
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
