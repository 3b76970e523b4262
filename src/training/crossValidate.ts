// Cross-validation without a database: folds → learner → errors on the fold, with what would be served: the model that a run stores.
// Predictions are clipped to the ends of the scale that the ratings show, as the published figures are.

import type { Engine } from '../engines/engine.js';
import { fillEpochOrder } from '../engines/shuffle.js';
import { meanNoise, type SideAttributes } from '../engines/sweeps.js';
import {
  type MovieDetails,
  movieLabels,
  tabulate,
  type UserDetails,
  userLabels,
} from '../store/attributes.js';
import { type Hyperparameters, sizedHyperparameters } from '../store/hyperparameters.js';
import { clipToScale, type RatingScale } from '../store/scale.js';
import { fitBaselines, meanOf } from './baselines.js';
import { watchBestEpoch } from './bestEpoch.js';
import { runEpochs } from './epochs.js';
import { type BaselineErrors, type ErrorFigures, errorsOf, measureBaselines } from './evaluate.js';
import type { TrainingOptions } from './events.js';
import { validationSides } from './holdOut.js';
import { openLearner } from './learner.js';
import type { RatingSet, SplitRatings } from './split.js';
import { shapeOf, toTargets } from './train.js';

/** Ratings with ids, as a file has them. */
export interface RatingRows {
  userIds: Int32Array;
  movieIds: Int32Array;
  ratings: Float32Array;
}

export interface IndexedRatings extends RatingSet {
  users: number;
  movies: number;
}

/** By row. */
export interface RowIds {
  userIds: Int32Array;
  movieIds: Int32Array;
}

/** How many users and movies there are, and what is known of them beside ratings, if anything. */
export interface FoldRows {
  users: number;
  movies: number;
  attributes?: SideAttributes;
}

/** A preset, resolved but not yet sized to the ratings. */
export interface MeasuredSettings {
  preset: string;
  hyperparameters: Hyperparameters;
  seed: number;
}

export interface FoldFigures extends ErrorFigures {
  trainRatings: number;
  testRatings: number;
  seconds: number;
  /** Of models that know it: √ of the mean variance of the training ratings around what is expected of them, stars. */
  noise: number | null;
  baselines: BaselineErrors[];
}

/** Dense indices in the order of first appearance; of a pair that comes twice, the later rating. */
export function indexRatings({ userIds, movieIds, ratings }: RatingRows): IndexedRatings & RowIds {
  const [users, movies] = [new Map<number, number>(), new Map<number, number>()];
  const set = {
    userIndices: userIds.map((id) => indexOf(users, id)),
    movieIndices: movieIds.map((id) => indexOf(movies, id)),
    ratings,
  };
  return {
    ...withoutDuplicates(set, users.size, movies.size),
    ...{ users: users.size, movies: movies.size },
    ...{ userIds: Int32Array.from(users.keys()), movieIds: Int32Array.from(movies.keys()) },
  };
}

/** What files tell of the users and movies that have ratings. */
export function attributesOf(
  { userIds, movieIds }: RowIds,
  {
    users,
    movies,
  }: {
    users: readonly (UserDetails & { userId: number })[];
    movies: readonly (MovieDetails & { movieId: number })[];
  },
): SideAttributes {
  const userRows = new Map(Array.from(userIds, (id, row) => [id, row]));
  const movieRows = new Map(Array.from(movieIds, (id, row) => [id, row]));
  // Of a line that comes twice, the later one.
  const userLines = new Map(users.map((user) => [userRows.get(user.userId), userLabels(user)]));
  const movieLines = new Map(movies.map((movie) => [movieRows.get(movie.movieId), movieLabels(movie)]));
  const ofRated = (lines: Map<number | undefined, string[]>) =>
    [...lines].filter((line): line is [number, string[]] => line[0] !== undefined);
  return { user: tabulate(ofRated(userLines)), movie: tabulate(ofRated(movieLines)) };
}

function indexOf(indices: Map<number, number>, id: number): number {
  const known = indices.get(id);
  if (known !== undefined) return known;
  indices.set(id, indices.size);
  return indices.size - 1;
}

