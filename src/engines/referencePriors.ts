// The priors of the reference sampler: Normal-Wishart hyperparameters of a side, and its links to what was rated and to attributes.

import { choleskyLower, inverse, multiply, product, transpose } from './denseMatrix.js';
import { draws, gamma, normal, STAGES, stageOf } from './draws.js';
import type { RatingsOfSide } from './ratingsBySide.js';
import { SWEEP_PRIORS } from './sweeps.js';

/** Features of one kind, which rows of a side have or have not: the rows of the other side that they are rated with, or attributes. */
export interface FeatureKind {
  /** Those with feature f are holders[starts[f]] to holders[starts[f + 1]] (F + 1). */
  starts: Int32Array;
  holders: Int32Array;
  /** φ of a row at each feature that it has: 1/√(how many it has) (N). */
  weights: Float64Array;
  /** B (F × D). */
  links: Float32Array;
  /** Place of λ among the scalars of the state. */
  scalar: number;
  /** What its numbers are drawn for. */
  stages: { link: number; precision: number };
}

/** One side of the model, in place. N rows, D columns. */
export interface ReferenceSide {
  /** 0: users; 1: movies. */
  index: number;
  D: number;
  seed: number;
  ratings: RatingsOfSide;
  kinds: readonly FeatureKind[];
  rows: Float32Array;
  priors: Float32Array;
  links: Float32Array;
  means: Float32Array;
  /** E x of the rows, given all else, as this sweep had it (N × D). */
  expected: Float32Array;
  precisions: Float32Array;
  variances: Float32Array;
  noises: Float32Array;
  /** Of users alone. */
  tastes: Float32Array | null;
}

/** μ (D) and Λ (D × D). */
export interface SideHyperparameters {
  mean: Float64Array;
  precision: Float64Array;
}

/** Λ ~ Wishart(D + N + F, W⁻¹), μ ~ N(ē N/(N + b₀), ((N + b₀)Λ)⁻¹), with e = x − Bᵀφ; all kinds of features together. Source: BPMF, eq. 14. */
export function drawHyperparameters(
  side: ReferenceSide,
  scalars: Float64Array,
  sweep: number,
): SideHyperparameters {
  const { D } = side;
  const N = side.precisions.length;
  const { meanWeight } = SWEEP_PRIORS;
  const { center, W } = scatter(side, scalars);
  const features = side.kinds.reduce((sum, kind) => sum + countFeatures(kind), 0);
  const precision = drawWishart(side, D + N + features, inverse(W, D), sweep);
  const C = choleskyLower(inverse(precision, D), D);
  const stream = draws(side.seed, sweep, stageOf(STAGES.mean, side.index), 0);
  const z = Float64Array.from({ length: D }, (_, d) => normal(stream, d));
  const noise = multiply(C, z, D);
  const mean = center.map(
    (value, d) => (value * N) / (N + meanWeight) + noise[d] / Math.sqrt(N + meanWeight),
  );
  return { mean, precision };
}

/** ē, and W = w₀I + Σ(e − ē)(e − ē)ᵀ + b₀N/(b₀ + N) ēēᵀ + λ Σ_f B_f B_fᵀ. */
function scatter({ D, rows, priors, kinds, precisions }: ReferenceSide, scalars: Float64Array) {
  const N = precisions.length;
  const { wishartScale, meanWeight } = SWEEP_PRIORS;
  const residuals = Float64Array.from(rows, (value, i) => value - priors[i]);
  const center = new Float64Array(D);
  for (let i = 0; i < residuals.length; i++) center[i % D] += residuals[i] / N;
  const W = new Float64Array(D * D);
  for (let r = 0; r < D; r++) {
    for (let c = 0; c < D; c++) {
      let sum = r === c ? wishartScale : 0;
      for (let i = 0; i < residuals.length; i += D)
        sum += (residuals[i + r] - center[r]) * (residuals[i + c] - center[c]);
      for (const { links, scalar } of kinds)
        for (let i = 0; i < links.length; i += D) sum += scalars[scalar] * links[i + r] * links[i + c];
      W[r * D + c] = sum + ((meanWeight * N) / (meanWeight + N)) * center[r] * center[c];
    }
  }
  return { center, W };
}

