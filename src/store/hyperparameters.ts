// Presets and hyperparameters: one list of names and defaults for CLI, GraphQL, SQL (jsonb) and code; what each may be is in
// hyperparameterChecks.ts. They belong to the run record, so they live with the store.

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
