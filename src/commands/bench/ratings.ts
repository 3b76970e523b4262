// Ratings for benches, made in memory: users equally active, popular movies more often, ordered by user as the store's are.
// The targets are noise: how fast a step is does not depend on what there is to learn.

import type { ModelShape, TrainingRatings } from '../../engines/engine.js';
import { randomStream, randomUnit } from '../../engines/random.js';

const SEED = 1;
/** Streams of the movies and targets; any that initial parameters do not draw from. */
const [MOVIES, TARGETS, PAIR_USERS, PAIR_MOVIES] = [1001, 1002, 1003, 1004];
const TARGET_SPREAD = 2;

export function benchRatings(
  { users, movies }: Pick<ModelShape, 'users' | 'movies'>,
  count: number,
): TrainingRatings {
  const [movieStream, targetStream] = [randomStream(SEED, MOVIES), randomStream(SEED, TARGETS)];
  const ratings = {
    userIndices: new Int32Array(count),
    movieIndices: new Int32Array(count),
    targets: new Float32Array(count),
  };
  for (let i = 0; i < count; i++) {
    ratings.userIndices[i] = Math.floor((i * users) / count);
    ratings.movieIndices[i] = skewed(randomUnit(movieStream, i), movies);
    ratings.targets[i] = TARGET_SPREAD * (2 * randomUnit(targetStream, i) - 1);
  }
  return ratings;
}

/** Pairs in no order, as requests come. */
export function benchPairs({ users, movies }: Pick<ModelShape, 'users' | 'movies'>, count: number) {
  const [userStream, movieStream] = [randomStream(SEED, PAIR_USERS), randomStream(SEED, PAIR_MOVIES)];
  return {
    userIndices: Int32Array.from({ length: count }, (_, i) => Math.floor(users * randomUnit(userStream, i))),
    movieIndices: Int32Array.from({ length: count }, (_, i) => skewed(randomUnit(movieStream, i), movies)),
  };
}

/** As in loading/plantedTastes.ts: half of the ratings are of the first quarter of the movies. */
function skewed(unit: number, movies: number): number {
  return Math.floor(unit * unit * movies);
}
