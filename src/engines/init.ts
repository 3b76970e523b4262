// Initial parameters as Keras draws them by default, from a seed: the same numbers for every engine.
// The distributions are Keras's; the random numbers are our own, so that they do not depend on a library's version.

import type { ModelShape, Parameters } from './engine.js';
import { randomStream, randomUnit, STREAMS } from './random.js';
import { type ParameterShape, parameterShapes, sizeOf } from './shape.js';

/** Keras: Embedding uses RandomUniform(−0.05, 0.05). */
const EMBEDDING_LIMIT = 0.05;

/** Embeddings uniform ±0.05, weights of dense layers Glorot uniform, biases of layers, users and movies 0. */
export function initialParameters(shape: ModelShape, seed: number): Parameters {
  return parameterShapes(shape).map((parameter, index) => ({
    ...parameter,
    values: uniformValues(parameter, seed, STREAMS.firstParameter + index),
  }));
}

function uniformValues(parameter: ParameterShape, seed: number, streamNumber: number): Float32Array {
  const values = new Float32Array(sizeOf(parameter.shape));
  const limit = uniformLimit(parameter);
  if (limit === 0) return values;
  const stream = randomStream(seed, streamNumber);
  for (let i = 0; i < values.length; i++) values[i] = limit * (2 * randomUnit(stream, i) - 1);
  return values;
}

/** Source of the Glorot limit: Glorot & Bengio 2010, eq. 16. */
function uniformLimit({ name, shape }: ParameterShape): number {
  if (name.endsWith('_embeddings')) return EMBEDDING_LIMIT;
  if (name.endsWith('_biases')) return 0;
  const [inputs, outputs] = shape;
  return Math.sqrt(6 / (inputs + outputs));
}
