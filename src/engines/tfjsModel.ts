// The model family as a model of tf.layers, with its weights in the order of our parameters, and predictions for pairs.
// Everything here runs inside a turn of onBackend and frees the tensors it makes.

import type { Tensor, Variable } from '@tensorflow/tfjs-core';
import type { LayersModel, LayerVariable, Shape, SymbolicTensor } from '@tensorflow/tfjs-layers';
import type { ModelShape, Parameters } from './engine.js';
import { checkParameters, hasEmbeddings, parameterShapes, rowsOf } from './shape.js';
import type { Tfjs } from './tfjsBackend.js';

/** Numbers in the widest layer of one pass, 32 MiB: 8,192 pairs at 1,024 units; 2.0 µs a pair on wasm, 2.2 at 1,024 pairs. */
const MAX_ACTIVATIONS = 2 ** 23;

export interface Network {
  model: LayersModel;
  /** In the order of parameterShapes. */
  weights: LayerVariable[];
  /** The values of the parameter of this name, in the shape of the layer's weight: not a copy. */
  read(parameterName: string): Tensor;
}

/** Builds the layers and copies the parameters into them. Close with `network.model.dispose()`. */
export function buildNetwork(tfjs: Tfjs, shape: ModelShape, parameters: Parameters): Network {
  checkParameters(shape, parameters);
  const model = buildLayers(tfjs, shape);
  const names = parameterShapes(shape).map(({ name }) => name);
  const weights = names.map((name) => weightOf(model, name));
  tfjs.core.tidy(() => {
    for (const [index, weight] of weights.entries())
      weight.write(tensorOf(tfjs, parameters[index], weight.shape as number[]));
  });
  return { model, weights, read: (name) => weights[names.indexOf(name)].read() };
}

/** The layer names are those of the parameters: hidden_1 has hidden_1_weights and hidden_1_biases. */
function buildLayers(tfjs: Tfjs, shape: ModelShape): LayersModel {
  const { layers, model } = tfjs.layers;
  const { inputs, parts } = partsOf(tfjs, shape);
  const sum = parts.length === 1 ? parts[0] : (layers.add().apply(parts) as SymbolicTensor);
  const outputs = shape.hiddenLayers.length > 0 ? sum : (outputBias(tfjs).apply(sum) as SymbolicTensor);
  return model({ inputs, outputs });
}

/** The inputs, and what the raw output is a sum of: each (B × 1). */
export function partsOf(
  tfjs: Tfjs,
  shape: ModelShape,
): { inputs: SymbolicTensor[]; parts: SymbolicTensor[] } {
  const { input, layers } = tfjs.layers;
  const inputs = ['user', 'movie'].map((name) => input({ shape: [1], dtype: 'int32', name }));
  const parts: SymbolicTensor[] = [];
  if (shape.biases) parts.push(...rowsOfTables(tfjs, shape, 'biases', 1, inputs));
  if (hasEmbeddings(shape)) {
    const rows = rowsOfTables(tfjs, shape, 'embeddings', shape.embeddingWidth, inputs);
    if (shape.dotProduct) parts.push(layers.dot({ axes: 1 }).apply(rows) as SymbolicTensor);
    if (shape.hiddenLayers.length > 0) parts.push(hiddenPart(tfjs, shape, rows));
  }
  return { inputs, parts };
}

/** The rows (B × width) that the inputs choose from user_{kind} and movie_{kind}. */
function rowsOfTables(
  { layers: { layers } }: Tfjs,
  { users, movies }: ModelShape,
  kind: 'embeddings' | 'biases',
  width: number,
  inputs: SymbolicTensor[],
): SymbolicTensor[] {
  const tables = [
    { name: `user_${kind}`, inputDim: users },
    { name: `movie_${kind}`, inputDim: movies },
  ];
  return tables.map((table, index) => {
    const embedding = layers.embedding({ ...table, outputDim: width, embeddingsInitializer: 'zeros' });
    return layers.flatten().apply(embedding.apply(inputs[index])) as SymbolicTensor;
  });
}

/** From the embeddings' rows to the output (B × 1), its bias included. */
function hiddenPart(
  { layers: { layers } }: Tfjs,
  shape: ModelShape,
  embeddings: SymbolicTensor[],
): SymbolicTensor {
  let output = layers.concatenate().apply(embeddings) as SymbolicTensor;
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
  return last.apply(output) as SymbolicTensor;
}

/** Adds one number to its input, which no layer of the library does without weights. */
function outputBias({ core, layers: { layers, initializers } }: Tfjs) {
  class OutputBias extends layers.Layer {
    static readonly className = 'OutputBias';
    #bias: LayerVariable | null = null;

    override build(): void {
      this.#bias = this.addWeight('bias', [1], 'float32', initializers.zeros());
      this.built = true;
    }

    override call(inputs: Tensor | Tensor[]): Tensor {
      return core.tidy(() => core.add([inputs].flat()[0], this.#bias!.read()));
    }

    override computeOutputShape(inputShape: Shape | Shape[]): Shape | Shape[] {
      return inputShape;
    }
  }
  return new OutputBias({ name: 'output' });
}

export function weightOf(model: LayersModel, parameterName: string): LayerVariable {
  // A table has a layer to itself, and one weight: (rows × 1) where our parameter has (rows).
  if (rowsOf(parameterName)) return model.getLayer(parameterName).weights[0];
  const [, layer, kind] = /^(.+)_(weights|biases)$/.exec(parameterName)!;
  const { weights } = model.getLayer(layer);
  return kind === 'weights' ? weights[0] : weights[weights.length - 1];
}

/** A copy, since the backends keep the array they are given. layerShape: that of the layer's weight, if it is another. */
export function tensorOf(
  { core }: Tfjs,
  { shape, values }: Parameters[number],
  layerShape: readonly number[] = shape,
): Tensor {
  return core.tensor(values.slice(), [...layerShape], 'float32');
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
export function rowsAtOnce({ maxActivations = MAX_ACTIVATIONS }: Tfjs, shape: ModelShape): number {
  return Math.max(1, Math.floor(maxActivations / Math.max(2 * shape.embeddingWidth, ...shape.hiddenLayers)));
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