/** By Bartlett's decomposition: (L T)(L T)ᵀ with scale = L Lᵀ, T lower, χ on its diagonal and normal below. */
function drawWishart(side: ReferenceSide, degrees: number, scale: Float64Array, sweep: number): Float64Array {
  const { D, seed, index } = side;
  const L = choleskyLower(scale, D);
  const T = new Float64Array(D * D);
  for (let r = 0; r < D; r++) {
    const diagonal = draws(seed, sweep, stageOf(STAGES.wishartDiagonal, index), r);
    T[r * D + r] = Math.sqrt(2 * gamma(diagonal, (degrees - r) / 2));
    const below = draws(seed, sweep, stageOf(STAGES.wishartBelow, index), r);
    for (let c = 0; c < r; c++) T[r * D + c] = normal(below, c);
  }
  const P = product(L, T, D);
  return product(P, transpose(P, D), D);
}

function countFeatures({ starts }: FeatureKind): number {
  let count = 0;
  for (let f = 0; f + 1 < starts.length; f++) if (starts[f + 1] > starts[f]) count++;
  return count;
}

/** Draws the links of all kinds, one kind given the others, with their λ, and brings the priors along. */
export function drawLinks(
  side: ReferenceSide,
  hyper: SideHyperparameters,
  scalars: Float64Array,
  sweep: number,
): void {
  const { D, rows, priors, kinds } = side;
  const { mean } = hyper;
  const residuals = Float64Array.from(rows, (value, i) => value - priors[i] - mean[i % D]);
  for (const kind of kinds)
    if (kind.links.length > 0)
      scalars[kind.scalar] = drawLink(side, kind, hyper, residuals, scalars[kind.scalar], sweep);
  for (let i = 0; i < priors.length; i++) priors[i] = rows[i] - mean[i % D] - residuals[i];
}

/**
 * Draws B row by row, each given the others, and brings t = x − μ − Bᵀφ along: with S_f = Σ φ²,
 * B_f ← (Σ φ t + S_f B_f)/(λ + S_f) + C z/√(λ + S_f), C Cᵀ = Λ⁻¹. Gives the new λ ~ Gamma(1 + FD/2, rate 1 + ½ Σ B_fᵀΛB_f).
 */
function drawLink(
  { D, seed, index }: ReferenceSide,
  { starts, holders, weights: weightOf, links, stages }: FeatureKind,
  { precision }: SideHyperparameters,
  residuals: Float64Array,
  linkPrecision: number,
  sweep: number,
): number {
  const C = choleskyLower(inverse(precision, D), D);
  let [features, squares] = [0, 0];
  for (let f = 0; f + 1 < starts.length; f++) {
    const having = holders.subarray(starts[f], starts[f + 1]);
    if (having.length === 0) continue;
    const weights = Float64Array.from(having, (row) => weightOf[row]);
    const S = weights.reduce((sum, weight) => sum + weight * weight, 0);
    const stream = draws(seed, sweep, stageOf(stages.link, index), f);
    const z = Float64Array.from({ length: D }, (_, d) => normal(stream, d));
    const noise = multiply(C, z, D);
    for (let d = 0; d < D; d++) {
      let sum = S * links[f * D + d];
      for (const [i, row] of having.entries()) sum += weights[i] * residuals[row * D + d];
      const drawn = Math.fround(sum / (linkPrecision + S) + noise[d] / Math.sqrt(linkPrecision + S));
      const change = drawn - links[f * D + d];
      links[f * D + d] = drawn;
      for (const [i, row] of having.entries()) residuals[row * D + d] -= weights[i] * change;
    }
    const row = links.subarray(f * D, f * D + D);
    squares += multiply(precision, row, D).reduce((sum, value, d) => sum + value * row[d], 0);
    features++;
  }
  const stream = draws(seed, sweep, stageOf(stages.precision, index), 0);
  return gamma(stream, 1 + (features * D) / 2) / (1 + squares / 2);
}
