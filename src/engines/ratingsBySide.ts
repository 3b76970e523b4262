// Training ratings by user and by movie, as sweeps read them: for each row of a side its ratings one after another
// (compressed sparse rows), 8 bytes a rating.

import type { TrainingRatings } from './engine.js';

export interface RatingsOfSide {
  /** The ratings of row e are those from starts[e] to starts[e + 1] (N + 1). */
  starts: Int32Array;
  /** Row on the other side. */
  others: Int32Array;
  targets: Float32Array;
}

/** Within a row in the order in which they were given. */
export function ratingsByUser({ userIndices, movieIndices, targets }: TrainingRatings, users: number) {
  return group(userIndices, movieIndices, targets, users);
}

/** The same, without a copy (8 bytes a rating) where that is how they were given. */
export function viewByUser(ratings: TrainingRatings, users: number): RatingsOfSide {
  const { userIndices, movieIndices, targets } = ratings;
  for (let i = 1; i < userIndices.length; i++)
    if (userIndices[i - 1] > userIndices[i]) return ratingsByUser(ratings, users);
  return { starts: startsOf(userIndices, users), others: movieIndices, targets };
}

export function ratingsByMovie({ userIndices, movieIndices, targets }: TrainingRatings, movies: number) {
  return group(movieIndices, userIndices, targets, movies);
}

function group(rows: Int32Array, others: Int32Array, targets: Float32Array, count: number): RatingsOfSide {
  const starts = startsOf(rows, count);
  const next = starts.slice(0, count);
  const side = { starts, others: new Int32Array(rows.length), targets: new Float32Array(rows.length) };
  for (let i = 0; i < rows.length; i++) {
    const at = next[rows[i]]++;
    side.others[at] = others[i];
    side.targets[at] = targets[i];
  }
  return side;
}

function startsOf(rows: Int32Array, count: number): Int32Array {
  const starts = new Int32Array(count + 1);
  for (const row of rows) starts[row + 1]++;
  for (let row = 0; row < count; row++) starts[row + 1] += starts[row];
  return starts;
}
