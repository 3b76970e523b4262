// A model for TensorFlow.js in a browser: layers of the library alone, so that tf.loadLayersModel needs no code of ours. Apart from
// engines/tfjsModel.ts, which trains: this one gives stars, with the mean added and clipped to the scale.

import type { io } from '@tensorflow/tfjs-core';
import type { LayersModel, SymbolicTensor } from '@tensorflow/tfjs-layers';
import type { ModelShape, Parameters } from './engine.js';
import { checkParameters, parameterShapes } from './shape.js';
import { onBackend, type Tfjs } from './tfjsBackend.js';
import { partsOf, tensorOf, weightOf } from './tfjsModel.js';

export interface StarScale {
  /** Added to raw outputs. */
  ratingMean: number;
  minimum: number;
  maximum: number;
}

export interface LayersFiles {
  topology: object;
  weightSpecs: io.WeightsManifestEntry[];
  weights: Uint8Array;
}

/** Inputs "user" and "movie" (B × 1), rows of the embeddings; output (B × 1) in stars. */
export async function toLayersModel(
  tfjs: Tfjs,
  shape: ModelShape,
  parameters: Parameters,
  scale: StarScale,
): Promise<LayersFiles> {
  checkParameters(shape, parameters);
  return onBackend(tfjs, async () => {
    const model = buildStars(tfjs, shape);
    try {
      writeWeights(tfjs, model, { shape, parameters, scale });
      return await filesOf(tfjs, model);
    } finally {
      model.dispose();
    }
  });
}

/** minimum + range · min(1, relu((sum of the parts + ratingMean − minimum) / range)). */
function buildStars(tfjs: Tfjs, shape: ModelShape): LayersModel {
  const { layers, model } = tfjs.layers;
  const { inputs, parts } = partsOf(tfjs, shape);
  const joined = parts.length === 1 ? parts[0] : layers.concatenate().apply(parts);
  const above = layers.dense({ name: 'above_minimum', units: 1 }).apply(joined);
  const clipped = layers.reLU({ name: 'clipped', maxValue: 1 }).apply(above);
  const stars = layers.dense({ name: 'stars', units: 1 }).apply(clipped);
  return model({ inputs, outputs: stars as SymbolicTensor });
}

function writeWeights(
  tfjs: Tfjs,
  model: LayersModel,
  { shape, parameters, scale }: { shape: ModelShape; parameters: Parameters; scale: StarScale },
): void {
  const { ratingMean, minimum, maximum } = scale;
  tfjs.core.tidy(() => {
    let bias = 0;
    for (const [index, { name }] of parameterShapes(shape).entries()) {
      if (name === 'output_biases' && shape.hiddenLayers.length === 0) bias = parameters[index].values[0];
      else {
        const weight = weightOf(model, name);
        weight.write(tensorOf(tfjs, parameters[index], weight.shape as number[]));
      }
    }
    // As shares of the scale, so that the library's relu can cut at 1.
    const range = maximum - minimum;
    setDense(tfjs, model, 'above_minimum', 1 / range, (bias + ratingMean - minimum) / range);
    setDense(tfjs, model, 'stars', range, minimum);
  });
}

/** Every input by the same factor, and one number added. */
function setDense({ core }: Tfjs, model: LayersModel, name: string, factor: number, added: number): void {
  const layer = model.getLayer(name);
  const [kernel] = layer.weights;
  layer.setWeights([core.fill(kernel.shape as number[], factor), core.tensor1d([added])]);
}

async function filesOf({ core }: Tfjs, model: LayersModel): Promise<LayersFiles> {
  let files: LayersFiles | null = null;
  const handler = core.io.withSaveHandler(async ({ modelTopology, weightSpecs, weightData }) => {
    const parts = [weightData!].flat() as ArrayBuffer[];
    const weights = Buffer.concat(parts.map((part) => new Uint8Array(part)));
    files = { topology: modelTopology as object, weightSpecs: weightSpecs!, weights };
    return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
  });
  await model.save(handler);
  return files!;
}
