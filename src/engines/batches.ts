// One batch of training ratings, gathered by the epoch's order; and the checks of what an engine is given.
// Shared by the engines whose kernels take a batch from the host.

import assert from 'node:assert/strict';
import type { ModelShape, OptimizerSettings, TrainingRatings } from './engine.js';
import { fillEpochOrder } from './shuffle.js';

/** Reads batch `step` of an epoch. The arrays are views that the next call overwrites. */
export type BatchReader = (epoch: number, step: number) => TrainingRatings;

/** The last batch of an epoch may be shorter than the others. */
export function stepsPerEpoch(ratingCount: number, batchSize: number): number {
  return Math.ceil(ratingCount / batchSize);
}

export function openBatches(ratings: TrainingRatings, batchSize: number, seed: number): BatchReader {
  const count = ratings.targets.length;
  const rows = Math.min(batchSize, count);
  const order = new Uint32Array(rows);
  const userIndices = new Int32Array(rows);
  const movieIndices = new Int32Array(rows);
  const targets = new Float32Array(rows);
  return (epoch, step) => {
    const first = step * batchSize;
    assert(step >= 0 && first < count, `batch ${step} of ${stepsPerEpoch(count, batchSize)}`);
    const length = Math.min(rows, count - first);
    fillEpochOrder({ seed, epoch, count }, first, order.subarray(0, length));
    for (let i = 0; i < length; i++) {
      userIndices[i] = ratings.userIndices[order[i]];
      movieIndices[i] = ratings.movieIndices[order[i]];
      targets[i] = ratings.targets[order[i]];
    }
    return {
      userIndices: userIndices.subarray(0, length),
      movieIndices: movieIndices.subarray(0, length),
      targets: targets.subarray(0, length),
    };
  };
}

/** Asserts that there are ratings and that they are of users and movies of the shape. */
export function checkRatings(shape: ModelShape, ratings: TrainingRatings): void {
  const { userIndices, movieIndices, targets } = ratings;
  assert(targets.length > 0, 'training needs at least one rating');
  assert.equal(userIndices.length, targets.length, 'one user and one target for each rating');
  checkPairs(shape, userIndices, movieIndices);
}

export function checkPairs(shape: ModelShape, userIndices: Int32Array, movieIndices: Int32Array): void {
  assert.equal(userIndices.length, movieIndices.length, 'as many users as movies');
  checkIndices('user', userIndices, shape.users);
  checkIndices('movie', movieIndices, shape.movies);
}

export function checkIndices(what: string, indices: Int32Array, count: number): void {
  for (const index of indices) {
    if (index < 0 || index >= count) assert.fail(`${what} index ${index} is outside 0…${count - 1}`);
  }
}

export function checkOptimizer({ learningRate, momentum, batchSize }: OptimizerSettings): void {
  assert(Number.isFinite(learningRate), `learning rate ${learningRate}`);
  assert(momentum >= 0 && momentum < 1, `momentum ${momentum} is outside [0, 1)`);
  assert(Number.isSafeInteger(batchSize) && batchSize > 0, `batch size ${batchSize}`);
}
