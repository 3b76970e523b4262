// What a bench can be asked for: sizes of well-known data sets, models, and how long to measure.

import type { ModelShape, OptimizerSettings } from '../../engines/engine.js';

export const BENCH_NAMES = [
  'step',
  'epoch',
  'score',
  'sweep',
  'gpu',
  'import',
  'cursor',
  'lists',
  'serve',
] as const;
export type BenchName = (typeof BENCH_NAMES)[number];
/** Without those that measure PostgreSQL: bench/database.ts. */
export type EngineBenchName = Exclude<BenchName, 'import' | 'cursor' | 'lists' | 'serve'>;

interface SetSize {
  users: number;
  movies: number;
  ratings: number;
}

/** `tiny` is for tests: it shows that a bench runs, not how fast anything is. */
export const SHAPES = {
  'ml-100k': { users: 943, movies: 1682, ratings: 100_000 },
  'ml-1m': { users: 6040, movies: 3706, ratings: 1_000_209 },
  'ml-20m': { users: 138_493, movies: 26_744, ratings: 20_000_263 },
  '100m': { users: 692_500, movies: 60_000, ratings: 100_000_000 },
  tiny: { users: 60, movies: 40, ratings: 2_000 },
} as const satisfies Record<string, SetSize>;
export type ShapeName = keyof typeof SHAPES;

type ModelParts = Omit<ModelShape, 'users' | 'movies'>;

/** `paper`: the preset of training; `mf`: matrix factorization, which moves memory instead of multiplying; `fast`, `accurate` and `maximum`: for sweeps, here without side information. */
export const BENCH_PRESETS = {
  paper: { embeddingWidth: 10, hiddenLayers: [1024] },
  mf: { embeddingWidth: 64, hiddenLayers: [], biases: true, dotProduct: true },
  fast: { embeddingWidth: 15, hiddenLayers: [], biases: true, dotProduct: true },
  accurate: { embeddingWidth: 31, hiddenLayers: [], biases: true, dotProduct: true },
  maximum: { embeddingWidth: 63, hiddenLayers: [], biases: true, dotProduct: true },
} as const satisfies Record<string, ModelParts>;
export type PresetName = keyof typeof BENCH_PRESETS;

/** The paper's; what a step costs does not depend on the rates. */
export const OPTIMIZER: OptimizerSettings = { learningRate: 0.08, momentum: 0.9, batchSize: 1024 };

/** As in training: the rest is held out. */
const TRAINED_SHARE = 0.8;

export interface BenchSettings {
  shapeName: ShapeName;
  presetName: PresetName;
  shape: ModelShape;
  trainedRatings: number;
  stepsPerEpoch: number;
  threads: number;
  /** How long to measure each figure of each engine. */
  seconds: number;
  repeats: number;
  /** Tables that ratings are divided into; 1: not divided. */
  partitions: number;
  /** Requests a second, of serve. */
  rate: number;
}

export const DEFAULT_RATE = 100;

export function toSettings(
  shapeName: ShapeName,
  presetName: PresetName,
  timing: Pick<BenchSettings, 'threads' | 'seconds' | 'repeats'> & { partitions?: number; rate?: number },
): BenchSettings {
  const { users, movies, ratings } = SHAPES[shapeName];
  const trainedRatings = Math.floor(ratings * TRAINED_SHARE);
  return {
    ...{ shapeName, presetName, partitions: 1, rate: DEFAULT_RATE, ...timing, trainedRatings },
    shape: { users, movies, ...BENCH_PRESETS[presetName] },
    stepsPerEpoch: Math.ceil(trainedRatings / OPTIMIZER.batchSize),
  };
}
