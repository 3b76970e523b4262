// What a user is like before their ratings are known, learned from the users of the training: the prior of a row that is solved for
// later (engines/foldIn.ts). Apart from the sampler's own prior, which is about users whose every training rating was in its sets.

import type { Beliefs } from './beliefs.js';
import type { TrainingRatings } from './engine.js';
import type { Posterior } from './sweeps.js';

/**
 * Two ways to guess a user's row x, φ as in engines/sweeps.ts: by the movies that were rated, N(center + Bᵀφ, covariance), or as any user's,
 * N(typical, typicalCovariance).
 */
export interface TastePrior {
  center: Float32Array;
  /** D × D. */
  covariance: Float32Array;
  typical: Float32Array;
  /** D × D. */
  typicalCovariance: Float32Array;
  /** Of the users' noise factors. */
  noise: number;
}

/** Mean and covariance (D × D) of a row. */
export interface RowPrior {
  mean: Float64Array;
  covariance: Float64Array;
}

/** Ratings at which the movies that were rated count as much as the typical user. In a prototype 20 was better than 5 at any number. */
const BLEND_RATINGS = 20;

/** Moments of the trained users: around what their movies tell of them, and around their mean. */
export function fitTastePrior(beliefs: Beliefs, { tastes }: Posterior, ratings: TrainingRatings): TastePrior {
  const { D, users } = beliefs;
  const { told, isRated } = toldByMovies(tastes, ratings, users.noises.length, D);
  const around = { movies: new Moments(D), typical: new Moments(D) };
  const none = new Float64Array(D);
  let noise = 0;
  for (let u = 0; u < isRated.length; u++) {
    if (!isRated[u]) continue;
    const row = users.means.subarray(u * D, (u + 1) * D);
    const variance = users.variances.subarray(u * D, (u + 1) * D);
    around.movies.add(row, told.subarray(u * D, (u + 1) * D), variance);
    around.typical.add(row, none, variance);
    noise += users.noises[u];
  }
  const { movies, typical } = around;
  return {
    ...{ center: movies.mean(), covariance: movies.covariance() },
    ...{ typical: typical.mean(), typicalCovariance: typical.covariance() },
    noise: noise / typical.count,
  };
}

/** Of rows that are known but for a variance of each coordinate, less something. */
class Moments {
  count = 0;
  readonly #D: number;
  readonly #sums: Float64Array;
  /** From the diagonal to the left. */
  readonly #products: Float64Array;
  readonly #difference: Float64Array;

  constructor(D: number) {
    this.#D = D;
    this.#sums = new Float64Array(D);
    this.#products = new Float64Array(D * D);
    this.#difference = new Float64Array(D);
  }

  add(row: Float32Array, less: ArrayLike<number>, variance: Float32Array): void {
    const D = this.#D;
    const difference = this.#difference;
    this.count++;
    for (let r = 0; r < D; r++) {
      difference[r] = row[r] - less[r];
      this.#sums[r] += difference[r];
      this.#products[r * D + r] += variance[r];
      for (let c = 0; c <= r; c++) this.#products[r * D + c] += difference[r] * difference[c];
    }
  }

  mean(): Float32Array {
    return Float32Array.from(this.#sums, (sum) => sum / this.count);
  }

  covariance(): Float32Array {
    const [D, sums, count] = [this.#D, this.#sums, this.count];
    return Float32Array.from({ length: D * D }, (_, k) => {
      const [a, b] = [Math.floor(k / D), k % D];
      const product = this.#products[Math.max(a, b) * D + Math.min(a, b)];
      return product / count - (sums[a] / count) * (sums[b] / count) + (a === b ? 1e-6 : 0);
    });
  }
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

/**
 * The two guesses as a mixture, of which the movies have the share n/(n + 20): its mean and covariance. With few ratings, which movies
 * they are of tells less than it seems, and the user may be far from what they tell.
 */
export function priorOf(
  { center, covariance, typical, typicalCovariance }: TastePrior,
  tastes: Float32Array,
  movieIndices: Int32Array,
  D: number,
): RowPrior {
  const count = movieIndices.length;
  const share = count / (count + BLEND_RATINGS);
  const told = new Float64Array(D);
  for (const movie of movieIndices) for (let k = 0; k < D; k++) told[k] += tastes[movie * D + k];
  const apart = told.map((sum, k) => center[k] + sum / Math.sqrt(Math.max(1, count)) - typical[k]);
  return {
    mean: apart.map((difference, k) => typical[k] + share * difference),
    covariance: Float64Array.from({ length: D * D }, (_, k) => {
      const between = apart[Math.floor(k / D)] * apart[k % D];
      return share * covariance[k] + (1 - share) * (typicalCovariance[k] + share * between);
    }),
  };
}
