// What a model that was sampled knows of its users and movies: not only where their rows lie, but how surely. Plain loops, for
// whoever predicts with it: engines score by the means alone.
// Variances are those of each coordinate of a row given the other side: ADR 0023 tells why these, and not samples, are kept.

import type { Parameters } from './engine.js';
import type { Posterior } from './sweeps.js';

/** One user or movie: mean and variance of (embedding, bias), D = K + 1 numbers each, and how noisy their ratings are. */
export interface Belief {
  mean: Float32Array;
  variance: Float32Array;
  /** D × D, where it is known: of rows that were solved for, not of trained ones (ADR 0023). */
  covariance?: Float64Array;
  /** Factor of the variance of their ratings, around 1. */
  noise: number;
}

/** Rows (N × D), the bias last. */
export interface SideBeliefs {
  means: Float32Array;
  variances: Float32Array;
  noises: Float32Array;
}

export interface Beliefs {
  /** Embedding width + 1. */
  D: number;
  users: SideBeliefs;
  movies: SideBeliefs;
  /** Variance of a rating of a user and a movie whose factors are 1. */
  noise: number;
}

export interface Spread {
  /** Of the expected rating. */
  mean: number;
  /** Of a rating: the same with the noise of user and movie. */
  rating: number;
}

export function openBeliefs(embeddingWidth: number, parameters: Parameters, posterior: Posterior): Beliefs {
  const D = embeddingWidth + 1;
  const valuesOf = (name: string) => parameters.find((tensor) => tensor.name === name)!.values;
  const rowsOf = (side: string) => joinBias(valuesOf(`${side}_embeddings`), valuesOf(`${side}_biases`), D);
  const { userVariances, movieVariances, userNoises, movieNoises, noise } = posterior;
  return {
    ...{ D, noise },
    users: { means: rowsOf('user'), variances: userVariances, noises: userNoises },
    movies: { means: rowsOf('movie'), variances: movieVariances, noises: movieNoises },
  };
}

function joinBias(embeddings: Float32Array, biases: Float32Array, D: number): Float32Array {
  const rows = new Float32Array(biases.length * D);
  for (let row = 0; row < biases.length; row++) {
    rows.set(embeddings.subarray(row * (D - 1), (row + 1) * (D - 1)), row * D);
    rows[row * D + D - 1] = biases[row];
  }
  return rows;
}

/** Views, not copies. */
export function beliefAt({ means, variances, noises }: SideBeliefs, D: number, row: number): Belief {
  const [from, to] = [row * D, (row + 1) * D];
  return {
    mean: means.subarray(from, to),
    variance: variances.subarray(from, to),
    noise: noises[row],
  };
}

/** Raw output: b_u + b_m + p·q. */
export function expectedOutput({ mean }: Belief, movies: SideBeliefs, movie: number): number {
  const D = mean.length;
  const at = movie * D;
  let sum = mean[D - 1] + movies.means[at + D - 1];
  for (let k = 0; k < D - 1; k++) sum += mean[k] * movies.means[at + k];
  return sum;
}

/** Variance of the raw output, with rows of user and movie taken for independent. */
export function outputVariance(user: Belief, movies: SideBeliefs, movie: number): number {
  const { mean, variance } = user;
  const D = mean.length;
  const at = movie * D;
  let sum = varianceOfUser(user, movies, movie) + movies.variances[at + D - 1];
  for (let k = 0; k < D - 1; k++) sum += (mean[k] * mean[k] + variance[k]) * movies.variances[at + k];
  return sum;
}

/** fᵀ S f, S the covariance of the user's row and f = (q, 1) with the movie's mean. */
function varianceOfUser({ variance, covariance }: Belief, { means }: SideBeliefs, movie: number): number {
  const D = variance.length;
  const at = movie * D;
  const f = (k: number) => (k === D - 1 ? 1 : means[at + k]);
  let sum = 0;
  for (let r = 0; r < D; r++) {
    let row = variance[r] * f(r);
    if (covariance) for (let c = 0; c < r; c++) row += 2 * covariance[r * D + c] * means[at + c];
    sum += f(r) * row;
  }
  return sum;
}

export function spreadOf({ movies, noise }: Beliefs, user: Belief, movie: number): Spread {
  const mean = outputVariance(user, movies, movie);
  return { mean: Math.sqrt(mean), rating: Math.sqrt(mean + noise * user.noise * movies.noises[movie]) };
}

/** Deviations from the mean within which the normal distribution has this share, 0 < level < 1: 0.9 → 1.645. */
export function deviationsOf(level: number): number {
  return normalQuantile((1 + level) / 2);
}

/** Of 0.5 ≤ p < 1, within 1e-6: a bisection of the cumulative distribution, whose series converges for what is asked here. */
function normalQuantile(p: number): number {
  let [low, high] = [0, 9];
  for (let step = 0; step < 50; step++) {
    const middle = (low + high) / 2;
    if (upperTail(middle) > 1 - p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** P(x > z), z ≥ 0. Source: Abramowitz & Stegun 26.2.17, error below 7.5e-8. */
function upperTail(z: number): number {
  const t = 1 / (1 + 0.2316419 * z);
  const [b1, b2, b3, b4, b5] = [0.31938153, -0.356563782, 1.781477937, -1.821255978, 1.330274429];
  const density = Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
  return density * t * (b1 + t * (b2 + t * (b3 + t * (b4 + t * b5))));
}
