// From a user and a model to predicted ratings and recommendations, through the request's loaders.
// Apart from the resolvers because several of them ask the same.

import type { Place } from '../engines/places.js';
import type { Suggestion } from '../scoring/recommend.js';
import type { Model } from '../store/prisma/client.js';
import type { UserRow } from '../store/users.js';
import { checkUserId } from './checks.js';
import type { Context } from './context.js';
import { type Connection, decodeNumbersCursor, encodeCursor, toConnection } from './paging.js';
import { toModel } from './types/fromRows.js';
import type { PredictedRating, Recommendation, RecommendationFilter } from './types/predictions.js';

const LIST = 'recommendations';

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
  const user = foundUser ?? { userId, idx: -1, ratingCount: 0, meanRating: null };
  const scored = await loaders.prediction.load({ modelId: model.id, user, movie });
  return { user, movie, model: toModel(model), ...scored } as PredictedRating;
}

export async function recommendationsOf(
  context: Context,
  user: UserRow,
  first: number,
  after: string | null,
  filter: RecommendationFilter,
): Promise<Connection<Recommendation>> {
  const { loaders } = context;
  const model = await context.getActiveModel();
  const list = `${LIST}:${model.id}`;
  const last = decodeNumbersCursor(list, after, 3);
  const { excludeMovieIds, includeRated, ...conditions } = filter;
  const excluded = await loaders.movie.loadMany(excludeMovieIds ?? []);
  const suggestions = await loaders.suggestions.load({
    modelId: model.id,
    request: {
      user,
      filter: isEmpty(conditions) ? null : conditions,
      excludeMovieIndices: excluded.flatMap((movie) => (movie && 'idx' in movie ? [movie.idx] : [])),
      includeRated: includeRated ?? false,
      first: first + 1,
      after: last ? ({ score: last[1], index: last[2] } satisfies Place) : null,
    },
  });
  const movies = await loaders.movieByIndex.loadMany(suggestions.map(({ movieIndex }) => movieIndex));
  const rows = suggestions.map((suggestion, i) => toRow(suggestion, (last?.[0] ?? 0) + i + 1, movies[i]));
  return toConnection(rows, first, after, ({ rank, place }) =>
    encodeCursor(list, [rank, place.score, place.index]),
  );
}

function toRow({ rating, rawScore, source, movieIndex }: Suggestion, rank: number, movie: unknown) {
  const place: Place = { score: rawScore, index: movieIndex };
  return { rank, movie, predictedRating: rating, source, place } as Recommendation & { place: Place };
}

function isEmpty(conditions: object): boolean {
  return Object.values(conditions).every((value) => value === undefined || value === null);
}
