// What a trained model knows of its own certainty, ready to be measured and stored.

import { type Certainty, certaintyTensors, learnCertainty } from '../engines/certainty.js';
import type { ModelShape, Parameters, Tensor } from '../engines/engine.js';
import type { KeptModel } from './bestEpoch.js';
import type { Lesson } from './learner.js';

/** Null for models that have none: those trained by gradient steps. */
export async function certaintyOf(
  model: KeptModel,
  { embeddingWidth }: ModelShape,
  parameters: Parameters,
  { ratings, attributes }: Pick<Lesson, 'ratings' | 'attributes'>,
): Promise<(Certainty & { tensors: Tensor[] }) | null> {
  const posterior = await model.posterior();
  if (!posterior) return null;
  const ofMovies = attributes && attributes.movie.holders.length > 0 ? attributes.movie : null;
  const certainty = learnCertainty(embeddingWidth, parameters, posterior, ratings, ofMovies);
  return { ...certainty, tensors: certaintyTensors(certainty) };
}
