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
  const { noisePrecision } = SWEEP_START;
  return {
    sweeps: 0,
    scalars: completeScalars([noisePrecision]),
    tensors: samplerTensorShapes(shape, attributes).map((tensor) => startOf(tensor, seed)),
  };
}

/** Those of a state that has the first ones only, as checkpoints from before there were attributes or a mean of the noise. */
export function completeScalars(scalars: ArrayLike<number>): Float64Array {
  const links = Array<number>(SCALARS_OF_STATE - 2).fill(SWEEP_START.linkPrecision);
  const defaults = [SWEEP_START.noisePrecision, ...links, 1 / scalars[0]];
  return Float64Array.from(defaults, (value, i) => scalars[i] ?? value);
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
