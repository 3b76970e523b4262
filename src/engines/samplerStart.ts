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
  return {
    sweeps: 0,
    scalars: startScalars(),
    tensors: samplerTensorShapes(shape, attributes).map((tensor) => startOf(tensor, seed)),
  };
}

/** What is not zero at the beginning, one after the other: each is as large as a table of the model. */
export function* startTensors({
  shape,
  attributes,
  seed,
}: Pick<SamplerOptions, 'shape' | 'attributes' | 'seed'>): Generator<Tensor> {
  for (const tensor of samplerTensorShapes(shape, attributes))
    if (/_(rows|precisions)$/.test(tensor.name)) yield startOf(tensor, seed);
}

export function startScalars(): Float64Array {
  return completeScalars([SWEEP_START.noisePrecision]);
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
