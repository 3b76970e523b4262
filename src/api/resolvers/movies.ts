// Movies and ratings: root fields and relations.

import { Arg, Args, Ctx, FieldResolver, ID, Int, Query, Resolver, Root } from 'type-graphql';
import {
  countMovies,
  MOVIE_ORDERS,
  type MovieOrder,
  type MovieRow,
  pageOfMovies,
} from '../../store/movies.js';
import type { RatingRow } from '../../store/ratings.js';
import type { UserRow } from '../../store/users.js';
import type { Context } from '../context.js';
import { toNodeId } from '../ids.js';
import { type Connection, checkFirst, PageArgs, pageByKey } from '../paging.js';
import { chosenModel, predictedRatingOf } from '../predictions.js';
import {
  Movie,
  MovieConnection,
  MovieFilter,
  MovieOrderEnum,
  Rating,
  RatingConnection,
  RatingScale,
  User,
} from '../types/catalogue.js';
import { PredictedRating } from '../types/predictions.js';

@Resolver(() => Movie)
export class MovieResolver {
  @Query(() => Movie, { nullable: true, description: 'null when there is no such movie.' })
  movie(
    @Arg('movieId', () => Int, { description: "The data set's own number, 1 or more." }) movieId: number,
    @Ctx() { loaders }: Context,
  ): Promise<MovieRow | null> {
    return loaders.movie.load(movieId);
  }

  @Query(() => MovieConnection, { description: 'The movies that pass the filter.' })
  async movies(
    @Args() page: PageArgs,
    @Arg('filter', () => MovieFilter, { nullable: true, description: 'Which of them; all if absent.' })
    filter: MovieFilter | null,
    @Arg('orderBy', () => MovieOrderEnum, {
      nullable: true,
      defaultValue: 'MOVIE_ID',
      description: 'null means MOVIE_ID, too.',
    })
    orderBy: MovieOrder | null,
    @Ctx() { store }: Context,
  ): Promise<Connection<MovieRow>> {
    const order = orderBy ?? 'MOVIE_ID';
    return pageByKey(
      { list: `movies:${order}`, parts: MOVIE_ORDERS[order].length },
      page,
      (rows, after) => pageOfMovies(store, filter ?? {}, order, rows, after),
      () => countMovies(store, filter ?? {}),
    );
  }

  @Query(() => [Movie], { description: 'The movies with the most ratings, most first.' })
  popularMovies(
    @Arg('first', () => Int, { description: 'How many, 1 to 100.' }) first: number,
    @Arg('filter', () => MovieFilter, { nullable: true, description: 'Which of them; all if absent.' })
    filter: MovieFilter | null,
    @Ctx() { store }: Context,
  ): Promise<MovieRow[]> {
    checkFirst(first);
    return pageOfMovies(store, filter ?? {}, 'RATING_COUNT_DESC', first, null);
  }

  @FieldResolver(() => ID, { description: 'Opaque and globally unique; pass it to node(id).' })
  id(@Root() movie: MovieRow): string {
    return toNodeId('Movie', movie.movieId);
  }

  @FieldResolver(() => RatingConnection, { description: 'Its ratings, by userId.' })
  async ratings(
    @Root() movie: MovieRow,
    @Args() page: PageArgs,
    @Ctx() { loaders }: Context,
  ): Promise<Connection<RatingRow>> {
    return pageByKey(
      { list: 'ratings:movie', parts: 1 },
      page,
      (first, after) =>
        loaders.ratingsOfMovie.load({ parentId: movie.movieId, order: 'USER_ID', first, after }),
      () => movie.ratingCount,
    );
  }

  @FieldResolver(() => PredictedRating, {
    nullable: true,
    description: 'A user whom the store does not know gets a fallback.',
  })
  async predictedRating(
    @Root() movie: MovieRow,
    @Arg('userId', () => Int, {
      description: "The data set's own number, 1 or more; the store need not know the user.",
    })
    userId: number,
    @Arg('modelId', () => ID, { nullable: true, description: 'The id of a Model; the active one if absent.' })
    modelId: string | null,
    @Ctx() context: Context,
  ): Promise<PredictedRating | null> {
    return predictedRatingOf(context, await chosenModel(context, modelId), userId, movie.movieId);
  }
}

@Resolver(() => Rating)
export class RatingResolver {
  @Query(() => RatingScale, {
    description:
      'What rateMovie accepts and predictions are clipped to; half stars while there are no ratings.',
  })
  ratingScale(@Ctx() context: Context): Promise<RatingScale> {
    return context.ratingScale();
  }

  @FieldResolver(() => User, { description: 'Who gave it.' })
  user(@Root() rating: RatingRow, @Ctx() { loaders }: Context): Promise<UserRow | null> {
    return loaders.user.load(rating.userId);
  }

  @FieldResolver(() => Movie, { description: 'What was rated.' })
  movie(@Root() rating: RatingRow, @Ctx() { loaders }: Context): Promise<MovieRow | null> {
    return loaders.movie.load(rating.movieId);
  }
}
