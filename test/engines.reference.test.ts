// The reference engine against the definition of the numbers: slopes of the loss, and steps that can be followed by hand.

import { l2Of } from '#src/engines/batches.js';
import type { ModelShape, Parameters, TrainerOptions } from '#src/engines/engine.js';
import { initialParameters } from '#src/engines/init.js';
import { referenceDoor } from '#src/engines/reference.js';
import { copyParameters } from '#src/engines/shape.js';
import {
  aShape,
  checkerboardError,
  describeShape,
  failureOf,
  gradientsOf,
  openEngines,
  someOptions,
  someParameters,
  trained,
  worstError,
} from './support/engines.js';

const [{ engine }] = await openEngines([referenceDoor]);
const reference = engine!;

const SMALL = { users: 5, movies: 4 };
const SHAPES = [
  { hiddenLayers: [8] },
  { hiddenLayers: [8, 6] },
  { hiddenLayers: [8, 6, 4] },
  { hiddenLayers: [], biases: true },
  { hiddenLayers: [], dotProduct: true },
  { hiddenLayers: [], biases: true, dotProduct: true },
  { hiddenLayers: [8], biases: true },
  { hiddenLayers: [8], dotProduct: true },
  { hiddenLayers: [8, 6], biases: true, dotProduct: true },
].map((parts) => aShape({ ...SMALL, ...parts }));

/** Mean squared error of the first batch plus λΣw², as a float64, without changing anything. */
async function lossOf(options: TrainerOptions, parameters: Parameters): Promise<number> {
  const optimizer = { ...options.optimizer, learningRate: 0, momentum: 0 };
  const { squaredErrorSum, samples } = await trained(reference, { ...options, parameters, optimizer }, [
    [0, 0, 1],
  ]);
  const penalties = parameters.map(
    ({ name, values }) => l2Of(optimizer, name) * values.reduce((sum, w) => sum + w ** 2, 0),
  );
  return penalties.reduce((sum, penalty) => sum + penalty, squaredErrorSum / samples);
}

/** (loss(w + ε) − loss(w − ε)) / 2ε for each parameter. */
async function centralDifferences(options: TrainerOptions, step: number): Promise<number[][]> {
  const slopes: number[][] = [];
  for (const [index, { values }] of options.parameters.entries()) {
    slopes.push([]);
    for (let i = 0; i < values.length; i++) {
      const above = copyParameters(options.parameters);
      const below = copyParameters(options.parameters);
      above[index].values[i] += step;
      below[index].values[i] -= step;
      const width = above[index].values[i] - below[index].values[i];
      slopes[index].push(((await lossOf(options, above)) - (await lossOf(options, below))) / width);
    }
  }
  return slopes;
}

async function expectSlopes(options: TrainerOptions): Promise<void> {
  // Small enough that no unit of the hidden layers goes on or off between the two sides.
  const slopes = await centralDifferences(options, 2 ** -14);
  const gradients = await gradientsOf(reference, options);
  // Central differences err by ε² · third derivative; w₀ − w₁ in float32 by 6e-8 · |w|.
  const errors = gradients.map(({ values }, index) =>
    worstError(values, slopes[index], { absolute: 2e-6, relative: 1e-4 }),
  );
  expect(errors.filter((error) => error > 1)).toEqual([]);
  expect(gradients.every(({ values }) => values.some((value) => Math.abs(value) > 1e-3))).toBe(true);
}

const named = (shape: ModelShape) => [describeShape(shape), shape] as const;

test.each(SHAPES.map(named))('gradients are the slopes of the loss: %s', async (_, shape) => {
  await expectSlopes(someOptions({ shape, parameters: someParameters(shape, 20), count: 16 }));
});

test.each(SHAPES.map(named))('gradients are the slopes of the loss with L2: %s', async (_, shape) => {
  const l2 = { embeddings: 0.1, biases: 0.2, weights: 0.05 };
  const optimizer = { learningRate: 1, momentum: 0, batchSize: 16, l2 };
  await expectSlopes(someOptions({ shape, parameters: someParameters(shape, 20), count: 16, optimizer }));
});

/** One rating of the only user and movie, and parameters as given. */
function onePair(changes: Partial<ModelShape>, values: number[][], target: number): TrainerOptions {
  const shape = aShape({ users: 1, movies: 1, embeddingWidth: 1, ...changes });
  const parameters = initialParameters(shape, 1).map((tensor, index) => ({
    ...tensor,
    values: Float32Array.from(values[index]),
  }));
  const ratings = {
    userIndices: Int32Array.of(0),
    movieIndices: Int32Array.of(0),
    targets: Float32Array.of(target),
  };
  return someOptions({ shape, parameters, ratings });
}

