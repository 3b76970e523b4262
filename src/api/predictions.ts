// From a user and a model to predicted ratings and recommendations, through the request's loaders.
// Apart from the resolvers because several of them ask the same.

import type { Place } from '../engines/places.js';
import { AppError } from '../errors.js';
import { type Asker, NOBODY } from '../scoring/foldIns.js';
import type { RecommendationOrder } from '../scoring/messages.js';
import { modelNotFound } from '../store/models.js';
import type { Model } from '../store/prisma/client.js';
import { checkOnScale } from '../store/ratings.js';
import type { UserRow } from '../store/users.js';
import { checkUserId } from './checks.js';
import type { Context } from './context.js';
import { toKey } from './ids.js';
import { type Connection, decodeNumbersCursor, encodeCursor, toConnection } from './paging.js';
import { toModel } from './types/fromRows.js';
import type {
  PredictedRating,
  Recommendation,
  RecommendationFilter,
  TasteInput,
} from './types/predictions.js';

const LIST = 'recommendations';

/** The model that a query names; the active one, the same for all of the request, when it names none. @throws AppError MODEL_NOT_FOUND, NO_ACTIVE_MODEL */
export async function chosenModel(context: Context, modelId: string | null): Promise<Model> {
  if (modelId === null || modelId === undefined) return context.getActiveModel();
  const key = toKey('Model', modelId, 'modelId');
  const model = await context.loaders.model.load(key);
  if (!model) throw modelNotFound(key);
  return model;
}

/** null when there is no such movie; a user whom the store does not know is answered as one without ratings. */
export async function predictedRatingOf(
  { loaders }: Context,
  model: Model,
  userId: number,
  movieId: number,
): Promise<PredictedRating | null> {
  checkUserId(userId);
  const [foundUser, movie] = await Promise.all([loaders.user.load(userId), loaders.movie.load(movieId)]);
  if (!movie) return null;
  const user = foundUser ?? { ...NOBODY, userId };
  const scored = await loaders.prediction.load({ modelId: model.id, user, movie });
  return { user, movie, model: toModel(model), ...scored } as PredictedRating;
}

export interface RankingArguments {
  first: number;
  after: string | null;
  filter: RecommendationFilter;
  order: RecommendationOrder;
  /** Of EXPLORE; null: that of the cursor, or of the day. */
  seed: number | null;
}

export async function recommendationsOf(
  context: Context,
  model: Model,
  user: UserRow,
  { first, after, filter, order, seed }: RankingArguments,
): Promise<Connection<Recommendation>> {
  const list = `${LIST}:${model.id}:${order}`;
  const last = decodeNumbersCursor(list, after, 4);
  // Pages after the first keep to the sample of the first.
  const sample = last?.[3] ?? checkSampleSeed(seed) ?? dayNumber();
  const place = last ? { score: last[1], index: last[2] } : null;
  const rows = await rank(context, model.id, user, filter, {
    ...{ first: first + 1, order, seed: sample, after: place },
    rank: last?.[0] ?? 0,
  });
  return toConnection(rows, first, after, ({ rank, place: { score, index } }) =>
    encodeCursor(list, [rank, score, index, sample]),
  );
}

/** For somebody who is not stored. @throws AppError RATING_OUT_OF_RANGE, MOVIE_NOT_FOUND, MODEL_WITHOUT_UNCERTAINTY */
export async function recommendationsForTastes(
  context: Context,
  model: Model,
  tastes: readonly TasteInput[],
  first: number,
  filter: RecommendationFilter,
): Promise<Recommendation[]> {
  const user = { ...NOBODY, ...(await toTastes(context, tastes)) };
  const order = 'EXPECTED_RATING' as const;
  return rank(context, model.id, user, filter, { first, order, seed: 0, after: null, rank: 0 });
}

async function toTastes({ loaders, ratingScale }: Context, tastes: readonly TasteInput[]) {
  const scale = await ratingScale();
  const byMovie = new Map(tastes.map(({ movieId, rating }) => [movieId, rating]));
  const movies = await Promise.all([...byMovie.keys()].map((movieId) => loaders.movie.load(movieId)));
  for (const [i, [movieId, rating]] of [...byMovie].entries()) {
    checkOnScale(rating, scale, ['ratings']);
    if (!movies[i])
      throw new AppError('MOVIE_NOT_FOUND', `no movie ${movieId}`, { argumentPath: ['ratings'] });
  }
  const ratings = Float32Array.from(byMovie.values());
  const sum = ratings.reduce((total, rating) => total + rating, 0);
  return {
    ...{ ratingCount: ratings.length, meanRating: ratings.length === 0 ? null : sum / ratings.length },
    tastes: { movieIndices: Int32Array.from(movies, (movie) => movie!.idx), ratings },
  };
}

interface RankOptions {
  first: number;
  order: RecommendationOrder;
  seed: number;
  after: Place | null;
  /** Of the last row of the page before. */
  rank: number;
}

async function rank(
  { loaders }: Context,
  modelId: number,
  user: Asker,
  { excludeMovieIds, includeRated, ...conditions }: RecommendationFilter,
  { rank: lastRank, ...options }: RankOptions,
): Promise<(Recommendation & { place: Place })[]> {
  const excluded = await loaders.movie.loadMany(excludeMovieIds ?? []);
  const request = {
    ...{ user, ...options, includeRated: includeRated ?? false },
    filter: isEmpty(conditions) ? null : conditions,
    excludeMovieIndices: excluded.flatMap((movie) => (movie && 'idx' in movie ? [movie.idx] : [])),
  };
  const suggestions = await loaders.suggestions.load({ modelId, request });
  const movies = await loaders.movieByIndex.loadMany(suggestions.map(({ movieIndex }) => movieIndex));
  return suggestions.map(({ rating, source, score, movieIndex }, i) => {
    const place: Place = { score, index: movieIndex };
    const row = { rank: lastRank + i + 1, movie: movies[i], predictedRating: rating, source };
    return { ...row, place, modelId, user, movieIndex } as Recommendation & { place: Place };
  });
}

/** Days since 1970, UTC. */
function dayNumber(): number {
  return Math.floor(Date.now() / 86_400_000);
}

function checkSampleSeed(seed: number | null): number | null {
  if (seed !== null && seed < 0)
    throw new AppError('BAD_INPUT', `seed is ${seed}: expected 0 or more`, { argumentPath: ['seed'] });
  return seed;
}

function isEmpty(conditions: object): boolean {
  return Object.values(conditions).every((value) => value === undefined || value === null);
}
