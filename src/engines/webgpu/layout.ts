// Where what lies on the device: sizes and offsets, computed once for a model, for TypeScript and for the shaders alike.

import { AppError } from '../../errors.js';
import { l2Of } from '../batches.js';
import type { ModelPlan } from '../cpuModel.js';
import { ADAM } from '../engine.js';
import { hasEmbeddings } from '../shape.js';
import { ORDER_ROUNDS } from '../shuffle.js';
import { type Banks, planBanks } from './banks.js';
import { type GpuLimits, roundUp } from './device.js';

/**
 * Threads of a workgroup: the first of these that the device offers. A step has few samples and waits for memory, which more threads do
 * less; scoring has many and computes, and then fewer threads with more units each read less.
 */
const TRAINING_THREADS = [512, 256, 128];
const SCORING_THREADS = [256, 128];
/** Skipped steps that are tabulated one by one; the same number again of so many at a time. */
export const SKIPS = 512;
/** In one submission: enough that submitting costs little, few enough that the queue holds some milliseconds of work. */
export const MOST_STEPS = 512;
/** Losses of steps that are kept until they are read. */
export const LOSSES = 4096;
/** In one submission. */
const MOST_SAMPLES = 2 ** 20;
/** User, movie and target. */
export const RATING_BYTES = 12;
/** Hidden units of a workgroup of phase B. */
const UNITS = 8;
/** Of eight inputs: what the units' threads have at a time. */
const MOST_CHUNKS = 4;
/** Of a thread of the forward pass, at a time. */
const MOST_UNITS = 4;

/** Numbers of 4 bytes throughout; constants of the shaders by these names. */
export interface Layout {
  tables: { users: Banks; movies: Banks };
  /** None to score only, and where the ratings are streamed. */
  ratings: Banks[];
  /** Samples whose ratings lie in the order of the epoch: those of a submission. */
  upcoming: number;
  skipsLength: number;
  /** Parameters of the layers, one part after another: hidden weights (X × H), hidden biases (H), output weights (H), bias. */
  denseLength: number;
  denseParts: number;
  workLength: number;
  marksLength: number;
  constants: Record<string, number | boolean>;
  floats: Record<string, number>;
}

type Sizes = ReturnType<typeof sizesOf>;

/** `isStreamed`: the ratings stay with the host, and come in the order of the epoch (stream.ts). */
export function layoutOf(plan: ModelPlan, limits: GpuLimits, isStreamed: boolean): Layout {
  const sizes = sizesOf(plan, limits);
  const { N, M, W, parts, moments } = sizes;
  const rowLength = parts * W + (moments === 1 ? 1 : 0);
  const { constants, ...lengths } = plan.optimizer ? batchLayout(sizes) : NO_BATCH;
  const ratings = plan.optimizer && !isStreamed ? ['rating_users', 'rating_movies', 'rating_targets'] : [];
  return {
    tables: {
      users: planBanks('users', N, rowLength, limits),
      movies: planBanks('movies', M, rowLength, limits),
    },
    ratings: ratings.map((name) => planBanks(name, plan.ratings, 1, limits)),
    upcoming: plan.optimizer ? upcomingSamples(plan, sizes.batchSize, limits) : 0,
    // Bound by all shaders that read rows, whether rows wait or not.
    skipsLength: [4, 4 * SKIPS * 4, MOST_STEPS][sizes.moments],
    denseLength: denseOffsets(sizes).DENSE_LENGTH,
    denseParts: parts,
    ...lengths,
    constants: { ...constantsOf(sizes), ...denseOffsets(sizes), ...constants },
    floats: optimizerConstants(plan),
  };
}

function sizesOf({ shape, optimizer }: ModelPlan, limits: GpuLimits) {
  const K = hasEmbeddings(shape) ? shape.embeddingWidth : 0;
  const moments = optimizer === null ? 0 : optimizer.kind === 'adam' ? 2 : 1;
  return {
    ...{ N: shape.users, M: shape.movies, K, X: 2 * K, H: shape.hiddenLayers[0] ?? 0 },
    ...{ W: K + (shape.biases ? 1 : 0), moments, parts: 1 + moments },
    hasBiases: shape.biases ?? false,
    hasDot: shape.dotProduct ?? false,
    batchSize: optimizer?.batchSize ?? 0,
    ...tileOf(2 * K, shape.hiddenLayers[0] ?? 0, optimizer ? TRAINING_THREADS : SCORING_THREADS, limits),
  };
}

/** So many threads, and eight samples in a tile, where their inputs, partial sums and bits find room in the memory of a workgroup. */
function tileOf(X: number, H: number, choices: number[], { workgroupBytes, workgroupThreads }: GpuLimits) {
  const ids = 1024;
  for (const threads of choices.filter((each) => each <= workgroupThreads)) {
    const perThread = Math.max(1, Math.min(MOST_UNITS, Math.ceil(H / threads)));
    const words = threads * Math.ceil(H / (threads * perThread));
    for (const quads of [2, 1]) {
      if (quads * 16 * (X + threads) + 4 * words + ids <= workgroupBytes)
        return { threads, perThread, words, quads };
    }
  }
  throw new AppError(
    'ENGINE_OUT_OF_MEMORY',
    `engine webgpu needs workgroups of ${choices.at(-1)} threads that share more than ${workgroupBytes} bytes`,
  );
}

