// Initial parameters and the list of a model's parameters.

import type { Parameters } from '#src/engines/engine.js';
import { initialParameters } from '#src/engines/init.js';
import { checkParameters, countParameters, parameterShapes } from '#src/engines/shape.js';

const SHAPE = { users: 300, movies: 200, embeddingWidth: 10, hiddenLayers: [64, 16] };

function valuesOf(parameters: Parameters, name: string): number[] {
  return Array.from(parameters.find((tensor) => tensor.name === name)!.values);
}

function meanOf(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

test('a model lists its parameters by layer, with the sizes of each', () => {
  expect(parameterShapes(SHAPE)).toEqual([
    { name: 'user_embeddings', shape: [300, 10] },
    { name: 'movie_embeddings', shape: [200, 10] },
    { name: 'hidden_1_weights', shape: [20, 64] },
    { name: 'hidden_1_biases', shape: [64] },
    { name: 'hidden_2_weights', shape: [64, 16] },
    { name: 'hidden_2_biases', shape: [16] },
    { name: 'output_weights', shape: [16, 1] },
    { name: 'output_biases', shape: [1] },
  ]);
});

test('biases and a dot product stand without a hidden part', () => {
  const factorization = { ...SHAPE, hiddenLayers: [], biases: true, dotProduct: true };
  expect(parameterShapes(factorization)).toEqual([
    { name: 'user_embeddings', shape: [300, 10] },
    { name: 'movie_embeddings', shape: [200, 10] },
    { name: 'user_biases', shape: [300] },
    { name: 'movie_biases', shape: [200] },
    { name: 'output_biases', shape: [1] },
  ]);
  const namesOf = (changes: object) => parameterShapes({ ...SHAPE, ...changes }).map(({ name }) => name);
  expect(namesOf({ hiddenLayers: [], biases: true })).toEqual([
    'user_biases',
    'movie_biases',
    'output_biases',
  ]);
  expect(namesOf({ biases: true, hiddenLayers: [8] })).toEqual([
    'user_embeddings',
    'movie_embeddings',
    'user_biases',
    'movie_biases',
    'hidden_1_weights',
    'hidden_1_biases',
    'output_weights',
    'output_biases',
  ]);
});

test('the model of the paper has 1,674,899 parameters on ml-20m', () => {
  const paper = { users: 138_493, movies: 26_744, embeddingWidth: 10, hiddenLayers: [1024] };
  expect(countParameters(paper)).toBe((138_493 + 26_744) * 10 + 20 * 1024 + 1024 + 1024 + 1);
  expect(countParameters(paper)).toBe(1_674_899);
});

test('embeddings are uniform in ±0.05, dense weights in the limits of Glorot, biases zero', () => {
  const parameters = initialParameters(SHAPE, 1);
  const limits = {
    user_embeddings: 0.05,
    movie_embeddings: 0.05,
    hidden_1_weights: 0.267261,
    hidden_2_weights: 0.273861,
  };
  for (const [name, limit] of Object.entries(limits)) {
    const values = valuesOf(parameters, name);
    expect(Math.max(...values)).toBeLessThanOrEqual(limit);
    expect(Math.min(...values)).toBeGreaterThanOrEqual(-limit);
    // Of a uniform variable: mean 0, variance limit²/3; bounds of five standard errors at 1,000 values.
    expect(Math.abs(meanOf(values))).toBeLessThan(0.092 * limit);
    expect(meanOf(values.map((value) => value ** 2)) / limit ** 2).toBeCloseTo(1 / 3, 1);
  }
  expect(valuesOf(parameters, 'hidden_1_biases').every((value) => value === 0)).toBe(true);
  expect(valuesOf(parameters, 'output_biases')).toEqual([0]);
});

test('biases of users and movies start at zero', () => {
  const parameters = initialParameters({ ...SHAPE, biases: true }, 1);
  expect(valuesOf(parameters, 'user_biases')).toEqual(new Array(300).fill(0));
  expect(valuesOf(parameters, 'movie_biases')).toEqual(new Array(200).fill(0));
});

test('the same seed gives the same parameters, another seed others', () => {
  expect(initialParameters(SHAPE, 5)).toEqual(initialParameters(SHAPE, 5));
  expect(initialParameters(SHAPE, 5)).not.toEqual(initialParameters(SHAPE, 6));
});

test('users do not start where movies start', () => {
  const parameters = initialParameters(SHAPE, 5);
  const users = new Set(valuesOf(parameters, 'user_embeddings'));
  expect(valuesOf(parameters, 'movie_embeddings').filter((value) => users.has(value)).length).toBeLessThan(5);
});

test('the parameters of one shape are refused for another', () => {
  const parameters = initialParameters(SHAPE, 1);
  expect(() => checkParameters({ ...SHAPE, movies: 201 }, parameters)).toThrow('shape of movie_embeddings');
  expect(() => checkParameters({ ...SHAPE, hiddenLayers: [64] }, parameters)).toThrow('names and the order');
});

test('a shape without any part or with a size of zero is refused', () => {
  expect(() => parameterShapes({ ...SHAPE, hiddenLayers: [] })).toThrow('at least one part');
  expect(() => parameterShapes({ ...SHAPE, users: 0 })).toThrow('positive integers, not 0');
});
