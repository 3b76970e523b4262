// The best epoch of a run that holds ratings out to tell it: its parameters are kept while training goes on, and training stops when
// `patience` epochs have brought nothing better. Without such ratings the last epoch is kept, as in the paper, and nothing is decided.

import assert from 'node:assert/strict';
import type { Engine, ModelShape, Parameters } from '../engines/engine.js';
import type { Posterior } from '../engines/sweeps.js';
import { type Hyperparameters, isKept } from '../store/hyperparameters.js';
import type { NamedArray } from '../store/tensors.js';
import type { Learner, LearnerState } from './learner.js';
import { groupOf, named } from './learnerState.js';

const BEST = 'best';
/** Its epoch, its validation loss and, of a chain, the noise. */
const BEST_EPOCH = 'best_epoch';
const POSTERIOR = 'best_posterior';

/** What a run keeps of its learner. */
export type KeptModel = Pick<Learner, 'predict' | 'parameters' | 'posterior'>;

export interface BestEpoch {
  /** Told after each epoch; gives whether training goes on. */
  see(epoch: number, validationLoss: number, learner: Learner): Promise<boolean>;
  /** What a checkpoint needs besides the learner's own state. */
  arrays(): readonly NamedArray[];
  /** 1-based; null: the last one, whichever that is. */
  readonly epoch: number | null;
  /** Gives `work` what is kept, for as long as that takes. */
  use<T>(
    engine: Engine,
    shape: ModelShape,
    learner: Learner,
    work: (kept: KeptModel) => Promise<T>,
  ): Promise<T>;
}

interface Best {
  epoch: number;
  validationLoss: number;
  parameters: Parameters;
  posterior: Posterior | null;
}

/** state: of the checkpoint that the run goes on from. */
export function watchBestEpoch(hyperparameters: Hyperparameters, state: LearnerState | null): BestEpoch {
  const { validationFraction, patience } = hyperparameters;
  let best = state && fromArrays(state.arrays);
  return {
    async see(epoch, validationLoss, learner) {
      if (validationFraction === 0 || !isKept(hyperparameters, epoch)) return true;
      if (best === null || validationLoss < best.validationLoss)
        best = { epoch, validationLoss, ...(await copyOf(learner)) };
      return patience === 0 || epoch - best.epoch < patience;
    },
    arrays: () => (best === null ? [] : toArrays(best)),
    get epoch() {
      return best?.epoch ?? null;
    },
    use: (engine, shape, learner, work) =>
      best === null ? work(learner) : useBest(engine, shape, best, work),
  };
}

async function copyOf(learner: Learner): Promise<Pick<Best, 'parameters' | 'posterior'>> {
  return { parameters: await learner.parameters(), posterior: await learner.posterior() };
}

async function useBest<T>(
  engine: Engine,
  shape: ModelShape,
  { parameters, posterior }: Best,
  work: (kept: KeptModel) => Promise<T>,
): Promise<T> {
  const scorer = await engine.openScorer(shape, parameters);
  try {
    return await work({
      predict: (users, movies) => scorer.predict(users, movies),
      parameters: async () => parameters,
      posterior: async () => posterior,
    });
  } finally {
    await scorer.close();
  }
}

function toArrays({ epoch, validationLoss, parameters, posterior }: Best): NamedArray[] {
  const { noise = Number.NaN, ...arrays } = posterior ?? {};
  const values = Float64Array.of(epoch, validationLoss, noise);
  return [
    { name: BEST_EPOCH, shape: [values.length], values },
    ...named(BEST, parameters),
    ...named(
      POSTERIOR,
      Object.entries(arrays).map(([name, values]) => ({ name, shape: [values.length], values })),
    ),
  ];
}

function fromArrays(arrays: readonly NamedArray[]): Best | null {
  const values = arrays.find(({ name }) => name === BEST_EPOCH)?.values;
  if (!values) return null;
  assert(values instanceof Float64Array, 'the best epoch of a checkpoint is in float64');
  const [epoch, validationLoss, noise] = values;
  const ofPosterior = groupOf(arrays, POSTERIOR).map(({ name, values }) => [name, values]);
  const posterior = { noise, ...Object.fromEntries(ofPosterior) } as Posterior;
  return {
    ...{ epoch, validationLoss, parameters: groupOf(arrays, BEST) },
    posterior: ofPosterior.length === 0 ? null : posterior,
  };
}
