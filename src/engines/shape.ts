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
 * user_embeddings (N × K), movie_embeddings (M × K), where there are hidden layers or a dot product;
 * user_biases (N), movie_biases (M), where there are biases;
 * hidden_1_weights (2K × H1), hidden_1_biases (H1), hidden_2_weights (H1 × H2), …, output_weights (H × 1), where there are hidden
 * layers; output_biases (1). The first K inputs of hidden layer 1 are the user's.
 */
export function parameterShapes(shape: ModelShape): ParameterShape[] {
  checkShape(shape);
  const { users, movies, embeddingWidth } = shape;
  const shapes: ParameterShape[] = [];
  if (hasEmbeddings(shape)) {
    shapes.push({ name: 'user_embeddings', shape: [users, embeddingWidth] });
    shapes.push({ name: 'movie_embeddings', shape: [movies, embeddingWidth] });
  }
  if (shape.biases) {
    shapes.push({ name: 'user_biases', shape: [users] });
    shapes.push({ name: 'movie_biases', shape: [movies] });
  }
  return [...shapes, ...layerShapes(shape), { name: 'output_biases', shape: [1] }];
}

/** Of the hidden layers and of the weights from the last of them to the output. */
function layerShapes({ embeddingWidth, hiddenLayers }: ModelShape): ParameterShape[] {
  const shapes: ParameterShape[] = [];
  let inputs = 2 * embeddingWidth;
  for (const [index, outputs] of hiddenLayers.entries()) {
    shapes.push({ name: `hidden_${index + 1}_weights`, shape: [inputs, outputs] });
    shapes.push({ name: `hidden_${index + 1}_biases`, shape: [outputs] });
    inputs = outputs;
  }
  return shapes.length === 0 ? [] : [...shapes, { name: 'output_weights', shape: [inputs, 1] }];
}

export function hasEmbeddings({ hiddenLayers, dotProduct }: ModelShape): boolean {
  return hiddenLayers.length > 0 || dotProduct === true;
}

/** Whether a model consists of rows of users and movies alone: biases and a dot product. */
export function hasRows({ hiddenLayers, biases, dotProduct }: ModelShape): boolean {
  return hiddenLayers.length === 0 && biases === true && dotProduct === true;
}

/** Whether a parameter has one row for each user or movie, and of which of them; null: it belongs to a layer. */
export function rowsOf(parameterName: string): 'user' | 'movie' | null {
  const match = /^(user|movie)_(embeddings|biases)$/.exec(parameterName);
  return match && (match[1] as 'user' | 'movie');
}

/** How many numbers a model consists of. */
export function countParameters(shape: ModelShape): number {
  return parameterShapes(shape).reduce((sum, parameter) => sum + sizeOf(parameter.shape), 0);
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}

/** Parameters or moments of this shape, all zero. */
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

function checkShape(shape: ModelShape): void {
  const { users, movies, embeddingWidth, hiddenLayers, biases } = shape;
  assert(
    hasEmbeddings(shape) || biases,
    'a model needs at least one part: hidden layers, a dot product or biases',
  );
  const widths = hasEmbeddings(shape) ? [embeddingWidth, ...hiddenLayers] : [];
  for (const size of [users, movies, ...widths]) {
    assert(Number.isSafeInteger(size) && size > 0, `model sizes must be positive integers, not ${size}`);
  }
}
