// How well users are served whom training never saw: some are left out whole, folded in with a few of their ratings, and measured on
// the rest. Needs no database, as cross-validation.

import assert from 'node:assert/strict';
import { expectedOutput, spreadOf } from '../engines/beliefs.js';
import { type Certainty, learnCertainty } from '../engines/certainty.js';
import type { Engine, TrainingRatings } from '../engines/engine.js';
import { foldIn } from '../engines/foldIn.js';
import { fillEpochOrder } from '../engines/shuffle.js';
import type { RowAttributes, SideAttributes } from '../engines/sweeps.js';
import { sizedHyperparameters } from '../store/hyperparameters.js';
import { clipToScale } from '../store/scale.js';
import { meanOf } from './baselines.js';
import { endsOf, type FoldRows, type IndexedRatings, type MeasuredSettings, pick } from './crossValidate.js';
import { checkFinite } from './divergence.js';
import { type ErrorFigures, errorsOf } from './evaluate.js';
import type { TrainingOptions } from './events.js';
import { type IntervalShare, sharesHeld } from './intervals.js';
import { openLearner } from './learner.js';
import type { RatingSet } from './split.js';
import { shapeOf, toTargets } from './train.js';

export interface UserSides {
  /** Of users numbered anew: 0 … users − 1. */
  train: RatingSet;
  users: number;
  /** Of those users, and of the movies. */
  attributes?: SideAttributes;
  newcomers: RatingSet;
}

/** With so many ratings given, on the rest of each user who has more. */
export interface NewUserFigures extends ErrorFigures {
  given: number;
  users: number;
  testRatings: number;
  intervals: IntervalShare[];
}

/** Fold f of k has the users at the places f, f + k, f + 2k, … of a random order. */
export function userFoldOf(
  ratings: IndexedRatings & Pick<FoldRows, 'attributes'>,
  folds: number,
  fold: number,
  seed: number,
): UserSides {
  const order = new Uint32Array(ratings.users);
  fillEpochOrder({ seed, epoch: 0, count: ratings.users }, 0, order);
  const rowOf = new Int32Array(ratings.users).fill(-1);
  let users = 0;
  for (const [place, user] of order.entries()) if (place % folds !== fold) rowOf[user] = users++;
  const train = pick(ratings, (i) => rowOf[ratings.userIndices[i]] >= 0);
  const newcomers = pick(ratings, (i) => rowOf[ratings.userIndices[i]] < 0);
  const { attributes } = ratings;
  return {
    ...{ train: { ...train, userIndices: train.userIndices.map((user) => rowOf[user]) }, users, newcomers },
    ...(attributes ? { attributes: { ...attributes, user: renumbered(attributes.user, rowOf) } } : {}),
  };
}

/** rowOf: −1 for who is left out. */
function renumbered({ starts, holders }: RowAttributes, rowOf: Int32Array): RowAttributes {
  const kept = Array.from({ length: starts.length - 1 }, (_, f) =>
    [...holders.subarray(starts[f], starts[f + 1])].map((user) => rowOf[user]).filter((row) => row >= 0),
  );
  const ends = new Int32Array(starts.length);
  for (const [f, rows] of kept.entries()) ends[f + 1] = ends[f] + rows.length;
  return { starts: ends, holders: Int32Array.from(kept.flat()) };
}

/** Trains on one side, and gives the figures of the other for each of `given`. @throws AppError RUN_DIVERGED, or the signal's reason */
export async function measureNewUsers(
  engine: Engine,
  movies: number,
  { train, users, attributes, newcomers }: UserSides,
  settings: MeasuredSettings,
  given: readonly number[],
  options: TrainingOptions = {},
): Promise<NewUserFigures[]> {
  const scale = endsOf(train.ratings);
  const ratingMean = meanOf(train.ratings);
  const isKnown = new Uint8Array(movies);
  for (const movie of train.movieIndices) isKnown[movie] = 1;
  const people = byUser(newcomers, isKnown, settings.seed);
  const rows = { users, movies, attributes };
  const certainty = await learn(engine, rows, toTargets(train, ratingMean), settings, options);
  return given.map((count) => {
    const measured = people.filter(({ movieIndices }) => movieIndices.length > count);
    const answers = measured.map((person) => answer(certainty, person, count, ratingMean));
    const ratings = Float32Array.from(measured.flatMap((person) => [...person.ratings.subarray(count)]));
    const rawScores = Float32Array.from(answers.flatMap((each) => each.rawScores));
    const spreads = answers.flatMap((each) => each.spreads);
    const predicted = rawScores.map((score) => clipToScale(score, scale));
    // Of a fold without ratings to measure on, the figures are NaN.
    return {
      ...{ given: count, users: measured.length, testRatings: ratings.length },
      ...errorsOf(ratings, predicted),
      intervals: sharesHeld(ratings, rawScores, (i) => spreads[i], scale),
    };
  });
}

async function learn(
  engine: Engine,
  { attributes, ...sizes }: FoldRows,
  ratings: TrainingRatings,
  { preset, hyperparameters: asked, seed }: MeasuredSettings,
  options: TrainingOptions,
): Promise<Certainty> {
  const hyperparameters = sizedHyperparameters(preset, asked, ratings.targets.length);
  const { epochs, embeddingWidth } = hyperparameters;
  const shape = shapeOf(sizes, hyperparameters);
  const learner = await openLearner(engine, { shape, hyperparameters, ratings, attributes, seed });
  try {
    for (let epoch = 1, secondsBefore = 0; epoch <= epochs; epoch++) {
      const check = (loss: number) => checkFinite(epoch, loss, hyperparameters);
      const begun = performance.now();
      await learner.runEpoch({ epoch, epochs, secondsBefore, check }, options);
      secondsBefore += (performance.now() - begun) / 1000;
    }
    const posterior = await learner.posterior();
    assert(posterior, 'a model of sweeps has a posterior');
    return learnCertainty(embeddingWidth, await learner.parameters(), posterior, ratings);
  } finally {
    await learner.close();
  }
}

interface Person {
  movieIndices: Int32Array;
  /** In stars. */
  ratings: Float32Array;
}

/** Each with their ratings of known movies, in a random order: the first ones are given. */
function byUser(set: RatingSet, isKnown: Uint8Array, seed: number): Person[] {
  const places = new Map<number, number[]>();
  for (const [i, user] of set.userIndices.entries()) {
    if (!isKnown[set.movieIndices[i]]) continue;
    const own = places.get(user);
    if (own) own.push(i);
    else places.set(user, [i]);
  }
  return Array.from(places, ([user, own]) => {
    const order = new Uint32Array(own.length);
    fillEpochOrder({ seed, epoch: 1 + user, count: own.length }, 0, order);
    return {
      movieIndices: Int32Array.from(order, (place) => set.movieIndices[own[place]]),
      ratings: Float32Array.from(order, (place) => set.ratings[own[place]]),
    };
  });
}

/** For the ratings of a person that are not given: what is expected, in stars, and how surely. */
function answer(
  { beliefs, prior, tastes }: Certainty,
  { movieIndices, ratings }: Person,
  given: number,
  ratingMean: number,
) {
  const targets = ratings.subarray(0, given).map((rating) => rating - ratingMean);
  const user = foldIn(beliefs, prior, tastes, { movieIndices: movieIndices.subarray(0, given), targets });
  const asked = [...movieIndices.subarray(given)];
  return {
    rawScores: asked.map((movie) => ratingMean + expectedOutput(user, beliefs.movies, movie)),
    spreads: asked.map((movie) => spreadOf(beliefs, user, movie).rating),
  };
}
