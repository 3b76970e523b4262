// Which side of the split a rating is on: a seeded hash of (userId, movieId), so it never changes when others are added
// and never depends on the order of import.

import { mix32 } from '../engines/random.js';
import type { Split } from '../store/hyperparameters.js';
import type { RatingTable } from '../store/ratingReader.js';

/** Ratings of one side; three arrays of equal length, ratings in stars. */
export interface RatingSet {
  userIndices: Int32Array;
  movieIndices: Int32Array;
  ratings: Float32Array;
}

export interface SplitRatings {
  train: RatingSet;
  test: RatingSet;
}

/** Keeps the order of the table within each side. */
export function splitRatings(table: RatingTable, split: Split): SplitRatings {
  const { userIndices, movieIndices, ratings, userIds, movieIds } = table;
  const isTest = new Uint8Array(ratings.length);
  let testCount = 0;
  for (let i = 0; i < ratings.length; i++) {
    isTest[i] = isHeldOut(split, userIds[userIndices[i]], movieIds[movieIndices[i]]) ? 1 : 0;
    testCount += isTest[i];
  }
  const sides = [allocate(ratings.length - testCount), allocate(testCount)];
  const filled = [0, 0];
  for (let i = 0; i < ratings.length; i++) {
    const side = sides[isTest[i]];
    const at = filled[isTest[i]]++;
    side.userIndices[at] = userIndices[i];
    side.movieIndices[at] = movieIndices[i];
    side.ratings[at] = ratings[i];
  }
  return { train: sides[0], test: sides[1] };
}

export function isHeldOut({ seed, testFraction }: Split, userId: number, movieId: number): boolean {
  const hash = mix32(mix32(mix32(seed + 1) ^ userId) ^ movieId) >>> 0;
  return hash < testFraction * 2 ** 32;
}

function allocate(count: number): RatingSet {
  return {
    userIndices: new Int32Array(count),
    movieIndices: new Int32Array(count),
    ratings: new Float32Array(count),
  };
}
