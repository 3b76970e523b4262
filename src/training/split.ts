// Which side of the split a rating is on. By a seeded hash of (userId, movieId) it never changes when others are added; by time it does.
// None depends on the order of import.

import assert from 'node:assert/strict';
import { mix32 } from '../engines/random.js';
import type { Split, SplitKind } from '../store/hyperparameters.js';
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

/**
 * In place: the training side is what is left of the table's arrays, so that the ratings do not lie in memory twice. Keeps the order of
 * the table within each side. Splits by time need the table's times.
 */
export function splitRatings(table: RatingTable, split: Split): SplitRatings {
  const { userIndices, movieIndices, ratings } = table;
  const isTest = MARKS[split.kind](table, split);
  const test = allocate(isTest.reduce((sum, side) => sum + side, 0));
  let [trained, tested] = [0, 0];
  for (let i = 0; i < ratings.length; i++) {
    const side = isTest[i] ? test : table;
    const at = isTest[i] ? tested++ : trained++;
    side.userIndices[at] = userIndices[i];
    side.movieIndices[at] = movieIndices[i];
    side.ratings[at] = ratings[i];
  }
  const train = {
    userIndices: userIndices.subarray(0, trained),
    movieIndices: movieIndices.subarray(0, trained),
    ratings: ratings.subarray(0, trained),
  };
  return { train, test };
}

/** 1 for each rating that is held out. */
const MARKS: Record<SplitKind, (table: RatingTable, split: Split) => Uint8Array> = {
  HASH({ userIndices, movieIndices, userIds, movieIds }, split) {
    const isTest = new Uint8Array(userIndices.length);
    for (let i = 0; i < isTest.length; i++)
      isTest[i] = Number(isHeldOut(split, userIds[userIndices[i]], movieIds[movieIndices[i]]));
    return isTest;
  },
  TEMPORAL: ({ times }, { testFraction }) => markNewest(times, testFraction),
  LEAVE_LAST_OUT: ({ times, userIndices }) => markLastOfUsers(times, userIndices),
};

/** The newest; of ratings of the same second those that come later in the table: higher user ids, then higher movie ids. */
function markNewest(times: Float64Array | undefined, testFraction: number): Uint8Array {
  assert(times, 'a split by time needs the times');
  const testCount = Math.round(times.length * testFraction);
  const cut = times.slice().sort()[times.length - testCount];
  let left = testCount;
  for (const time of times) if (time > cut) left--;
  const isTest = new Uint8Array(times.length);
  for (let i = times.length - 1; i >= 0; i--) {
    if (times[i] > cut) isTest[i] = 1;
    else if (times[i] === cut && left-- > 0) isTest[i] = 1;
  }
  return isTest;
}

/** Of ratings of the same second the one of the highest movie id. The only rating of a user stays in training. */
function markLastOfUsers(times: Float64Array | undefined, userIndices: Int32Array): Uint8Array {
  assert(times, 'a split by time needs the times');
  const isTest = new Uint8Array(times.length);
  for (let begin = 0, end = 0; begin < times.length; begin = end) {
    let last = begin;
    while (end < times.length && userIndices[end] === userIndices[begin]) {
      if (times[end] >= times[last]) last = end;
      end++;
    }
    if (end - begin > 1) isTest[last] = 1;
  }
  return isTest;
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