function withoutDuplicates(set: RatingSet, users: number, movies: number): RatingSet {
  const { userIndices, movieIndices } = set;
  // Users one after another, so that one mark a movie is enough.
  const next = new Int32Array(users + 1);
  for (const user of userIndices) next[user + 1]++;
  for (let user = 0; user < users; user++) next[user + 1] += next[user];
  const order = new Int32Array(userIndices.length);
  for (const [i, user] of userIndices.entries()) order[next[user]++] = i;
  const lastUser = new Int32Array(movies).fill(-1);
  const isKept = new Uint8Array(userIndices.length);
  for (const i of order.reverse()) {
    isKept[i] = lastUser[movieIndices[i]] === userIndices[i] ? 0 : 1;
    lastUser[movieIndices[i]] = userIndices[i];
  }
  return pick(set, (i) => isKept[i] === 1);
}

export function pick(
  { userIndices, movieIndices, ratings }: RatingSet,
  isPicked: (i: number) => boolean,
): RatingSet {
  return {
    userIndices: userIndices.filter((_, i) => isPicked(i)),
    movieIndices: movieIndices.filter((_, i) => isPicked(i)),
    ratings: ratings.filter((_, i) => isPicked(i)),
  };
}

/** Fold f of k has the ratings at the places f, f + k, f + 2k, … of a random order. */
export function foldOf(ratings: IndexedRatings, folds: number, fold: number, seed: number): SplitRatings {
  const count = ratings.ratings.length;
  const order = new Uint32Array(count);
  fillEpochOrder({ seed, epoch: 0, count }, 0, order);
  const isTest = new Uint8Array(count);
  for (let place = fold; place < count; place += folds) isTest[order[place]] = 1;
  return { train: pick(ratings, (i) => isTest[i] === 0), test: pick(ratings, (i) => isTest[i] === 1) };
}

/** The first `trainRatings` to train on, the others to test on: for folds that come as files. */
export function fixedFold(ratings: IndexedRatings, trainRatings: number): SplitRatings {
  return {
    train: pick(ratings, (i) => i < trainRatings),
    test: pick(ratings, (i) => i >= trainRatings),
  };
}

/** Trains on one side and measures on the other. @throws AppError RUN_DIVERGED, or the signal's reason */
export async function measureFold(
  engine: Engine,
  { attributes, ...sizes }: FoldRows,
  halves: SplitRatings,
  { preset, hyperparameters: asked, seed }: MeasuredSettings,
  options: TrainingOptions = {},
): Promise<FoldFigures> {
  const { test } = halves;
  const hyperparameters = sizedHyperparameters(preset, asked, halves.train.ratings.length);
  const { train, validation } = validationSides(halves, hyperparameters, seed);
  const counts = { trainRatings: train.ratings.length, testRatings: test.ratings.length };
  const scale = endsOf(train.ratings);
  const baselines = measureBaselines(fitBaselines(train, sizes.users, sizes.movies), test, scale);
  const ratingMean = meanOf(train.ratings);
  const shape = shapeOf(sizes, hyperparameters);
  const begun = performance.now();
  const lesson = { shape, hyperparameters, ratings: toTargets(train, ratingMean), attributes, seed };
  const learner = await openLearner(engine, lesson);
  const best = watchBestEpoch(hyperparameters, null);
  try {
    const { trainRatings } = counts;
    await runEpochs(learner, { hyperparameters, trainRatings, validation, ratingMean, best }, options);
    const [raw, posterior] = await best.use(engine, shape, learner, async (kept) => [
      await kept.predict(test.userIndices, test.movieIndices),
      await kept.posterior(),
    ]);
    const predicted = raw.map((output) => clipToScale(output + ratingMean, scale));
    const seconds = (performance.now() - begun) / 1000;
    const noise = posterior && Math.sqrt(meanNoise(posterior, train));
    return { ...errorsOf(test.ratings, predicted), ...counts, seconds, noise, baselines };
  } finally {
    await learner.close();
  }
}

/** The scale that ratings show. */
export function endsOf(ratings: Float32Array): Pick<RatingScale, 'minimum' | 'maximum'> {
  let [minimum, maximum] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const rating of ratings) {
    minimum = Math.min(minimum, rating);
    maximum = Math.max(maximum, rating);
  }
  return { minimum, maximum };
}
