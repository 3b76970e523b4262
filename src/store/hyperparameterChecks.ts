// What hyperparameters and splits may be, and those of a preset with some of them replaced. With the store, so that the API checks
// them without importing training.

import { AppError } from '../errors.js';
import { DEFAULT_SPLIT, type Hyperparameters, PRESETS, type Split } from './hyperparameters.js';

/** The values that a hyperparameter may have. */
export type Domain = { meaning: string } & (
  | { kind: 'number' | 'widths'; min: number; max: number; whole: boolean }
  | { kind: 'flag' }
  | { kind: 'choice'; values: readonly string[] }
);

/** hiddenLayers: the range of each width. */
export const HYPERPARAMETER_DOMAINS: Readonly<Record<keyof Hyperparameters, Domain>> = {
  kind: {
    kind: 'choice',
    values: ['gradient', 'bayes'],
    meaning: 'how the model is trained: by gradient steps or by Gibbs sampling',
  },
  embeddingWidth: wholeFrom(1, 256, 'columns of the user and movie embeddings'),
  hiddenLayers: {
    ...wholeFrom(1, 8192, 'widths of the hidden layers, first to last; up to 8 layers'),
    kind: 'widths',
  },
  biases: { kind: 'flag', meaning: 'a bias for each user and each movie' },
  dotProduct: { kind: 'flag', meaning: 'the dot product of the embeddings of user and movie' },
  optimizer: { kind: 'choice', values: ['sgd', 'adam'], meaning: 'how steps are taken' },
  learningRate: decimalFrom(1e-6, 10, 'step size in the first epoch'),
  learningRateDecay: decimalFrom(0.01, 1, 'factor of the learning rate from one epoch to the next'),
  momentum: decimalFrom(0, 0.999, 'share of the last step that sgd keeps'),
  l2Embeddings: decimalFrom(0, 10, 'weight of Σw² of the embeddings in the loss'),
  l2Biases: decimalFrom(0, 10, 'weight of Σw² of the biases of users and movies'),
  l2Weights: decimalFrom(0, 10, 'weight of Σw² of the weights of layers'),
  batchSize: wholeFrom(1, 65_536, 'ratings per step'),
  epochs: wholeFrom(1, 1000, 'passes over the training ratings; of bayes: sweeps'),
  burnIn: wholeFrom(0, 999, 'of bayes: first sweeps, which the mean leaves out'),
  sideInformation: {
    kind: 'flag',
    meaning: 'genres, decades and demographics in the priors, of bayes',
  },
  validationFraction: decimalFrom(
    0,
    0.5,
    'share of the training ratings held out to keep the best epoch by; 0: keep the last',
  ),
  patience: wholeFrom(0, 999, 'epochs without a lower validation loss before training stops; 0: never'),
};
const MAX_HIDDEN_LAYERS = 8;
const SEED_MAX = 2 ** 31 - 1;

/** @throws AppError PRESET_UNKNOWN, HYPERPARAMETER_INVALID */
export function resolveHyperparameters(preset: string, overrides: Partial<Hyperparameters>): Hyperparameters {
  if (!Object.hasOwn(PRESETS, preset)) {
    throw new AppError(
      'PRESET_UNKNOWN',
      `no preset "${preset}"; there are ${Object.keys(PRESETS).join(', ')}`,
      {
        argumentPath: ['preset'],
      },
    );
  }
  const resolved: Hyperparameters = { ...PRESETS[preset], ...withoutNulls(overrides) };
  resolved.hiddenLayers = [...resolved.hiddenLayers];
  for (const name of Object.keys(HYPERPARAMETER_DOMAINS) as (keyof Hyperparameters)[])
    checkDomain(name, resolved[name]);
  checkParts(resolved);
  return resolved;
}

/** @throws AppError HYPERPARAMETER_INVALID */
export function resolveSplit(overrides: Partial<Split>): Split {
  const split: Split = { ...DEFAULT_SPLIT, ...withoutNulls(overrides) };
  if (!(split.testFraction > 0 && split.testFraction < 1)) {
    throw invalid(['split', 'testFraction'], `is ${split.testFraction}: expected above 0 and below 1`);
  }
  checkSeed(['split', 'seed'], split.seed);
  return split;
}

/** @throws AppError HYPERPARAMETER_INVALID, about the argument at `path` */
export function checkSeed(path: string[], seed: number): void {
  if (Number.isInteger(seed) && seed >= 0 && seed <= SEED_MAX) return;
  throw invalid(path, `is ${seed}: expected a whole number from 0 to ${SEED_MAX}`);
}

function checkParts(resolved: Hyperparameters): void {
  const { kind, hiddenLayers, biases, dotProduct, patience, validationFraction } = resolved;
  if (resolved.sideInformation && kind !== 'bayes')
    throw invalid(['hyperparameters', 'sideInformation'], 'is true: only the kind bayes makes use of it');
  const layers = hiddenLayers.length;
  const path = ['hyperparameters', 'hiddenLayers'];
  if (layers > MAX_HIDDEN_LAYERS)
    throw invalid(path, `has ${layers} widths: expected 0 to ${MAX_HIDDEN_LAYERS}`);
  if (kind === 'bayes' && !(layers === 0 && biases && dotProduct)) {
    throw invalid(
      ['hyperparameters', 'kind'],
      'is bayes: expected biases and dotProduct, and no hidden layers',
    );
  }
  if (layers === 0 && !biases && !dotProduct) {
    throw invalid(
      path,
      'is empty and nothing else is there to learn: add hidden layers, biases or dotProduct',
    );
  }
  if (patience > 0 && validationFraction === 0) {
    // By the test ratings it would choose the model that they are to measure.
    throw invalid(
      ['hyperparameters', 'patience'],
      `is ${patience}, with nothing to judge by: set validationFraction, to 0.05 say`,
    );
  }
}

function checkDomain(name: keyof Hyperparameters, value: Hyperparameters[keyof Hyperparameters]): void {
  const domain = HYPERPARAMETER_DOMAINS[name];
  for (const single of [value].flat()) {
    const expected = expectation(domain, single);
    if (expected) throw invalid(['hyperparameters', name], `is ${single}: expected ${expected}`);
  }
}

/** What was expected instead of the value, or null when it is in the domain. */
export function expectation(domain: Domain, value: unknown): string | null {
  switch (domain.kind) {
    case 'number':
    case 'widths': {
      const { min, max, whole } = domain;
      const isNumber = typeof value === 'number';
      const fits = isNumber && value >= min && value <= max && (!whole || Number.isInteger(value));
      return fits ? null : `a ${whole ? 'whole number' : 'number'} from ${min} to ${max}`;
    }
    case 'flag':
      return typeof value === 'boolean' ? null : 'true or false';
    case 'choice':
      return domain.values.includes(value as string) ? null : domain.values.join(' or ');
    default:
      return domain satisfies never;
  }
}

function wholeFrom(min: number, max: number, meaning: string) {
  return { kind: 'number', min, max, whole: true, meaning } as const;
}

function decimalFrom(min: number, max: number, meaning: string) {
  return { kind: 'number', min, max, whole: false, meaning } as const;
}

function invalid(path: string[], what: string): AppError {
  return new AppError(
    'HYPERPARAMETER_INVALID',
    `${path.filter((part) => part !== 'hyperparameters').join('.')} ${what}`,
    { argumentPath: path },
  );
}

function withoutNulls<T extends object>(values: T): T {
  return Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== undefined && value !== null),
  ) as T;
}
