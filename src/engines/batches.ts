// One batch of training ratings, gathered by the epoch's order; and what all engines ask of the settings they are given:
// checks, the rate of an epoch, the L2 of a parameter, the state to begin with.

import assert from 'node:assert/strict';
import type {
  L2Settings,
  ModelShape,
  OptimizerSettings,
  OptimizerState,
  TrainerOptions,
  TrainingRatings,
} from './engine.js';
import { checkParameters, copyParameters, rowsOf, zeroParameters } from './shape.js';
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

export function checkOptimizer(optimizer: OptimizerSettings): void {
  const { kind = 'sgd', learningRate, learningRateDecay = 1, momentum, batchSize, l2 = {} } = optimizer;
  assert(kind === 'sgd' || kind === 'adam', `there is no optimizer "${kind}"; there are sgd, adam`);
  assert(Number.isFinite(learningRate), `learning rate ${learningRate}`);
  assert(
    learningRateDecay > 0 && learningRateDecay <= 1,
    `learning rate decay ${learningRateDecay} is outside (0, 1]`,
  );
  assert(kind === 'adam' || (momentum >= 0 && momentum < 1), `momentum ${momentum} is outside [0, 1)`);
  assert(Number.isSafeInteger(batchSize) && batchSize > 0, `batch size ${batchSize}`);
  for (const [group, lambda = 0] of Object.entries(l2)) {
    assert(Number.isFinite(lambda) && lambda >= 0, `L2 of ${group} ${lambda}`);
  }
}

/** The learning rate of a 0-based epoch. */
export function learningRateOf(
  { learningRate, learningRateDecay = 1 }: Pick<OptimizerSettings, 'learningRate' | 'learningRateDecay'>,
  epoch: number,
): number {
  return learningRate * learningRateDecay ** epoch;
}

/** λ of a parameter: that of its group. */
export function l2Of({ l2 = {} }: Pick<OptimizerSettings, 'l2'>, parameterName: string): number {
  const group = l2GroupOf(parameterName);
  return (group && l2[group]) ?? 0;
}

function l2GroupOf(parameterName: string): keyof L2Settings | null {
  if (parameterName.endsWith('_embeddings')) return 'embeddings';
  if (parameterName.endsWith('_weights')) return 'weights';
  return rowsOf(parameterName) ? 'biases' : null;
}

/** Asserts that a state is of this optimizer, for parameters of this shape. */
export function checkState(shape: ModelShape, optimizer: OptimizerSettings, state: OptimizerState): void {
  const { kind = 'sgd' } = optimizer;
  assert(Number.isSafeInteger(state.steps) && state.steps >= 0, `steps taken so far: ${state.steps}`);
  assert.equal(state.moments.length, momentCount(optimizer), `number of moments of ${kind}`);
  for (const moment of state.moments) checkParameters(shape, moment);
}

/** A copy of the state that the options give, or the state before the first step. */
export function initialState({
  shape,
  optimizer,
  state,
}: Pick<TrainerOptions, 'shape' | 'optimizer' | 'state'>): OptimizerState {
  if (!state) {
    return {
      steps: 0,
      moments: Array.from({ length: momentCount(optimizer) }, () => zeroParameters(shape)),
    };
  }
  checkState(shape, optimizer, state);
  return copyState(state);
}

export function copyState({ steps, moments }: OptimizerState): OptimizerState {
  return { steps, moments: moments.map(copyParameters) };
}

/** sgd: [v]; adam: [m, v]. */
function momentCount({ kind }: OptimizerSettings): number {
  return kind === 'adam' ? 2 : 1;
}
