// Which of a user's own ratings speak for a movie: what each adds to the rating that is expected of it, by the closed form of fold-in.
// The same for users who were trained with, whose rows fold-in finds again but for little.

import type { Store } from '../store/store.js';
import { type Asker, isKnownMovie, knownRatings, toFoldIn } from './foldIns.js';
import type { ModelHost } from './modelHost.js';

export interface RatingReason {
  /** Row of the embedding. */
  movieIndex: number;
  /** In stars. */
  rating: number;
  /** What it adds to the expected rating, in stars; above 0. */
  weight: number;
}

/** One list for each movie, strongest first; empty where the model cannot tell. */
export async function reasonsFor(
  store: Store,
  host: ModelHost,
  user: Asker,
  movieIndices: readonly number[],
): Promise<RatingReason[][]> {
  const known = movieIndices.filter((movie) => isKnownMovie(host, movie));
  const none = movieIndices.map(() => []);
  if (!host.isCertain || known.length === 0 || user.ratingCount === 0) return none;
  const [rated] = await knownRatings(store, host, [user]);
  if (rated.ratings.length === 0) return none;
  const own = Array.from(rated.ratings, (rating, i) => ({
    movieIndex: rated.movieIndices[i],
    // 3.3 as it was given, not as the nearest float32.
    rating: Number(rating.toPrecision(7)),
  }));
  const folded = toFoldIn(host, [rated]);
  const weights = await host.reasons({ folded, movieIndices: Int32Array.from(known) });
  const ratings = own.length;
  const lists = new Map(
    known.map((movie, place) => [
      movie,
      toReasons(own, weights.subarray(place * ratings, (place + 1) * ratings)),
    ]),
  );
  return movieIndices.map((movie) => lists.get(movie) ?? []);
}

function toReasons(own: Omit<RatingReason, 'weight'>[], weights: Float32Array): RatingReason[] {
  return own
    .map((rating, i) => ({ ...rating, weight: weights[i] }))
    .filter(({ weight }) => weight > 0)
    .sort((a, b) => b.weight - a.weight);
}
