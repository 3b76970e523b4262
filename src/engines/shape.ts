// The list of a model's parameter arrays: names, order and sizes, the same for every engine and for stored models.
// Separate from the kernels so that storing and loading a model needs none of them.

import assert from 'node:assert/strict';
import type { ModelShape, Parameters } from './engine.js';

export interface ParameterShape {
  name: string;
  shape: readonly number[];
}

/**
 * The parameters of a model in their fixed order, with N users, M movies, embedding width K, hidden widths H1, H2, …:
 * user_embeddings (N × K), movie_embeddings (M × K), hidden_1_weights (2K × H1), hidden_1_biases (H1),
 * hidden_2_weights (H1 × H2), …, output_weights (H × 1), output_biases (1). The first K inputs of hidden layer 1 are the user's.
 */
export function parameterShapes(shape: ModelShape): ParameterShape[] {
  checkShape(shape);
  const { users, movies, embeddingWidth, hiddenLayers } = shape;
  const shapes: ParameterShape[] = [
    { name: 'user_embeddings', shape: [users, embeddingWidth] },
    { name: 'movie_embeddings', shape: [movies, embeddingWidth] },
  ];
  let inputs = 2 * embeddingWidth;
  for (const [index, outputs] of [...hiddenLayers, 1].entries()) {
    const layer = index < hiddenLayers.length ? `hidden_${index + 1}` : 'output';
    shapes.push({ name: `${layer}_weights`, shape: [inputs, outputs] });
    shapes.push({ name: `${layer}_biases`, shape: [outputs] });
    inputs = outputs;
  }
  return shapes;
}

/** How many numbers a model consists of. */
export function countParameters(shape: ModelShape): number {
  return parameterShapes(shape).reduce((sum, parameter) => sum + sizeOf(parameter.shape), 0);
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}

/** Parameters or velocities of this shape, all zero. */
export function zeroParameters(shape: ModelShape): Parameters {
  return parameterShapes(shape).map((parameter) => ({
    ...parameter,
    values: new Float32Array(sizeOf(parameter.shape)),
  }));
}

export function copyParameters(parameters: Parameters): Parameters {
  return parameters.map(({ name, shape, values }) => ({ name, shape, values: values.slice() }));
}

/** Asserts that the tensors are those of the shape: names, order, sizes. */
export function checkParameters(shape: ModelShape, parameters: Parameters): void {
  const expected = parameterShapes(shape);
  assert.deepEqual(
    parameters.map((tensor) => tensor.name),
    expected.map((parameter) => parameter.name),
    'parameters must have the names and the order of parameterShapes',
  );
  for (const [index, tensor] of parameters.entries()) {
    assert.deepEqual([...tensor.shape], [...expected[index].shape], `shape of ${tensor.name}`);
    assert.equal(tensor.values.length, sizeOf(tensor.shape), `number of values in ${tensor.name}`);
  }
}

function checkShape({ users, movies, embeddingWidth, hiddenLayers }: ModelShape): void {
  assert(hiddenLayers.length > 0, 'a model needs at least one hidden layer');
  for (const size of [users, movies, embeddingWidth, ...hiddenLayers]) {
    assert(Number.isSafeInteger(size) && size > 0, `model sizes must be positive integers, not ${size}`);
  }
}
