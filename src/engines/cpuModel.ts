// What the engines on kernels of our own share, `native` and `wasm` on engines/cpu and `webgpu` on engines/webgpu: the model as
// kernels see it and its tensors by number; and, for the first two, the array that describes a model to them. The names and
// their order are those of engines/cpu/kernel.h.

import assert from 'node:assert/strict';
import { checkPairs } from './batches.js';
import {
  ADAM,
  type ModelShape,
  type OptimizerSettings,
  type StepsResult,
  type TopMovies,
  type TopMoviesRequest,
  type TrainingRatings,
} from './engine.js';
import { hasEmbeddings } from './shape.js';

/** A model in the memory of the kernels. One call at a time; arrays that are handed in are not kept, but for ratings where that is said. */
export interface CpuModel {
  /** part 0: the parameter; 1, 2: its moments. */
  write(tensor: number, part: number, values: Float32Array): void;
  /** Fills `values` with the tensor as it stands. */
  read(tensor: number, part: number, values: Float32Array): void | Promise<void>;
  writeSteps(steps: number): void;
  readSteps(): number;
  /** A copy, at 12 bytes a rating; or the arrays themselves where a device has no room for one. */
  setRatings(ratings: TrainingRatings): void;
  train(epoch: EpochPart): Promise<StepsResult>;
  predict(userIndices: Int32Array, movieIndices: Int32Array): Promise<Float32Array>;
  /** Once, before scoreMovies and topMovies. */
  prepareScoring(): Promise<void>;
  scoreMovies(userIndices: Int32Array): Promise<Float32Array>;
  topMovies(request: TopMoviesRequest): Promise<TopMovies>;
  close(): Promise<void>;
}

export interface EpochPart {
  learningRate: number;
  firstStep: number;
  steps: number;
  /** Count of ratings, two radices, six keys: engines/shuffle.ts. */
  order: Uint32Array;
  /** Apply afterwards what untouched rows have skipped. */
  catchUp: boolean;
}

/** What is to be opened. */
export interface ModelPlan {
  shape: ModelShape;
  /** Null: a model that only scores. A batch is not larger than the ratings. */
  optimizer: OptimizerSettings | null;
  /** How many will be set. */
  ratings: number;
}

/** Opens models on one device. @throws when there is no memory for one */
export interface CpuDevice {
  name: string;
  device: string;
  threads: number;
  openModel(plan: ModelPlan): Promise<CpuModel>;
}

const TENSORS = [
  'user_embeddings',
  'movie_embeddings',
  'user_biases',
  'movie_biases',
  'hidden_1_weights',
  'hidden_1_biases',
  'output_weights',
  'output_biases',
];

// What the kernels count in 32 bits without an overflow. The addon checks the same (engines/cpu/addon.c).
const MAX_EMBEDDING_WIDTH = 256;
const MAX_HIDDEN_UNITS = 2 ** 24;
const MAX_ROWS = 2 ** 31 - 1;
const MAX_BATCH_SIZE = 2 ** 24;
const MAX_THREADS = 64;

/** "CPU, 2 threads, AVX-512". */
export function describeCpu(threads: number, instructions: string): string {
  return `CPU, ${threads} thread${threads === 1 ? '' : 's'}, ${instructions}`;
}

/** The number of a tensor of engines/shape.ts. */
export function tensorNumber(name: string): number {
  const number = TENSORS.indexOf(name);
  assert(number >= 0, `the kernels have no tensor ${name}`);
  return number;
}

/** The name of a tensor by its number. */
export function tensorName(number: number): string {
  return TENSORS[number];
}

/** What the kernels do not have, as the words after "engine native has". */
export function refusalOfShape({
  hiddenLayers,
  embeddingWidth,
}: Pick<ModelShape, 'hiddenLayers' | 'embeddingWidth'>): string | null {
  if (hiddenLayers.length > 1) return `no models with ${hiddenLayers.length} hidden layers`;
  if (embeddingWidth > MAX_EMBEDDING_WIDTH) return `no embeddings wider than ${MAX_EMBEDDING_WIDTH}`;
  return null;
}

/** Asserts that the kernels can count what a model has. */
function checkSizes({ users, movies, hiddenLayers }: ModelShape, threads: number, batchSize: number): void {
  const [units = 0] = hiddenLayers;
  assert(users <= MAX_ROWS && movies <= MAX_ROWS, `${users} users, ${movies} movies: at most ${MAX_ROWS}`);
  assert(units <= MAX_HIDDEN_UNITS, `${units} hidden units: at most ${MAX_HIDDEN_UNITS}`);
  assert(batchSize <= MAX_BATCH_SIZE, `batches of ${batchSize} ratings: at most ${MAX_BATCH_SIZE}`);
  const isCount = Number.isSafeInteger(threads) && threads >= 1;
  assert(isCount && threads <= MAX_THREADS, `${threads} threads: 1 to ${MAX_THREADS}`);
}

/** The array that describes a model to the kernels of engines/cpu. */
export function configOf({ shape, optimizer }: ModelPlan, threads: number): Float64Array {
  const { kind = 'sgd', batchSize, momentum, l2 = {} } = optimizer ?? { batchSize: 0, momentum: 0 };
  checkSizes(shape, threads, batchSize);
  const moments = optimizer === null ? 0 : kind === 'adam' ? 2 : 1;
  return Float64Array.of(
    shape.users,
    shape.movies,
    hasEmbeddings(shape) ? shape.embeddingWidth : 0,
    shape.hiddenLayers[0] ?? 0,
    shape.biases ? 1 : 0,
    shape.dotProduct ? 1 : 0,
    threads,
    moments,
    batchSize,
    momentum,
    l2.embeddings ?? 0,
    l2.biases ?? 0,
    l2.weights ?? 0,
    ADAM.beta1,
    ADAM.beta2,
    ADAM.epsilon,
  );
}

/** Indices are copied before they are checked: the kernels read them while the caller goes on and may write to its arrays. */
export function predictPairs(
  model: Pick<CpuModel, 'predict'>,
  shape: ModelShape,
  userIndices: Int32Array,
  movieIndices: Int32Array,
): Promise<Float32Array> {
  const [users, movies] = [userIndices.slice(), movieIndices.slice()];
  checkPairs(shape, users, movies);
  return model.predict(users, movies);
}
