// Simple predictors, fitted on the training ratings, that give an error its meaning.
// "user mean" is MyMediaLite's UserAverage; "user+movie bias" its UserItemBaseline (10 sweeps, reg_u 15, reg_i 10).

import type { RatingSet } from './split.js';

const SWEEPS = 10;
const USER_REGULARIZATION = 15;
const MOVIE_REGULARIZATION = 10;

export interface Baseline {
  name: 'global mean' | 'user mean' | 'movie mean' | 'user+movie bias';
  /** In stars; for users or movies without training ratings it falls back to the mean. */
  predict(userIndex: number, movieIndex: number): number;
}

export function meanOf(ratings: Float32Array): number {
  let sum = 0;
  for (const rating of ratings) sum += rating;
  return ratings.length === 0 ? 0 : sum / ratings.length;
}

export function fitBaselines(train: RatingSet, users: number, movies: number): Baseline[] {
  const mean = meanOf(train.ratings);
  const userMeans = groupMeans(train.userIndices, train.ratings, users, mean);
  const movieMeans = groupMeans(train.movieIndices, train.ratings, movies, mean);
  const { userBias, movieBias } = fitBiases(train, users, movies, mean);
  return [
    { name: 'global mean', predict: () => mean },
    { name: 'user mean', predict: (user) => userMeans[user] },
    { name: 'movie mean', predict: (_user, movie) => movieMeans[movie] },
    { name: 'user+movie bias', predict: (user, movie) => mean + userBias[user] + movieBias[movie] },
  ];
}

function groupMeans(groups: Int32Array, ratings: Float32Array, size: number, fallback: number): Float64Array {
  const sums = new Float64Array(size);
  const counts = new Int32Array(size);
  for (let i = 0; i < ratings.length; i++) {
    sums[groups[i]] += ratings[i];
    counts[groups[i]]++;
  }
  return sums.map((sum, group) => (counts[group] === 0 ? fallback : sum / counts[group]));
}

/** Alternating regularized means: movies first, then users. */
function fitBiases(train: RatingSet, users: number, movies: number, mean: number) {
  let userBias = new Float64Array(users);
  let movieBias = new Float64Array(movies);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    movieBias = biasesOf(
      train.movieIndices,
      movies,
      MOVIE_REGULARIZATION,
      train.userIndices,
      userBias,
      train.ratings,
      mean,
    );
    userBias = biasesOf(
      train.userIndices,
      users,
      USER_REGULARIZATION,
      train.movieIndices,
      movieBias,
      train.ratings,
      mean,
    );
  }
  return { userBias, movieBias };
}

function biasesOf(
  groups: Int32Array,
  size: number,
  regularization: number,
  others: Int32Array,
  otherBias: Float64Array,
  ratings: Float32Array,
  mean: number,
): Float64Array<ArrayBuffer> {
  const sums = new Float64Array(size);
  const counts = new Int32Array(size);
  for (let i = 0; i < ratings.length; i++) {
    sums[groups[i]] += ratings[i] - mean - otherBias[others[i]];
    counts[groups[i]]++;
  }
  return sums.map((sum, group) => sum / (regularization + counts[group]));
}