/** A batch at least. */
function upcomingSamples({ ratings }: ModelPlan, batchSize: number, { bindingBytes }: GpuLimits): number {
  return Math.max(batchSize, Math.min(ratings, MOST_SAMPLES, Math.floor(bindingBytes / RATING_BYTES)));
}

function constantsOf({ K, X, H, W, moments, parts, threads, perThread, words, quads, ...parted }: Sizes) {
  return {
    ...{ THREADS: threads, SKIPS, ORDER_ROUNDS, K, X, H, W, MOMENTS: moments, PARTS: parts },
    ...{ QUADS: quads, TILE: 4 * quads, AT_LEAST_ONE_X: Math.max(X, 1), LANES: lanesOf(K, threads) },
    ...{ PER_THREAD: perThread, WORDS: words, AT_LEAST_ONE_WORD: Math.max(words, 1) },
    ...{ HAS_BIASES: parted.hasBiases, HAS_DOT: parted.hasDot, NOBODY: 0xffff_ffff },
    ...{ UPDATE_THREADS: updateThreads(threads), UNITS, UNIT_GROUPS: Math.ceil(H / UNITS) },
    ...{ ROW_LANES: rowLanes(W, threads), SCALED: scaledLength(X) },
    CHUNKS_AT_ONCE: chunksAtOnce(X, updateThreads(threads)),
  };
}

/** Of a workgroup of phase B: so few that a GPU has room for all its workgroups at once. */
function updateThreads(threads: number): number {
  return Math.min(threads, 256);
}

function chunksAtOnce(X: number, threads: number): number {
  return Math.min(scaledLength(X) / 8, MOST_CHUNKS, threads / (8 * UNITS));
}

/** Threads that share the sums of a pair of inputs over the units: enough that most threads have something to do. */
function lanesOf(K: number, threads: number): number {
  return Math.min(64, Math.max(16, 2 ** Math.floor(Math.log2(threads / Math.max(K, 1)))));
}

/** Threads that share a row of the tables. */
function rowLanes(W: number, threads: number): number {
  return W <= 16 || threads < 256 ? 16 : 32;
}

function denseOffsets({ X, H, parts }: Sizes) {
  const weights = X * H;
  const length = H > 0 ? weights + 2 * H + 1 : 1;
  return {
    HIDDEN_BIASES_AT: weights,
    OUTPUT_WEIGHTS_AT: weights + H,
    OUTPUT_BIAS_AT: length - 1,
    DENSE_LENGTH: length,
    LOSSES_AT: parts * length,
    FINISHED_AT: parts * length + LOSSES,
  };
}

const NO_BATCH = { workLength: 0, marksLength: 0, constants: {} };

/**
 * work (vectors of 4): e·[x; 1] (BATCH_ROWS × SCALED) where there is a hidden layer | slopes of users (W × BATCH_ROWS) | of movies.
 * marks (u32): users, movies and errors of the samples (BATCH_ROWS each) | words of bits (tiles × WORDS) | steps begun.
 */
function batchLayout({ X, H, W, batchSize, threads, quads, words }: Sizes) {
  // As many as phase B compares at a time.
  const rows = roundUp(batchSize, 32 * rowLanes(W, threads));
  const scaled = H > 0 ? (rows * scaledLength(X)) / 4 : 0;
  const slopes = (W * rows) / 4;
  return {
    workLength: 4 * (scaled + 2 * slopes),
    marksLength: 3 * rows + (rows / (4 * quads)) * words + 1,
    constants: {
      ...{
        BATCH_ROWS: rows,
        BATCH_QUADS: rows / 4,
        USER_SLOPES_AT: scaled,
        MOVIE_SLOPES_AT: scaled + slopes,
      },
      ...{ ERRORS_AT: 2 * rows, BITS_AT: 3 * rows },
      BEGUN_AT: 3 * rows + (rows / (4 * quads)) * words,
      BATCH_SIZE: batchSize,
    },
  };
}

/** Inputs and a one, in whole chunks of eight. */
function scaledLength(X: number): number {
  return roundUp(X + 1, 8);
}

function optimizerConstants({ optimizer }: ModelPlan): Record<string, number> {
  if (!optimizer) return {};
  return {
    ...{ MOMENTUM: optimizer.momentum, BETA1: ADAM.beta1, BETA2: ADAM.beta2, EPSILON: ADAM.epsilon },
    PULL_EMBEDDINGS: 2 * l2Of(optimizer, 'user_embeddings'),
    PULL_BIASES: 2 * l2Of(optimizer, 'user_biases'),
    PULL_WEIGHTS: 2 * l2Of(optimizer, 'output_weights'),
  };
}
