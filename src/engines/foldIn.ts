// A user who came after the training, or has rated since: their row given the movies', in closed form. The equations are those of a
// row in engines/sweeps.ts, with the movies' means for their draws and for the prior what the trained users tell of it; how noisy the
// user is, which sweeps draw, is averaged over.

import type { Belief, Beliefs } from './beliefs.js';
import { inverse, multiply } from './denseMatrix.js';
import { SWEEP_PRIORS } from './sweeps.js';
import { priorOf, type RowPrior, type TastePrior } from './tastePrior.js';

/** Ratings of one user: rows of movies that the model knows, and stars less the model's mean. */
export interface OwnRatings {
  movieIndices: Int32Array;
  targets: Float32Array;
}

export interface FoldedIn extends Belief {
  /** D × D. */
  covariance: Float64Array;
  /** wᵢ of each rating, its precision. */
  weights: Float64Array;
}

/** The noise has settled when a round changes it by less than this share; some 5 to 10 rounds. */
const SETTLED = 1e-6;
const MAX_ROUNDS = 100;

/**
 * x ~ N(A⁻¹h, A⁻¹) and w ~ Gamma(s, b), each given what is expected of the other: A = P⁻¹ + E[w] N with N = Σ fᵢfᵢᵀ/νᵢ, ν the variance of a rating
 * but for w; s = a + n/2, b = b₀ + ½ Σ E[(tᵢ − x·fᵢ)²]/νᵢ. The noise of a rating to come is E[1/w] = b/(s − 1), so that it is the larger the less
 * is known of it. Source: Bishop 2006, §10.1.3, with rows for the mean.
 */
export function foldIn(
  beliefs: Beliefs,
  prior: TastePrior,
  tastes: Float32Array,
  ratings: OwnRatings,
): FoldedIn {
  const { D, movies, noise: level } = beliefs;
  const equations = gather(beliefs, ratings);
  const rowPrior = precisionOf(priorOf(prior, tastes, ratings.movieIndices, D), D);
  const { precisionShape } = SWEEP_PRIORS;
  const shape = precisionShape + ratings.targets.length / 2;
  // E[1/w] of the prior is that of the trained users.
  const priorRate = (precisionShape - 1) * prior.noise;
  let rate = (shape * priorRate) / precisionShape;
  let row = solve(equations, rowPrior, shape / rate, D);
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const before = rate;
    rate = priorRate + squaresExpected(equations, row, D) / 2;
    row = solve(equations, rowPrior, shape / rate, D);
    if (Math.abs(rate - before) < SETTLED * rate) break;
  }
  return {
    mean: Float32Array.from(row.mean),
    variance: Float32Array.from({ length: D }, (_, k) => row.covariance[k * D + k]),
    covariance: row.covariance,
    noise: rate / (shape - 1),
    weights: Float64Array.from(
      ratings.movieIndices,
      (movie) => shape / rate / (level * movies.noises[movie]),
    ),
  };
}

/** N = Σ f fᵀ/ν (D × D), g = Σ t f/ν, Σ t²/ν; f = (q, 1), targets t freed of the movies' biases. */
interface Equations {
  N: Float64Array;
  g: Float64Array;
  squares: number;
}

function gather({ D, movies, noise: level }: Beliefs, { movieIndices, targets }: OwnRatings): Equations {
  const [N, g, f] = [new Float64Array(D * D), new Float64Array(D), new Float64Array(D)];
  let squares = 0;
  for (const [i, movie] of movieIndices.entries()) {
    f.set(movies.means.subarray(movie * D, (movie + 1) * D));
    const target = targets[i] - f[D - 1];
    f[D - 1] = 1;
    const weight = 1 / (level * movies.noises[movie]);
    squares += weight * target * target;
    for (let r = 0; r < D; r++) {
      g[r] += weight * target * f[r];
      for (let c = 0; c < D; c++) N[r * D + c] += weight * f[r] * f[c];
    }
  }
  return { N, g, squares };
}

/** P⁻¹ and P⁻¹μ. */
function precisionOf({ mean, covariance }: RowPrior, D: number) {
  const precision = inverse(covariance, D);
  return { precision, pull: multiply(precision, mean, D) };
}

function solve(
  { N, g }: Equations,
  { precision, pull }: ReturnType<typeof precisionOf>,
  w: number,
  D: number,
): RowPrior {
  const covariance = inverse(
    precision.map((value, k) => value + w * N[k]),
    D,
  );
  const h = pull.map((value, k) => value + w * g[k]);
  return { mean: multiply(covariance, h, D), covariance };
}

/** Σ E[(t − x·f)²]/ν = Σ t²/ν − 2 g·m + mᵀNm + tr(N A⁻¹). */
function squaresExpected({ N, g, squares }: Equations, { mean, covariance }: RowPrior, D: number): number {
  let sum = squares;
  for (let r = 0; r < D; r++) {
    sum -= 2 * g[r] * mean[r];
    for (let c = 0; c < D; c++) sum += N[r * D + c] * (mean[r] * mean[c] + covariance[r * D + c]);
  }
  return Math.max(0, sum);
}

/**
 * What each of the user's ratings adds to their expected rating of a movie, in stars: qᵀ A⁻¹ qᵢ wᵢ (tᵢ − b_u), so positive for
 * movies like this one that they rate above their own level, or unlike it and below.
 */
export function contributionsTo(
  { D, movies }: Beliefs,
  user: FoldedIn,
  { movieIndices, targets }: OwnRatings,
  movie: number,
): Float64Array {
  const K = D - 1;
  const pull = new Float64Array(K);
  for (let r = 0; r < K; r++)
    for (let c = 0; c < K; c++) pull[r] += user.covariance[r * D + c] * movies.means[movie * D + c];
  return Float64Array.from(movieIndices, (own, i) => {
    let likeness = 0;
    for (let k = 0; k < K; k++) likeness += pull[k] * movies.means[own * D + k];
    return likeness * user.weights[i] * (targets[i] - movies.means[own * D + K] - user.mean[K]);
  });
}
