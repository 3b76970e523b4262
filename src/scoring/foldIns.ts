// Who is answered how: from the row that was trained; by a row solved for now, for users who have rated since the model's training or
// came later; or by fallback. Rows that are solved for count on from the model's own: users, users + 1, …

import { type RatedMovies, ratedMovies } from '../store/ratings.js';
import type { Store } from '../store/store.js';
import type { Statistics } from './fallback.js';
import type { FoldInRatings } from './messages.js';
import type { ModelHost } from './modelHost.js';

export type PredictionSource = 'MODEL' | 'FOLD_IN' | 'FALLBACK';

export interface Asker extends Statistics {
  userId: number;
  /** Row of the embedding. */
  idx: number;
  /** When one of their ratings was last added, replaced or removed; null since the first import. */
  ratingsChangedAt: Date | null;
  /** Somebody whom the store does not know says what they like; absent: the store's ratings of the user. */
  tastes?: RatedMovies;
}

/** What users are that the store does not know. */
export const NOBODY: Asker = { userId: 0, idx: -1, ratingCount: 0, meanRating: null, ratingsChangedAt: null };

/** Only models that were sampled fold users in: a network has no closed form for a row, and answers as it was trained. */
export function sourceFor(host: ModelHost, user: Asker): PredictionSource {
  const isKnown = isKnownUser(host, user.idx);
  if (!host.isCertain) return isKnown ? 'MODEL' : 'FALLBACK';
  if (user.tastes) return 'FOLD_IN';
  const hasChanged = user.ratingsChangedAt !== null && user.ratingsChangedAt > host.ratingsReadAt;
  if (isKnown && !hasChanged) return 'MODEL';
  return user.ratingCount > 0 ? 'FOLD_IN' : 'FALLBACK';
}

export function isKnownUser(host: ModelHost, index: number): boolean {
  return (host.userRatingCounts[index] ?? 0) > 0;
}

export function isKnownMovie(host: ModelHost, index: number): boolean {
  return (host.movieRatingCounts[index] ?? 0) > 0;
}

export interface Rows {
  /** The row of each user; −1: none, a fallback answers. */
  indices: number[];
  /** What rows from the model's number of users on are solved from; null: there are none. */
  folded: FoldInRatings | null;
}

/** Users may come more than once. */
export async function rowsOf(store: Store, host: ModelHost, users: readonly Asker[]): Promise<Rows> {
  const askers = new Map<number | Asker, Asker>();
  const keyOf = (user: Asker) => (user.tastes ? user : user.userId);
  for (const user of users) if (sourceFor(host, user) === 'FOLD_IN') askers.set(keyOf(user), user);
  const places = new Map([...askers.keys()].map((key, place) => [key, host.userRatingCounts.length + place]));
  const indices = users.map((user) => {
    const source = sourceFor(host, user);
    if (source === 'FALLBACK') return -1;
    return source === 'MODEL' ? user.idx : places.get(keyOf(user))!;
  });
  if (askers.size === 0) return { indices, folded: null };
  return { indices, folded: toFoldIn(host, await knownRatings(store, host, [...askers.values()])) };
}

/** What each has rated of the movies that the model knows. */
export async function knownRatings(
  store: Store,
  host: ModelHost,
  users: readonly Asker[],
): Promise<RatedMovies[]> {
  const stored = users.filter(({ tastes }) => !tastes).map(({ userId }) => userId);
  const found = stored.length > 0 ? await ratedMovies(store, stored) : [];
  const byUser = new Map(stored.map((userId, i) => [userId, found[i]]));
  return users.map((user) => {
    const { movieIndices, ratings } = user.tastes ?? byUser.get(user.userId)!;
    const isKnown = (_: number, i: number) => isKnownMovie(host, movieIndices[i]);
    return { movieIndices: movieIndices.filter(isKnown), ratings: ratings.filter(isKnown) };
  });
}

export function toFoldIn(host: ModelHost, rated: readonly RatedMovies[]): FoldInRatings {
  const starts = new Int32Array(rated.length + 1);
  for (const [place, { ratings }] of rated.entries()) starts[place + 1] = starts[place] + ratings.length;
  const movieIndices = new Int32Array(starts[rated.length]);
  const targets = new Float32Array(starts[rated.length]);
  for (const [place, own] of rated.entries()) {
    movieIndices.set(own.movieIndices, starts[place]);
    targets.set(
      own.ratings.map((rating) => rating - host.ratingMean),
      starts[place],
    );
  }
  return { starts, movieIndices, targets };
}
