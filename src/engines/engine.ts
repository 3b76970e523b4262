// The contract between the training loop, scoring and anything that can do the arithmetic.
// Only engines/open.ts imports implementations; implementations import this file and their own kernels.
// What the numbers must be is defined by engines/reference.ts and held by test/engines.contract.test.ts.
// The second way of training, by sweeps of a sampler, is in engines/sweeps.ts.

import type { Sampler, SamplerOptions } from './sweeps.js';

/**
 * Which parts a model has, and their sizes. With p_u, q_m the embeddings of user u and movie m:
 *
 *   ŷ = b + [biases: b_u + b_m] + [dotProduct: p_u·q_m] + [hiddenLayers: wᵀrelu(…relu(W₁ᵀ[p_u; q_m] + b₁)…)]
 *
 * The hidden part alone is the paper's network (He et al. 2017, without the GMF branch); biases and dot product alone are
 * matrix factorization (Koren et al. 2009, eq. 4).
 */
export interface ModelShape {
  /** Rows of the user embedding (N). */
  users: number;
  /** Rows of the movie embedding (M). */
  movies: number;
  /** Columns of both embeddings (K); models of biases alone have no embeddings, and ignore it. */
  embeddingWidth: number;
  /** Widths of the hidden layers, first to last; none: the model has no hidden part. */
  hiddenLayers: readonly number[];
  /** A bias for each user and each movie; absent: none. */
  biases?: boolean;
  /** p_u·q_m; absent: none. */
  dotProduct?: boolean;
}

/** A named array of parameters, row-major. */
export interface Tensor {
  name: string;
  shape: readonly number[];
  values: Float32Array;
}

/** All tensors of a model, in the order and with the names of `parameterShapes` (engines/shape.ts). */
export type Parameters = readonly Tensor[];

export interface OptimizerSettings {
  /** Absent: sgd. */
  kind?: 'sgd' | 'adam';
  /** Of epoch 0. */
  learningRate: number;
  /** The rate of the 0-based epoch e is learningRate · learningRateDecay^e; absent: 1. */
  learningRateDecay?: number;
  /** Of sgd; adam ignores it. */
  momentum: number;
  batchSize: number;
  /** λ for each group of parameters; absent: 0. The loss gets λ Σw², so a gradient gets 2λw, as with Keras' l2(λ). */
  l2?: L2Settings;
}

export interface L2Settings {
  /** user_embeddings, movie_embeddings. */
  embeddings?: number;
  /** user_biases, movie_biases. */
  biases?: number;
  /** Weights of the hidden layers and of the output, not their biases. */
  weights?: number;
}

// What one step does to a parameter w with gradient g (of the batch mean, with its 2λw), at the rate lr of the epoch:
//
//   sgd    v ← μv − lr·g, w ← w + v, for every parameter at every step, whether the batch touches it or not (dense momentum,
//          as in Keras; L2 pulls at untouched rows, too).
//   adam   m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², w ← w − lr·√(1−β₂ᵗ)/(1−β₁ᵗ) · m/(√v + ε), t steps so far, this one included
//          (Kingma & Ba 2015, the form of the end of §2). Rows of embeddings and user or movie biases that no rating of the batch
//          is about stay as they are, m and v too, without L2 (as torch.optim.SparseAdam).
export const ADAM = { beta1: 0.9, beta2: 0.999, epsilon: 1e-7 } as const;

/** What an optimizer remembers besides the parameters; any engine goes on from what another one left. */
export interface OptimizerState {
  /** Steps taken so far, over all epochs. */
  steps: number;
  /** sgd: [v]; adam: [m, v]. Tensors as the parameters have them. */
  moments: readonly Parameters[];
}

/** Training ratings as three arrays of equal length. */
export interface TrainingRatings {
  userIndices: Int32Array;
  movieIndices: Int32Array;
  /** Rating minus the mean of the training ratings. */
  targets: Float32Array;
}

export interface TrainerOptions {
  shape: ModelShape;
  /** Copied; the trainer never writes to them. */
  parameters: Parameters;
  /** Absent: no steps, all moments zero. Copied. */
  state?: OptimizerState;
  optimizer: OptimizerSettings;
  /** Read in place for as long as the trainer is open, or copied at once. */
  ratings: TrainingRatings;
  /** Of the epoch order (engines/shuffle.ts). */
  seed: number;
}

