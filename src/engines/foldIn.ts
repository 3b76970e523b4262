// A user who came after the training, or has rated since: their row given the movies', in closed form. The equations are those of a
// row in engines/sweeps.ts, with the movies' means for their draws, and for the prior what the trained users tell of it.

import type { Belief, Beliefs } from './beliefs.js';
import { choleskyLower, inverse, multiply, solveLower, solveUpper } from './denseMatrix.js';
import type { TrainingRatings } from './engine.js';
import { type Posterior, SWEEP_PRIORS } from './sweeps.js';

/** What a user is like before their ratings are known: x ~ N(center + Bᵀφ, precision⁻¹), φ as in engines/sweeps.ts. */
export interface TastePrior {
  center: Float32Array;
  /** D × D. */
  precision: Float32Array;
  /** The mean of the users: with few ratings, which ones they are tells less than it seems. */
  typical: Float32Array;
  /** Of the users' noise factors. */
  noise: number;
}

/** Ratings of one user: rows of movies that the model knows, and stars less the model's mean. */
export interface OwnRatings {
  movieIndices: Int32Array;
  targets: Float32Array;
}

/** Ratings at which the movies that were rated count as much as the typical user. In a prototype 20 was better than 5 at any number. */
const BLEND_RATINGS = 20;

/** Moments of the trained users around what their movies tell of them. */
export function fitTastePrior(beliefs: Beliefs, { tastes }: Posterior, ratings: TrainingRatings): TastePrior {
  const { D, users } = beliefs;
  const { told, isRated } = toldByMovies(tastes, ratings, users.noises.length, D);
  const [center, typical] = [new Float64Array(D), new Float64Array(D)];
  const second = new Float64Array(D * D);
  const residual = new Float64Array(D);
  let [count, noise] = [0, 0];
  for (let u = 0; u < isRated.length; u++) {
    if (!isRated[u]) continue;
    count++;
    noise += users.noises[u];
    for (let r = 0; r < D; r++) {
      typical[r] += users.means[u * D + r];
      residual[r] = users.means[u * D + r] - told[u * D + r];
      center[r] += residual[r];
      second[r * D + r] += users.variances[u * D + r];
      for (let c = 0; c <= r; c++) second[r * D + c] += residual[r] * residual[c];
    }
  }
  const covariance = second.map((_, k) => {
    const [r, c] = [Math.max(Math.floor(k / D), k % D), Math.min(Math.floor(k / D), k % D)];
    return second[r * D + c] / count - (center[r] / count) * (center[c] / count) + (r === c ? 1e-6 : 0);
  });
  return {
    center: Float32Array.from(center, (sum) => sum / count),
    precision: Float32Array.from(inverse(covariance, D)),
    typical: Float32Array.from(typical, (sum) => sum / count),
    noise: noise / count,
  };
}

/** Bᵀφ of each user (N × D). */
function toldByMovies(
  tastes: Float32Array,
  { userIndices, movieIndices }: TrainingRatings,
  users: number,
  D: number,
) {
  const told = new Float32Array(users * D);
  const counts = new Int32Array(users);
  for (let i = 0; i < userIndices.length; i++) {
    const [u, m] = [userIndices[i], movieIndices[i]];
    counts[u]++;
    for (let k = 0; k < D; k++) told[u * D + k] += tastes[m * D + k];
  }
  for (let u = 0; u < users; u++)
    for (let k = 0; k < D; k++) told[u * D + k] /= Math.sqrt(Math.max(1, counts[u]));
  return { told, isRated: Uint8Array.from(counts, (count) => (count > 0 ? 1 : 0)) };
}

/** A user's normal equations, solved: x = A⁻¹h with A = Λ + Σ wᵢ fᵢ fᵢᵀ. */
export interface FoldedIn extends Belief {
  /** A⁻¹ (D × D). */
  covariance: Float64Array;
  /** wᵢ of each rating. */
  weights: Float64Array;
}

/** How noisy this user is follows from their ratings, given a first solution. */
export function foldIn(
  beliefs: Beliefs,
  prior: TastePrior,
  tastes: Float32Array,
  ratings: OwnRatings,
): FoldedIn {
  const first = solve(beliefs, prior, tastes, ratings, prior.noise);
  const { precisionShape } = SWEEP_PRIORS;
  let squares = 0;
  for (const [i, movie] of ratings.movieIndices.entries()) {
    const error = ratings.targets[i] - outputOf(beliefs, first.mean, movie);
    squares += (error * error) / (beliefs.noise * beliefs.movies.noises[movie]);
  }
  const shape = precisionShape + ratings.targets.length / 2;
  return solve(beliefs, prior, tastes, ratings, (precisionShape * prior.noise + squares / 2) / shape);
}

function outputOf({ D, movies }: Beliefs, mean: Float32Array, movie: number): number {
  let sum = mean[D - 1] + movies.means[movie * D + D - 1];
  for (let k = 0; k < D - 1; k++) sum += mean[k] * movies.means[movie * D + k];
  return sum;
}

function solve(
  { D, movies, noise: level }: Beliefs,
  prior: TastePrior,
  tastes: Float32Array,
  { movieIndices, targets }: OwnRatings,
  noise: number,
): FoldedIn {
  const A = Float64Array.from(prior.precision);
  const h = multiply(A, priorMean(prior, tastes, movieIndices, D), D);
  const weights = Float64Array.from(movieIndices, (movie) => 1 / (level * noise * movies.noises[movie]));
  const f = new Float64Array(D);
  for (const [i, movie] of movieIndices.entries()) {
    f.set(movies.means.subarray(movie * D, (movie + 1) * D));
    const target = targets[i] - f[D - 1];
    f[D - 1] = 1;
    for (let r = 0; r < D; r++) {
      h[r] += weights[i] * target * f[r];
      for (let c = 0; c < D; c++) A[r * D + c] += weights[i] * f[r] * f[c];
    }
  }
  const L = choleskyLower(A, D);
  const covariance = inverse(A, D);
  return {
    mean: Float32Array.from(solveUpper(L, solveLower(L, h, D), D)),
    variance: Float32Array.from({ length: D }, (_, k) => covariance[k * D + k]),
    ...{ noise, covariance, weights },
  };
}

/** s (center + Bᵀφ) + (1 − s) typical, s = n/(n + 20). */
function priorMean(
  { center, typical }: TastePrior,
  tastes: Float32Array,
  movieIndices: Int32Array,
  D: number,
): Float64Array {
  const count = movieIndices.length;
  const share = count / (count + BLEND_RATINGS);
  const told = new Float64Array(D);
  for (const movie of movieIndices) for (let k = 0; k < D; k++) told[k] += tastes[movie * D + k];
  return told.map(
    (sum, k) => share * (center[k] + sum / Math.sqrt(Math.max(1, count))) + (1 - share) * typical[k],
  );
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