const rowsOf = (parameters: Parameters) => parameters.map(({ values }) => Array.from(values));

test('a step of one weight can be followed by hand', async () => {
  // ŷ = w₂·relu(w₁ₐ·p + w₁ᵦ·q + b₁) + b₂ = 3·(1·1 + 2·0.5 + 0) + 0 = 6; t = 5; loss 1; dloss/dŷ = 2.
  const options = onePair({ hiddenLayers: [1] }, [[1], [0.5], [1, 2], [0], [3], [0]], 5);
  expect(rowsOf(await gradientsOf(reference, options))).toEqual([[6], [12], [6, 3], [6], [4], [2]]);
});

test('a step of matrix factorization can be followed by hand', async () => {
  // ŷ = p·q + b_u + b_m + b = 2·3 + 1 + 0.5 + 0.25 = 7.75; t = 7.25; dloss/dŷ = 1; L2 adds 2λw.
  const options = onePair(
    { hiddenLayers: [], biases: true, dotProduct: true },
    [[2], [3], [1], [0.5], [0.25]],
    7.25,
  );
  expect(rowsOf(await gradientsOf(reference, options))).toEqual([[3], [2], [1], [1], [1]]);
  const optimizer = { ...options.optimizer, l2: { embeddings: 0.25, biases: 0.5 } };
  expect(rowsOf(await gradientsOf(reference, { ...options, optimizer }))).toEqual([
    [4],
    [3.5],
    [2],
    [1.5],
    [1],
  ]);
});

test('two steps of adam can be followed by hand', async () => {
  // Biases alone, all zero, t = −0.5: g = 1 for each; m = 0.1, v = 0.001; the first step is lr·1/(1 + ε√1000).
  const options = onePair({ hiddenLayers: [], biases: true }, [[0], [0], [0]], -0.5);
  const optimizer = { kind: 'adam', learningRate: 2 ** -7, momentum: 0, batchSize: 1 } as const;
  const { parameters, state } = await trained(reference, { ...options, optimizer }, [[0, 0, 1]]);
  expect(parameters[0].values[0]).toBeCloseTo(-(2 ** -7) / (1 + 1e-7 * Math.sqrt(1000)), 9);
  expect(state.moments.map((moment) => moment[0].values[0])).toEqual([Math.fround(0.1), Math.fround(0.001)]);
  // ŷ = −3/128: g = 2(0.5 − 3/128) = 0.953125; m = 0.1853125, v = 0.001907447;
  // √(1 − 0.999²)/(1 − 0.9²) · m/√v = 0.2353167 · 4.243054 = 0.9984613, of which ε takes 2e-6.
  const twice = await trained(reference, { ...options, optimizer }, [
    [0, 0, 1],
    [1, 0, 1],
  ]);
  expect(twice.state.steps).toBe(2);
  expect(twice.parameters[0].values[0]).toBeCloseTo(-(2 ** -7) * (1 + 0.9984613), 6);
});

test('a checkerboard of tastes is learned by hidden layers, and by a dot product', async () => {
  expect(await checkerboardError(reference)).toBeLessThan(0.02);
  expect(await checkerboardError(reference, { hiddenLayers: [], dotProduct: true })).toBeLessThan(0.02);
});

test('settings out of range, and the state of another optimizer, are refused', async () => {
  const options = someOptions();
  const opening = (changes: object) =>
    failureOf(() => reference.openTrainer({ ...options, optimizer: { ...options.optimizer, ...changes } }));
  expect(await opening({ kind: 'adagrad' })).toContain('no optimizer "adagrad"');
  expect(await opening({ learningRateDecay: 0 })).toContain('decay 0 is outside (0, 1]');
  expect(await opening({ momentum: 1 })).toContain('momentum 1 is outside [0, 1)');
  expect(await opening({ l2: { embeddings: -1 } })).toContain('L2 of embeddings -1');
  const { state } = await trained(reference, options, [[0, 0, 1]]);
  const optimizer = { ...options.optimizer, kind: 'adam' } as const;
  expect(await failureOf(() => reference.openTrainer({ ...options, optimizer, state }))).toContain(
    'number of moments of adam',
  );
});
