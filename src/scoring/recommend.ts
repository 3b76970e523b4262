// Rankings for users: the engine picks the best of the movies that the model knows, and what it has never seen is merged
// in by fallback. For a user it has never seen, all is fallback.

import { type Bitmap, hasMovie, keepCommon } from '../engines/bitmap.js';
import { emptyPlaces, offer, type Place, TOP } from '../engines/places.js';
import { ratedMovieIndices } from '../store/ratings.js';
import { movieStatistics } from '../store/statistics.js';
import type { Store } from '../store/store.js';
import { type Conditions, candidatesOf, filteredMovies } from './candidates.js';
import { fallbackRating, type Statistics } from './fallback.js';
import type { ModelHost } from './modelHost.js';
import { isKnownMovie, isKnownUser, type ScoredPair, type Subject, toScored } from './predict.js';

export interface Suggestion extends ScoredPair {
  /** Row of the movie embedding. */
  movieIndex: number;
}

export interface RecommendationRequest extends Conditions {
  user: Subject & { userId: number };
  first: number;
  /** The last suggestion of the page before. */
  after: Place | null;
}

/** A movie that a fallback is asked for. */
type FallbackMovie = Statistics & { index: number };

export async function recommendAll(
  store: Store,
  host: ModelHost,
  requests: readonly RecommendationRequest[],
): Promise<Suggestion[][]> {
  const userIds = requests.map(({ user }) => user.userId);
  const [rated, filtered, movies] = await Promise.all([
    ratedMovieIndices(store, userIds),
    filteredMovies(store, requests),
    fallbackMovies(store, host, requests),
  ]);
  const rows = movies.reduce((most, { index }) => Math.max(most, index + 1), host.movieRatingCounts.length);
  const candidates = requests.map((request, i) => candidatesOf(rows, request, filtered[i], rated[i]));
  const fromModel = await bestOfModel(host, requests, candidates);
  const unknown = movies.filter(({ index }) => !isKnownMovie(host, index));
  return requests.map((request, i) => {
    const isKnown = isKnownUser(host, request.user.idx);
    return merge(host, request, fromModel[i], candidates[i], isKnown ? unknown : movies);
  });
}

/** The movies that need a fallback: those unknown to the model, or all when one of the users is. */
async function fallbackMovies(
  store: Store,
  host: ModelHost,
  requests: readonly RecommendationRequest[],
): Promise<FallbackMovie[]> {
  const isForAll = requests.some(({ user }) => !isKnownUser(host, user.idx));
  const statistics = isForAll
    ? await movieStatistics(store, [], 0)
    : await movieStatistics(store, host.unknownMovieIndices, host.movieRatingCounts.length);
  return Array.from(statistics, ([index, statistic]) => ({ index, ...statistic }));
}

/** For each request the best of its candidates that the model knows, best first: at least `first`, if there are so many. */
async function bestOfModel(
  host: ModelHost,
  requests: readonly RecommendationRequest[],
  candidates: readonly Bitmap[],
): Promise<Place[][]> {
  const best: Place[][] = requests.map(() => []);
  const asked = [...requests.keys()].filter((i) => isKnownUser(host, requests[i].user.idx));
  if (asked.length === 0) return best;
  const n = Math.max(...asked.map((i) => requests[i].first));
  const words = host.knownMovies.length;
  const allowed = new Uint32Array(asked.length * words);
  for (const [b, i] of asked.entries())
    allowed.set(keepCommon(host.knownMovies.slice(), candidates[i]), b * words);
  const { counts, movieIndices, scores } = await host.topMovies({
    ...{ n, allowed, offset: host.ratingMean },
    userIndices: Int32Array.from(asked, (i) => requests[i].user.idx),
    afterScores: Float32Array.from(asked, (i) => (requests[i].after ?? TOP).score),
    afterIndices: Int32Array.from(asked, (i) => (requests[i].after ?? TOP).index),
  });
  for (const [b, i] of asked.entries()) {
    for (let place = b * n; place < b * n + counts[b]; place++)
      best[i].push({ index: movieIndices[place], score: scores[place] });
  }
  return best;
}

function merge(
  host: ModelHost,
  { user, first, after }: RecommendationRequest,
  fromModel: readonly Place[],
  candidates: Bitmap,
  fallback: readonly FallbackMovie[],
): Suggestion[] {
  const places = emptyPlaces(first);
  for (const { score, index } of fromModel) offer(places, after ?? TOP, score, index);
  for (const movie of fallback) {
    if (!hasMovie(candidates, movie.index)) continue;
    const score = Math.fround(fallbackRating(host.ratingMean, user, movie));
    offer(places, after ?? TOP, score, movie.index);
  }
  const isKnown = isKnownUser(host, user.idx);
  return Array.from(places.movieIndices.subarray(0, places.count), (movieIndex, i) => ({
    movieIndex,
    ...toScored(host, places.scores[i], isKnown && isKnownMovie(host, movieIndex) ? 'MODEL' : 'FALLBACK'),
  }));
}
