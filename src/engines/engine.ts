// The contract between the training loop, scoring and anything that can do the arithmetic.
// Only engines/open.ts imports implementations; implementations import this file and their own kernels.
// What the numbers must be is defined by engines/reference.ts and held by test/engines.contract.test.ts.

/** Sizes of a network ŷ = w·relu(…relu(W₁ᵀ[p_u; q_m] + b₁)…) + b. Paper: He et al. 2017, without the GMF branch. */
export interface ModelShape {
  /** Rows of the user embedding (N). */
  users: number;
  /** Rows of the movie embedding (M). */
  movies: number;
  /** Columns of both embeddings (K). */
  embeddingWidth: number;
  /** Widths of the hidden layers, first to last; at least one. */
  hiddenLayers: readonly number[];
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
  learningRate: number;
  /** μ of v ← μv − lr·g, w ← w + v, for every parameter at every step. */
  momentum: number;
  batchSize: number;
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
  /** Momentum, one tensor for each parameter; absent: all zero. Copied. */
  velocities?: Parameters;
  optimizer: OptimizerSettings;
  /** Read in place for as long as the trainer is open. */
  ratings: TrainingRatings;
  /** Of the epoch order (engines/shuffle.ts). */
  seed: number;
}

export interface StepsResult {
  /** Σ(ŷ − target)² over the samples, each taken before its step's update. */
  squaredErrorSum: number;
  samples: number;
}

export interface Scorer {
  /** Raw outputs ŷ (B) for the pairs (userIndices[i], movieIndices[i]); the caller adds the training mean. */
  predict(userIndices: Int32Array, movieIndices: Int32Array): Promise<Float32Array>;
  /** Raw outputs (B × M) row-major: every movie for each user. */
  scoreMovies(userIndices: Int32Array): Promise<Float32Array>;
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
  /** Copies of the momentum as it stands. */
  velocities(): Promise<Parameters>;
  close(): Promise<void>;
}

export interface Engine {
  /** As in `marquee engines`: "tfjs:wasm". */
  name: string;
  /** What it runs on, for people and the run record: "CPU, 1 thread, SIMD". */
  device: string;
  openTrainer(options: TrainerOptions): Promise<Trainer>;
  openScorer(shape: ModelShape, parameters: Parameters): Promise<Scorer>;
}

/** A door to one engine: looks whether it can run here, and opens it. */
export interface EngineDoor {
  name: string;
  /** Never throws: an engine that cannot run gives the reason. */
  probe(): Promise<EngineProbe>;
  /** Called only after a probe that said available. */
  open(): Promise<Engine>;
}

export type EngineProbe =
  | { name: string; available: true; device: string; reason: null }
  | { name: string; available: false; device: null; reason: string };
