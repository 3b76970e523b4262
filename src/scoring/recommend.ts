// Rankings for users: the model picks the best of the movies that it was trained with, tells of others by their genres, and what it knows
// nothing of is merged in by fallback; not where caution is asked for, since nothing is sure of it. For a user without a row, all is fallback.

import { type Bitmap, hasMovie } from '../engines/bitmap.js';
import { emptyPlaces, offer, type Places, TOP } from '../engines/places.js';
import { AppError } from '../errors.js';
import { ratedMovieIndices } from '../store/ratings.js';
import { movieStatistics } from '../store/statistics.js';
import type { Store } from '../store/store.js';
import { candidatesOf, filteredMovies } from './candidates.js';
import { type Describable, type Described, describe, movieRow } from './described.js';
import { fallbackRating } from './fallback.js';
import { type Asker, isKnownMovie, type Rows, rowsOf, sourceFor } from './foldIns.js';
import type { RecommendationOrder } from './messages.js';
import type { ModelHost } from './modelHost.js';
import { bestOfModel, type RecommendationRequest, scoresOfDescribed } from './modelRanking.js';
import { type ScoredPair, toScored } from './predict.js';

export interface Suggestion extends ScoredPair {
  /** Row of the movie embedding. */
  movieIndex: number;
  /** What the order goes by: rawScore, unless another order was asked for. */
  score: number;
}

/** A movie that a fallback is asked for. */
type FallbackMovie = Describable & { index: number };

/** @throws AppError MODEL_WITHOUT_UNCERTAINTY when a request's order needs it */
export async function recommendAll(
  store: Store,
  host: ModelHost,
  requests: readonly RecommendationRequest[],
): Promise<Suggestion[][]> {
  const { rankings, rows, described } = await rank(store, host, requests, null);
  const lists = requests.map(({ user }, i) => toSuggestions(host, user, rankings[i], described));
  return expectedRatings(host, requests, lists, rows, described);
}

/** Where only places and scores are wanted, for many users; `rated`: rows of the movies of each. @throws as recommendAll */
export async function rankAll(
  store: Store,
  host: ModelHost,
  requests: readonly RecommendationRequest[],
  rated: readonly Int32Array[],
): Promise<Places[]> {
  return (await rank(store, host, requests, rated)).rankings;
}

async function rank(
  store: Store,
  host: ModelHost,
  requests: readonly RecommendationRequest[],
  known: readonly Int32Array[] | null,
) {
  for (const { order } of requests) checkOrder(host, order);
  const users = requests.map(({ user }) => user);
  const [rated, filtered, movies, rows] = await Promise.all([
    known ?? ratedBy(store, users),
    filteredMovies(store, requests),
    fallbackMovies(store, host, requests),
    rowsOf(store, host, users),
  ]);
  const all = movies.reduce((most, { index }) => Math.max(most, index + 1), host.movieRatingCounts.length);
  const candidates = candidatesOf(all, requests, filtered, rated);
  const fromModel = await bestOfModel(host, requests, candidates, rows);
  const unknown = movies.filter(({ index }) => !isKnownMovie(host, index));
  const described = describe(host, unknown);
  const toldOf = await scoresOfDescribed(host, requests, described, rows);
  const rankings = requests.map((request, i) =>
    merge(host, request, fromModel[i], candidates[i], rows.indices[i] >= 0 ? unknown : movies, toldOf[i]),
  );
  return { rankings, rows, described };
}

function checkOrder({ isCertain }: ModelHost, order: RecommendationOrder): void {
  if (order === 'EXPECTED_RATING' || isCertain) return;
  const message = `the model does not know how sure it is, as the order ${order} needs`;
  throw new AppError('MODEL_WITHOUT_UNCERTAINTY', message, { argumentPath: ['orderBy'] });
}

async function ratedBy(store: Store, users: readonly Asker[]): Promise<Int32Array[]> {
  const stored = await ratedMovieIndices(
    store,
    users.map(({ userId }) => userId),
  );
  return users.map(({ tastes }, i) => tastes?.movieIndices ?? stored[i]);
}

/** The movies that need a fallback: those unknown to the model, or all when one of the users is. */
async function fallbackMovies(
  store: Store,
  host: ModelHost,
  requests: readonly RecommendationRequest[],
): Promise<FallbackMovie[]> {
  const isForAll = requests.some(({ user }) => sourceFor(host, user) === 'FALLBACK');
  const statistics = isForAll
    ? await movieStatistics(store, [], 0)
    : await movieStatistics(store, host.unknownMovieIndices, host.movieRatingCounts.length);
  return Array.from(statistics, ([index, statistic]) => ({ index, idx: index, ...statistic }));
}

/** The model's places and those of the movies that it was not trained with: as it scores them all the same (toldOf), or by fallback. */
function merge(
  host: ModelHost,
  { user, order, first, after }: RecommendationRequest,
  fromModel: Places,
  candidates: Bitmap,
  unknown: readonly FallbackMovie[],
  toldOf: ReadonlyMap<number, number>,
): Places {
  const isForSure = order === 'CAUTIOUS' && sourceFor(host, user) !== 'FALLBACK';
  const others = isForSure ? unknown.filter(({ index }) => toldOf.has(index)) : unknown;
  if (others.length === 0) return fromModel;
  const places = emptyPlaces(first);
  for (let place = 0; place < fromModel.count; place++)
    offer(places, TOP, fromModel.scores[place], fromModel.movieIndices[place]);
  for (const movie of others) {
    if (!hasMovie(candidates, movie.index)) continue;
    const score = toldOf.get(movie.index) ?? Math.fround(fallbackRating(host.ratingMean, user, movie));
    offer(places, after ?? TOP, score, movie.index);
  }
  return places;
}

function toSuggestions(
  host: ModelHost,
  user: Asker,
  { count, scores, movieIndices }: Places,
  described: Described,
): Suggestion[] {
  const source = sourceFor(host, user);
  return Array.from(movieIndices.subarray(0, count), (movieIndex, i) => {
    const score = scores[i];
    const from = movieRow(host, described, movieIndex) >= 0 ? source : 'FALLBACK';
    return { movieIndex, score, ...toScored(host, score, from, Number.NaN) };
  });
}

/** What orders other than by it do not tell: the rating that is expected of each suggestion. */
async function expectedRatings(
  host: ModelHost,
  requests: readonly RecommendationRequest[],
  lists: Suggestion[][],
  rows: Rows,
  described: Described,
): Promise<Suggestion[][]> {
  const missing = lists.flatMap((list, i) =>
    requests[i].order === 'EXPECTED_RATING'
      ? []
      : list
          .filter(({ source }) => source !== 'FALLBACK')
          .map((suggestion) => ({ suggestion, row: rows.indices[i] })),
  );
  if (missing.length === 0) return lists;
  const { outputs, deviations } = await host.predict({
    userIndices: Int32Array.from(missing, ({ row }) => row),
    movieIndices: Int32Array.from(missing, ({ suggestion }) =>
      movieRow(host, described, suggestion.movieIndex),
    ),
    ...{ folded: rows.folded, described: described.movies },
  });
  for (const [i, { suggestion }] of missing.entries())
    Object.assign(suggestion, toScored(host, host.ratingMean + outputs[i], suggestion.source, deviations[i]));
  return lists;
}
