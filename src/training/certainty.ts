// What a trained model knows of its own certainty, ready to be measured and stored.

import { type Certainty, certaintyTensors, learnCertainty } from '../engines/certainty.js';
import type { ModelShape, Parameters, Tensor, TrainingRatings } from '../engines/engine.js';
import type { KeptModel } from './bestEpoch.js';

/** Null for models that have none: those trained by gradient steps. */
export async function certaintyOf(
  model: KeptModel,
  { embeddingWidth }: ModelShape,
  parameters: Parameters,
  ratings: TrainingRatings,
): Promise<(Certainty & { tensors: Tensor[] }) | null> {
  const posterior = await model.posterior();
  if (!posterior) return null;
  const certainty = learnCertainty(embeddingWidth, parameters, posterior, ratings);
  return { ...certainty, tensors: certaintyTensors(certainty) };
}
