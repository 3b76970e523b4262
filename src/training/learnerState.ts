// The state of a trainer or a sampler as named arrays, for checkpoints, and back.

import assert from 'node:assert/strict';
import type { OptimizerState, Parameters, Tensor } from '../engines/engine.js';
import { completeScalars } from '../engines/samplerStart.js';
import type { SamplerState } from '../engines/sweeps.js';
import type { NamedArray } from '../store/tensors.js';
import type { LearnerState } from './learner.js';

const PARAMETERS = 'parameters';
const MOMENTS = ['moment_1', 'moment_2'];
const CHAIN = 'chain';
const SCALARS = 'scalars';

export function fromTrainerState(parameters: Parameters, { steps, moments }: OptimizerState): LearnerState {
  const groups = moments.map((moment, i) => named(MOMENTS[i], moment));
  return { count: steps, arrays: [...named(PARAMETERS, parameters), ...groups.flat()] };
}

export function toTrainerState({ count, arrays }: LearnerState): {
  parameters: Parameters;
  state: OptimizerState;
} {
  const moments = MOMENTS.map((group) => groupOf(arrays, group)).filter((moment) => moment.length > 0);
  return { parameters: groupOf(arrays, PARAMETERS), state: { steps: count, moments } };
}

export function fromSamplerState({ sweeps, scalars, tensors }: SamplerState): LearnerState {
  const first = { name: SCALARS, shape: [scalars.length], values: scalars };
  return { count: sweeps, arrays: [first, ...named(CHAIN, tensors)] };
}

export function toSamplerState({ count, arrays }: LearnerState): SamplerState {
  const scalars = arrays.find(({ name }) => name === SCALARS)?.values;
  assert(scalars instanceof Float64Array, 'the checkpoint of a chain has its scalars');
  return { sweeps: count, scalars: completeScalars(scalars), tensors: groupOf(arrays, CHAIN) };
}

/** "moment_1/user_embeddings". */
export function named(group: string, tensors: readonly Tensor[]): Tensor[] {
  return tensors.map((tensor) => ({ ...tensor, name: `${group}/${tensor.name}` }));
}

export function groupOf(arrays: readonly NamedArray[], group: string): Tensor[] {
  return arrays
    .filter((array): array is NamedArray<Float32Array> => array.name.startsWith(`${group}/`))
    .map(({ name, ...array }) => ({ ...array, name: name.slice(group.length + 1) }));
}
