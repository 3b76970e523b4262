// Predicted ratings and recommendations from a model, with the fallback for what it has never seen.
// The caller says which model, so that one answer never mixes two.

import { filterMovieIndices, type MovieFilter } from '../store/movies.js';
import { ratedMovieIndices } from '../store/ratings.js';
import { clipToScale } from '../store/scale.js';
import { movieStatistics } from '../store/statistics.js';
import type { Store } from '../store/store.js';
import { fallbackRating, type Statistics } from './fallback.js';
import type { ModelHost } from './modelHost.js';
import { createModelHosts } from './modelHosts.js';
import { type Place, topN } from './topN.js';

export type PredictionSource = 'MODEL' | 'FALLBACK';

export interface Subject extends Statistics {
  /** Row of the embedding. */
  idx: number;
}

export interface ScoredPair {
  /** In stars, clipped to the scale. */
  rating: number;
  /** In stars, not clipped. */
  rawScore: number;
  source: PredictionSource;
}

export interface Suggestion extends ScoredPair {
  /** Row of the movie embedding. */
  movieIndex: number;
}

export interface RecommendationRequest {
  user: Subject & { userId: number };
  filter: MovieFilter | null;
  excludeMovieIndices: readonly number[];
  includeRated: boolean;
  first: number;
  /** The last suggestion of the page before. */
  after: Place | null;
}

export interface Recommender {
  predict(modelId: number, pairs: readonly { user: Subject; movie: Subject }[]): Promise<ScoredPair[]>;
  recommend(modelId: number, requests: readonly RecommendationRequest[]): Promise<Suggestion[][]>;
  close(): Promise<void>;
}

export function createRecommender(store: Store): Recommender {
  const hosts = createModelHosts(store.url);
  return {
    predict: (modelId, pairs) => hosts.use(modelId, (host) => predictPairs(host, pairs)),
    recommend: (modelId, requests) => hosts.use(modelId, (host) => recommendAll(store, host, requests)),
    close: hosts.close,
  };
}

async function predictPairs(
  host: ModelHost,
  pairs: readonly { user: Subject; movie: Subject }[],
): Promise<ScoredPair[]> {
  const known = pairs.filter(
    ({ user, movie }) => isKnownUser(host, user.idx) && isKnownMovie(host, movie.idx),
  );
  const outputs = await host.predict(
    Int32Array.from(known, (pair) => pair.user.idx),
    Int32Array.from(known, (pair) => pair.movie.idx),
  );
  const outputOf = new Map(known.map((pair, i) => [pair, outputs[i]]));
  return pairs.map((pair) => {
    const output = outputOf.get(pair);
    if (output !== undefined) return toScored(host.ratingMean + output, 'MODEL');
    return toScored(fallbackRating(host.ratingMean, pair.user, pair.movie), 'FALLBACK');
  });
}

async function recommendAll(
  store: Store,
  host: ModelHost,
  requests: readonly RecommendationRequest[],
): Promise<Suggestion[][]> {
  const users = requests.map((request) => request.user);
  const [rated, statistics, scores] = await Promise.all([
    ratedMovieIndices(
      store,
      users.map((user) => user.userId),
    ),
    fallbackStatistics(store, host, users),
    scoreUsers(host, users),
  ]);
  return Promise.all(
    requests.map(async (request, i) => {
      const allScores = withFallback(host, request.user, scores[i], statistics);
      const isCandidate = await candidatesOf(store, request, rated[i]);
      const places = topN(allScores, isCandidate, request.first, request.after);
      return places.map(({ index, score }) => ({
        movieIndex: index,
        ...toScored(score, sourceOf(host, request.user, index)),
      }));
    }),
  );
}

/** Stars for every movie of the model, or null for a user it has never seen. */
async function scoreUsers(host: ModelHost, users: readonly Subject[]): Promise<(Float32Array | null)[]> {
  const known = users.map((user) => user.idx).filter((idx) => isKnownUser(host, idx));
  const distinct = [...new Set(known)];
  const outputs =
    distinct.length === 0 ? new Float32Array(0) : await host.scoreMovies(Int32Array.from(distinct));
  const movies = host.movieRatingCounts.length;
  const rowOf = new Map(distinct.map((idx, row) => [idx, row]));
  return users.map(({ idx }) => {
    const row = rowOf.get(idx);
    if (row === undefined) return null;
    return outputs.subarray(row * movies, (row + 1) * movies).map((output) => output + host.ratingMean);
  });
}

/** Of the movies that need a fallback: those unknown to the model, or all when one of the users is. */
function fallbackStatistics(
  store: Store,
  host: ModelHost,
  users: readonly Subject[],
): Promise<Map<number, Statistics>> {
  if (users.some((user) => !isKnownUser(host, user.idx))) return movieStatistics(store, [], 0);
  const unseen: number[] = [];
  for (const [index, count] of host.movieRatingCounts.entries()) if (count === 0) unseen.push(index);
  return movieStatistics(store, unseen, host.movieRatingCounts.length);
}

/** Fills in the movies that the model has never seen, and all of them for a user it has never seen. */
function withFallback(
  host: ModelHost,
  user: Subject,
  scores: Float32Array | null,
  statistics: ReadonlyMap<number, Statistics>,
): Float32Array {
  let movies = host.movieRatingCounts.length;
  for (const index of statistics.keys()) movies = Math.max(movies, index + 1);
  const all = new Float32Array(movies);
  if (scores) all.set(scores);
  for (const [index, statistic] of statistics) {
    if (scores && isKnownMovie(host, index)) continue;
    all[index] = fallbackRating(host.ratingMean, user, statistic);
  }
  return all;
}

async function candidatesOf(
  store: Store,
  { filter, excludeMovieIndices, includeRated }: RecommendationRequest,
  rated: Int32Array,
): Promise<(index: number) => boolean> {
  const excluded = new Set([...excludeMovieIndices, ...(includeRated ? [] : rated)]);
  if (!filter) return (index) => !excluded.has(index);
  const allowed = new Set(await filterMovieIndices(store, filter));
  return (index) => allowed.has(index) && !excluded.has(index);
}

function sourceOf(host: ModelHost, user: Subject, movieIndex: number): PredictionSource {
  return isKnownUser(host, user.idx) && isKnownMovie(host, movieIndex) ? 'MODEL' : 'FALLBACK';
}

function isKnownUser(host: ModelHost, index: number): boolean {
  return (host.userRatingCounts[index] ?? 0) > 0;
}

function isKnownMovie(host: ModelHost, index: number): boolean {
  return (host.movieRatingCounts[index] ?? 0) > 0;
}

function toScored(rawScore: number, source: PredictionSource): ScoredPair {
  return { rating: clipToScale(rawScore), rawScore, source };
}
