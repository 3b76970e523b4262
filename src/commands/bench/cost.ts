// What the arithmetic must cost at least, by formula: operations and bytes. Divided by what the hardware can do they give
// the floor that a measured time is compared with.

import type { ModelShape } from '../../engines/engine.js';
import { measureHardware } from '../../engines/open.js';

export type Hardware = NonNullable<Awaited<ReturnType<typeof measureHardware>>>;

const FLOAT_BYTES = 4;
/** User, movie and target. */
const RATING_BYTES = 12;

/** Numbers a sample is multiplied with: the weights of all layers, and p_u·q_m where the model has it. */
function products({ embeddingWidth, hiddenLayers, dotProduct }: ModelShape): number {
  const widths = hiddenLayers.length > 0 ? [2 * embeddingWidth, ...hiddenLayers, 1] : [];
  const dense = widths.slice(1).reduce((sum, width, layer) => sum + widths[layer] * width, 0);
  return dense + (dotProduct ? embeddingWidth : 0);
}

/** A multiplication and an addition for each product. */
export function flopsOfPrediction(shape: ModelShape): number {
  return 2 * products(shape);
}

/**
 * One of a user's movies, where the halves of the first layer are there for user and movie: for each of its units an addition, a
 * maximum, and a multiplication and an addition for the next layer. K 10, H 1024: 4·1024.
 */
export function flopsOfListed(shape: ModelShape): number {
  const [firstWidth = 0] = shape.hiddenLayers;
  return 2 * (products(shape) - 2 * shape.embeddingWidth * firstWidth) + 2 * firstWidth;
}

/**
 * Forward once, backward twice: towards the inputs and towards the weights. K 10, H 1024: 6·(20·1024 + 1024) = 129,024.
 * Left out, since small: biases, relu, and the update of the layers, which is once a step. For p_u·q_m it is exact.
 */
export function flopsOfSample(shape: ModelShape): number {
  return 3 * flopsOfPrediction(shape);
}

/**
 * For each rating and side the half of f fᵀ that symmetry leaves, its diagonal, and t f: D(D + 1) + 2D with D = K + 1. For each row a
 * Cholesky factor, D³/3, and three solves with it, 3D². Left out: hyperparameters, the link, random numbers.
 */
export function flopsOfSweep({ users, movies, embeddingWidth }: ModelShape, ratings: number): number {
  const D = embeddingWidth + 1;
  return 2 * ratings * (D * (D + 1) + 2 * D) + (users + movies) * (D ** 3 / 3 + 3 * D ** 2);
}

/**
 * What a sweep moves, for each rating and side: an index, a target and √w, and the other side's row; for the link twice an index and a
 * weight, and what is left of a row of the side, read twice and written once. Left out: what is moved once for a row.
 */
export function bytesOfSweep({ embeddingWidth }: ModelShape, ratings: number): number {
  const rowBytes = (embeddingWidth + 1) * FLOAT_BYTES;
  return 2 * ratings * (3 * FLOAT_BYTES + rowBytes + 4 * FLOAT_BYTES + 3 * rowBytes);
}

/**
 * The least a sample moves: the rating, and value and velocity of a user's and a movie's row, each read and written.
 * The layers are left out: they stay in the caches.
 */
export function bytesOfSample(shape: ModelShape): number {
  const rowFloats = rowWidth(shape) + (shape.biases ? 1 : 0);
  return RATING_BYTES + 2 * rowFloats * 2 * 2 * FLOAT_BYTES;
}

/** What scoring every movie for a user reads: the movies' half of the first layer (M × H₁), or the movies' rows. */
export function bytesOfMovieSide(shape: ModelShape): number {
  const [firstWidth = 0] = shape.hiddenLayers;
  const floats = firstWidth + (shape.dotProduct ? shape.embeddingWidth : 0) + (shape.biases ? 1 : 0);
  return shape.movies * floats * FLOAT_BYTES;
}

function rowWidth({ embeddingWidth, hiddenLayers, dotProduct }: ModelShape): number {
  return hiddenLayers.length > 0 || dotProduct ? embeddingWidth : 0;
}

/** Measures the hardware once for each number of threads. */
export function openHardware(): (threads: number) => Promise<Hardware | null> {
  const measured = new Map<number, Promise<Hardware | null>>();
  return (threads) => {
    if (!measured.has(threads)) measured.set(threads, measureHardware(threads));
    return measured.get(threads)!;
  };
}

/** seconds ÷ (operations ÷ peak); null when the peak was not measured. */
export function overFloor(seconds: number, flops: number, hardware: Hardware | null): number | null {
  return hardware && (seconds * hardware.flopsPerSecond) / flops;
}

/** seconds ÷ (bytes ÷ bandwidth); null when the bandwidth was not measured. */
export function overBandwidth(seconds: number, bytes: number, hardware: Hardware | null): number | null {
  return hardware && (seconds * hardware.bytesPerSecond) / bytes;
}
