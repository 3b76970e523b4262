// Presets and hyperparameters: one list of names, ranges and defaults for CLI, GraphQL, SQL (jsonb) and code.
// They belong to the run record, so they live with the store: the API checks them without importing training.

import { AppError } from '../errors.js';

export interface Hyperparameters {
  embeddingWidth: number;
  hiddenLayers: number[];
  learningRate: number;
  momentum: number;
  batchSize: number;
  epochs: number;
}

/** HASH: by a seeded hash of (userId, movieId), so that a rating never changes side when others are added. */
export interface Split {
  kind: 'HASH';
  /** Share of the ratings held out for the test, 0 to 1 exclusive. */
  testFraction: number;
  seed: number;
}

export const DEFAULT_SPLIT: Readonly<Split> = { kind: 'HASH', testFraction: 0.2, seed: 42 };
export const DEFAULT_PRESET = 'paper';
export const DEFAULT_SEED = 42;

/** The paper's network; `paper-deep` has its commented alternative of three hidden layers. */
export const PRESETS: Readonly<Record<string, Readonly<Hyperparameters>>> = {
  paper: {
    embeddingWidth: 10,
    hiddenLayers: [1024],
    learningRate: 0.08,
    momentum: 0.9,
    batchSize: 1024,
    epochs: 25,
  },
  'paper-deep': {
    embeddingWidth: 10,
    hiddenLayers: [1024, 400, 400],
    learningRate: 0.08,
    momentum: 0.9,
    batchSize: 1024,
    epochs: 25,
  },
};

export interface Range {
  min: number;
  max: number;
  whole: boolean;
  meaning: string;
}

/** hiddenLayers: the range of each width. */
export const HYPERPARAMETER_RANGES: Readonly<Record<keyof Hyperparameters, Range>> = {
  embeddingWidth: { min: 1, max: 256, whole: true, meaning: 'columns of the user and movie embeddings' },
  hiddenLayers: {
    min: 1,
    max: 8192,
    whole: true,
    meaning: 'widths of the hidden layers, first to last; 1 to 8 layers',
  },
  learningRate: { min: 1e-6, max: 10, whole: false, meaning: 'step size of SGD' },
  momentum: { min: 0, max: 0.999, whole: false, meaning: 'share of the last step that is kept' },
  batchSize: { min: 1, max: 65_536, whole: true, meaning: 'ratings per step' },
  epochs: { min: 1, max: 1000, whole: true, meaning: 'passes over the training ratings' },
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
  for (const name of Object.keys(HYPERPARAMETER_RANGES) as (keyof Hyperparameters)[])
    checkRange(name, resolved[name]);
  const layers = resolved.hiddenLayers.length;
  if (layers < 1 || layers > MAX_HIDDEN_LAYERS) {
    throw invalid(
      ['hyperparameters', 'hiddenLayers'],
      `has ${layers} widths: expected 1 to ${MAX_HIDDEN_LAYERS}`,
    );
  }
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

function checkRange(name: keyof Hyperparameters, value: number | number[]): void {
  const { min, max, whole } = HYPERPARAMETER_RANGES[name];
  for (const number of [value].flat()) {
    if (number >= min && number <= max && (!whole || Number.isInteger(number))) continue;
    const kind = whole ? 'whole number' : 'number';
    throw invalid(['hyperparameters', name], `is ${number}: expected a ${kind} from ${min} to ${max}`);
  }
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