export interface StepsResult {
  /** Σ(ŷ − target)² over the samples, each taken before its step's update. */
  squaredErrorSum: number;
  samples: number;
}

/** The best movies for B users. */
export interface TopMoviesRequest {
  userIndices: Int32Array;
  /** Movies for each user: at most this many. */
  n: number;
  /** Added to every raw output in float64 before it is rounded to float32: places are decided by scores as they are served. */
  offset: number;
  /** Bit m & 31 of word m >> 5 says whether movie m may be listed: (B × ⌈M/32⌉), row-major. */
  allowed: Uint32Array;
  /** Only movies that come after this score and index, for each user (B); Infinity: from the top. */
  afterScores: Float32Array;
  afterIndices: Int32Array;
}

/** Best first: score downwards, then index upwards. Row b has counts[b] entries; what follows them is undefined. */
export interface TopMovies {
  /** (B). */
  counts: Int32Array;
  /** (B × n). */
  movieIndices: Int32Array;
  /** Raw output plus offset (B × n). */
  scores: Float32Array;
}

export interface Scorer {
  /** Raw outputs ŷ (B) for the pairs (userIndices[i], movieIndices[i]); the caller adds the training mean. */
  predict(userIndices: Int32Array, movieIndices: Int32Array): Promise<Float32Array>;
  /** Raw outputs (B × M) row-major: every movie for each user. */
  scoreMovies(userIndices: Int32Array): Promise<Float32Array>;
  topMovies(request: TopMoviesRequest): Promise<TopMovies>;
  /** Frees memory and threads; further calls are an error. */
  close(): Promise<void>;
}

export interface Trainer {
  /**
   * Takes `steps` optimizer steps of the 0-based `epoch`, beginning with batch `firstStep`.
   * Batch b holds the ratings at positions [b·batchSize, (b+1)·batchSize) of the epoch's order; the last one may be shorter.
   * The loss is the mean squared error of the batch, so gradients are those of the batch mean.
   */
  train(epoch: number, firstStep: number, steps: number): Promise<StepsResult>;
  /** As Scorer.predict, with the parameters as they stand. */
  predict(userIndices: Int32Array, movieIndices: Int32Array): Promise<Float32Array>;
  /** Copies of the parameters as they stand. */
  parameters(): Promise<Parameters>;
  /** A copy of the optimizer's state as it stands. */
  state(): Promise<OptimizerState>;
  close(): Promise<void>;
}

export interface Engine {
  /** As in `marquee engines`: "tfjs:wasm". */
  name: string;
  /** What it runs on, for people and the run record: "CPU, 2 threads, AVX-512". */
  device: string;
  /** Compute threads of each trainer and scorer. */
  threads: number;
  openTrainer(options: TrainerOptions): Promise<Trainer>;
  openScorer(shape: ModelShape, parameters: Parameters): Promise<Scorer>;
  /** Absent where the door says hasSweeps: false. */
  openSampler?(options: SamplerOptions): Promise<Sampler>;
}

export interface EngineSettings {
  /** How many threads an engine may use that can use several. */
  threads: number;
}

/** A door to one engine: looks whether it can run here, and opens it. */
export interface EngineDoor {
  name: string;
  /** Never throws: an engine that cannot run gives the reason. */
  probe(settings: EngineSettings): Promise<EngineProbe>;
  /** Called only after a probe that said available. */
  open(settings: EngineSettings): Promise<Engine>;
  /** Null when it has such models; otherwise what goes on after "engine native has": "no models with 3 hidden layers". Needs no probe. */
  refusalOf(shape: Pick<ModelShape, 'hiddenLayers' | 'embeddingWidth'>): string | null;
  /** Whether its engine trains models of the kind bayes; absent: no. */
  hasSweeps?: boolean;
  /** Whether its engine computes on a GPU, which one training fills; absent: no. */
  usesGpu?: boolean;
}

export type EngineProbe =
  /** isSoftware: a GPU's driver that computes on the CPU instead; never taken by `auto`. Absent: no. */
  | { name: string; available: true; device: string; reason: null; isSoftware?: boolean }
  | { name: string; available: false; device: null; reason: string };
