// Where a chain begins: the same numbers for every engine.

import { draws, normal, STAGES, stageOf } from './draws.js';
import type { Tensor } from './engine.js';
import { sizeOf } from './shape.js';
import {
  type SamplerOptions,
  type SamplerState,
  SCALARS_OF_STATE,
  SIDES,
  SWEEP_START,
  samplerTensorShapes,
} from './sweeps.js';

/** Embeddings normal, biases and links 0, precisions of users and movies 1. */
export function initialSamplerState({
  shape,
  attributes,
  seed,
}: Pick<SamplerOptions, 'shape' | 'attributes' | 'seed'>): SamplerState {
  const { noisePrecision, linkPrecision } = SWEEP_START;
  return {
    sweeps: 0,
    scalars: Float64Array.of(noisePrecision, ...Array<number>(SCALARS_OF_STATE - 1).fill(linkPrecision)),
    tensors: samplerTensorShapes(shape, attributes).map((tensor) => startOf(tensor, seed)),
  };
}

function startOf({ name, shape }: Omit<Tensor, 'values'>, seed: number): Tensor {
  const values = new Float32Array(sizeOf(shape));
  if (name.endsWith('_precisions')) values.fill(1);
  if (name.endsWith('_rows')) {
    const side = SIDES.findIndex((each) => name.startsWith(each));
    const [count, D] = shape;
    for (let row = 0; row < count; row++) {
      const stream = draws(seed, 0, stageOf(STAGES.start, side), row);
      for (let d = 0; d < D - 1; d++) values[row * D + d] = SWEEP_START.rowDeviation * normal(stream, d);
    }
  }
  return { name, shape, values };
}
