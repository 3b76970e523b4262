// The network as a model of tf.layers, with its weights in the order of our parameters, and predictions for pairs.
// Everything here runs inside a turn of onBackend and frees the tensors it makes.

import type { Tensor, Variable } from '@tensorflow/tfjs-core';
import type { LayersModel, LayerVariable, SymbolicTensor } from '@tensorflow/tfjs-layers';
import type { ModelShape, Parameters } from './engine.js';
import { checkParameters, parameterShapes } from './shape.js';
import type { Tfjs } from './tfjsBackend.js';

/** Numbers in the widest layer of one pass, 32 MiB: 8,192 pairs at 1,024 units; 2.0 µs a pair on wasm, 2.2 at 1,024 pairs. */
const MAX_ACTIVATIONS = 2 ** 23;

export interface Network {
  model: LayersModel;
  /** In the order of parameterShapes. */
  weights: LayerVariable[];
}

/** Builds the layers and copies the parameters into them. Close with `network.model.dispose()`. */
export function buildNetwork(tfjs: Tfjs, shape: ModelShape, parameters: Parameters): Network {
  checkParameters(shape, parameters);
  const model = buildLayers(tfjs, shape);
  const weights = parameterShapes(shape).map(({ name }) => weightOf(model, name));
  tfjs.core.tidy(() => {
    for (const [index, weight] of weights.entries()) weight.write(tensorOf(tfjs, parameters[index]));
  });
  return { model, weights };
}

/** The layer names are those of the parameters: hidden_1 has hidden_1_weights and hidden_1_biases. */
function buildLayers({ layers: { input, layers, model } }: Tfjs, shape: ModelShape): LayersModel {
  const inputs = ['user', 'movie'].map((name) => input({ shape: [1], dtype: 'int32', name }));
  const tables = [
    { name: 'user_embeddings', inputDim: shape.users },
    { name: 'movie_embeddings', inputDim: shape.movies },
  ];
  const rows = tables.map(({ name, inputDim }, index) => {
    const table = layers.embedding({
      name,
      inputDim,
      outputDim: shape.embeddingWidth,
      embeddingsInitializer: 'zeros',
    });
    return layers.flatten().apply(table.apply(inputs[index])) as SymbolicTensor;
  });
  let output = layers.concatenate().apply(rows) as SymbolicTensor;
  for (const [index, units] of shape.hiddenLayers.entries()) {
    const hidden = layers.dense({
      name: `hidden_${index + 1}`,
      units,
      activation: 'relu',
      kernelInitializer: 'zeros',
    });
    output = hidden.apply(output) as SymbolicTensor;
  }
  const last = layers.dense({ name: 'output', units: 1, kernelInitializer: 'zeros' });
  return model({ inputs, outputs: last.apply(output) as SymbolicTensor });
}

function weightOf(model: LayersModel, parameterName: string): LayerVariable {
  const [, layer, kind] = /^(.+)_(embeddings|weights|biases)$/.exec(parameterName)!;
  if (kind === 'embeddings') return model.getLayer(parameterName).weights[0];
  return model.getLayer(layer).weights[kind === 'weights' ? 0 : 1];
}

/** A copy: the backends keep the array they are given. */
export function tensorOf({ core }: Tfjs, { shape, values }: Parameters[number]): Tensor {
  return core.tensor(values.slice(), [...shape], 'float32');
}

/** Copies the tensors out, under the names and in the order of parameterShapes. */
export async function readParameters(shape: ModelShape, tensors: (Tensor | Variable)[]): Promise<Parameters> {
  const parameters = [];
  for (const [index, parameter] of parameterShapes(shape).entries()) {
    parameters.push({ ...parameter, values: new Float32Array(await tensors[index].data()) });
  }
  return parameters;
}

/** The two inputs of the model for a batch of pairs: each (B × 1), int32. */
export function pairTensors({ core }: Tfjs, users: Int32Array, movies: Int32Array): [Tensor, Tensor] {
  const size: [number, number] = [users.length, 1];
  return [core.tensor2d(users.slice(), size, 'int32'), core.tensor2d(movies.slice(), size, 'int32')];
}

/** How many rows to pass through the layers at once, so that memory stays bounded. */
export function rowsAtOnce(shape: ModelShape): number {
  return Math.max(1, Math.floor(MAX_ACTIVATIONS / Math.max(2 * shape.embeddingWidth, ...shape.hiddenLayers)));
}

/** Calls `predict` on blocks of at most `rows` pairs and joins the answers (B). */
export async function predictInBlocks(
  rows: number,
  users: Int32Array,
  movies: Int32Array,
  predict: (users: Int32Array, movies: Int32Array) => Promise<Float32Array>,
): Promise<Float32Array> {
  const outputs = new Float32Array(users.length);
  for (let first = 0; first < users.length; first += rows) {
    outputs.set(
      await predict(users.subarray(first, first + rows), movies.subarray(first, first + rows)),
      first,
    );
  }
  return outputs;
}

/** Raw outputs (B) for pairs, at most rowsAtOnce of them. */
export async function predictBlock(
  tfjs: Tfjs,
  model: LayersModel,
  users: Int32Array,
  movies: Int32Array,
): Promise<Float32Array> {
  const output = tfjs.core.tidy(() => model.predictOnBatch(pairTensors(tfjs, users, movies)) as Tensor);
  try {
    return new Float32Array(await output.data());
  } finally {
    output.dispose();
  }
}
