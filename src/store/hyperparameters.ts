// Presets and hyperparameters: one list of names, ranges and defaults for CLI, GraphQL, SQL (jsonb) and code.
// They belong to the run record, so they live with the store: the API checks them without importing training.

import { AppError } from '../errors.js';

export interface Hyperparameters {
  /** How it is trained: by steps down a gradient, or by sweeps of a Gibbs sampler, to which optimizer, rates and L2 mean nothing. */
  kind: 'gradient' | 'bayes';
  embeddingWidth: number;
  hiddenLayers: number[];
  biases: boolean;
  dotProduct: boolean;
  optimizer: 'sgd' | 'adam';
  learningRate: number;
  learningRateDecay: number;
  momentum: number;
  l2Embeddings: number;
  l2Biases: number;
  l2Weights: number;
  batchSize: number;
  /** Of bayes: sweeps. */
  epochs: number;
  /** Of bayes: sweeps that the mean leaves out. */
  burnIn: number;
  /** Of bayes: whether genres, decades and demographics take part in the priors of movies and users. */
  sideInformation: boolean;
  /** Share of the training ratings held out to tell the best epoch, whose parameters are kept; 0: none, the last epoch's are. */
  validationFraction: number;
  /** Epochs in a row without a lower validation loss after which training stops; 0: it never does. */
  patience: number;
}

/**
 * HASH: by a seeded hash of (userId, movieId), so that a rating never changes side when others are added. TEMPORAL: the newest ratings
 * are held out. LEAVE_LAST_OUT: the last rating of each user who has two or more.
 */
export type SplitKind = 'HASH' | 'TEMPORAL' | 'LEAVE_LAST_OUT';

export interface Split {
  kind: SplitKind;
  /** Share of the ratings held out for the test, 0 to 1 exclusive; LEAVE_LAST_OUT does not look at it. */
  testFraction: number;
  /** Of HASH. */
  seed: number;
}

export const DEFAULT_SPLIT: Readonly<Split> = { kind: 'HASH', testFraction: 0.2, seed: 42 };
export const DEFAULT_PRESET = 'paper';
export const DEFAULT_SEED = 42;

/** What runs had that were recorded before there was a choice. */
const FORMER = {
  kind: 'gradient',
  biases: false,
  dotProduct: false,
  optimizer: 'sgd',
  learningRateDecay: 1,
  l2Embeddings: 0,
  l2Biases: 0,
  l2Weights: 0,
  burnIn: 0,
  sideInformation: false,
  validationFraction: 0,
  patience: 0,
} as const satisfies Partial<Hyperparameters>;

const PAPER: Readonly<Hyperparameters> = {
  ...FORMER,
  embeddingWidth: 10,
  hiddenLayers: [1024],
  learningRate: 0.08,
  momentum: 0.9,
  batchSize: 1024,
  epochs: 25,
};

/** Biased factorization by Gibbs sampling: what a run of the kind bayes can be told is its width, its sweeps, its burn-in and its side information. */
const BAYES: Readonly<Hyperparameters> = {
  ...PAPER,
  kind: 'bayes',
  hiddenLayers: [],
  biases: true,
  dotProduct: true,
};

/** The paper's network; `paper-deep` has its commented alternative of three hidden layers; `mf` is matrix factorization. */
export const PRESETS: Readonly<Record<string, Readonly<Hyperparameters>>> = {
  paper: PAPER,
  'paper-deep': { ...PAPER, hiddenLayers: [1024, 400, 400] },
  mf: {
    ...FORMER,
    embeddingWidth: 64,
    hiddenLayers: [],
    biases: true,
    dotProduct: true,
    // RMSE on the test ratings of ml-latest-small 0.844, ml-100k 0.911, ml-1m 0.855; user+movie bias has 0.869, 0.947, 0.908.
    // Half the L2 overfits the small two by the end, twice as much costs 0.02 on ml-1m.
    optimizer: 'adam',
    learningRate: 0.005,
    learningRateDecay: 0.85,
    momentum: 0.9,
    l2Embeddings: 2e-4,
    l2Biases: 3e-5,
    batchSize: 512,
    epochs: 12,
  },
  fast: { ...BAYES, embeddingWidth: 15, epochs: 30, burnIn: 12 },
  accurate: { ...BAYES, embeddingWidth: 31, epochs: 130, burnIn: 30 },
  maximum: { ...BAYES, embeddingWidth: 63, epochs: 300, burnIn: 30, sideInformation: true },
};

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

/**
 * What a preset comes to on so many training ratings: small sets want more sweeps and narrower embeddings. Values other than the
 * preset's were asked for, and stay.
 */
export function sizedHyperparameters(
  preset: string,
  asked: Hyperparameters,
  trainRatings: number,
): Hyperparameters {
  const sized = { ...asked };
  if (preset !== 'accurate') return sized;
  const { epochs, embeddingWidth } = PRESETS.accurate;
  if (trainRatings < 200_000 && asked.epochs === epochs) sized.epochs = 230;
  if (trainRatings < 50_000 && asked.embeddingWidth === embeddingWidth) sized.embeddingWidth = 15;
  return sized;
}

/** Whether an epoch may be the best: within the burn-in there is one draw and no mean. */
export function isKept({ kind, burnIn }: Hyperparameters, epoch: number): boolean {
  return kind !== 'bayes' || epoch > burnIn;
}

/** The epoch whose parameters a run keeps; null before its first has ended. */
export function keptEpoch(
  hyperparameters: Hyperparameters,
  epochs: readonly { epoch: number; validationLoss: number }[],
): number | null {
  const last = epochs.at(-1)?.epoch ?? null;
  if (hyperparameters.validationFraction === 0) return last;
  const candidates = epochs.filter(({ epoch }) => isKept(hyperparameters, epoch));
  const lowest = Math.min(...candidates.map(({ validationLoss }) => validationLoss));
  return candidates.find(({ validationLoss }) => validationLoss === lowest)?.epoch ?? last;
}

/** The hyperparameters of a stored run, which may be older than some of them. */
export function storedHyperparameters(stored: unknown): Hyperparameters {
  return { ...FORMER, ...(stored as Hyperparameters) };
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
