// The optimizers of the reference engine: what one step does, as engines/engine.ts defines it, one number at a time.

import { l2Of, learningRateOf } from './batches.js';
import { ADAM, type OptimizerSettings, type Parameters, type TrainingRatings } from './engine.js';
import { rowsOf } from './shape.js';

export interface Step {
  optimizer: OptimizerSettings;
  epoch: number;
  /** Steps so far, this one included. */
  t: number;
  batch: TrainingRatings;
}

/** Moves parameters and moments in place. `gradients` are those of the mean squared error alone: L2 is added here. */
export function applyStep(
  parameters: Parameters,
  moments: readonly Parameters[],
  gradients: readonly Float64Array[],
  step: Step,
): void {
  for (const [index, { name, values, shape }] of parameters.entries()) {
    const lambda = l2Of(step.optimizer, name);
    const [first, second] = moments.map((moment) => moment[index].values);
    const g = (i: number) => gradients[index][i] + 2 * lambda * values[i];
    if (step.optimizer.kind === 'adam') {
      const isTouched = touchedRows(name, step.batch);
      const width = values.length / shape[0];
      stepOfAdam(values, first, second, g, (i) => isTouched(Math.floor(i / width)), step);
    } else {
      stepOfSgd(values, first, g, step);
    }
  }
}

function stepOfSgd(w: Float32Array, v: Float32Array, g: (i: number) => number, step: Step): void {
  const rate = learningRateOf(step.optimizer, step.epoch);
  for (let i = 0; i < w.length; i++) {
    v[i] = step.optimizer.momentum * v[i] - rate * g(i);
    w[i] += v[i];
  }
}

function stepOfAdam(
  w: Float32Array,
  m: Float32Array,
  v: Float32Array,
  g: (i: number) => number,
  moves: (i: number) => boolean,
  { optimizer, epoch, t }: Step,
): void {
  const { beta1, beta2, epsilon } = ADAM;
  const rate = (learningRateOf(optimizer, epoch) * Math.sqrt(1 - beta2 ** t)) / (1 - beta1 ** t);
  for (let i = 0; i < w.length; i++) {
    if (!moves(i)) continue;
    m[i] = beta1 * m[i] + (1 - beta1) * g(i);
    v[i] = beta2 * v[i] + (1 - beta2) * g(i) ** 2;
    w[i] -= (rate * m[i]) / (Math.sqrt(v[i]) + epsilon);
  }
}

/** Whether a row of a parameter belongs to a user or movie of the batch; parameters of layers always do. */
function touchedRows(name: string, { userIndices, movieIndices }: TrainingRatings): (row: number) => boolean {
  const rows = rowsOf(name);
  if (rows === null) return () => true;
  const touched = new Set(rows === 'user' ? userIndices : movieIndices);
  return (row) => touched.has(row);
}
