// The stored evaluation of a run, as tables or as an event.

import { findCalibrations, findEvaluations } from '../store/evaluations.js';
import type { Store } from '../store/store.js';
import type { Output } from './output.js';
import { describeEvaluation } from './report.js';

/** Nothing for a run that has none. */
export async function showEvaluation(store: Store, runId: number, output: Output): Promise<void> {
  const [evaluation] = await findEvaluations(store, [runId]);
  if (!evaluation) return;
  const [calibration] = await findCalibrations(store, [runId]);
  const whole = { ...evaluation, calibration };
  output.event({ event: 'evaluation', ...whole }, describeEvaluation({ ...whole, confusion: evaluation }));
}
