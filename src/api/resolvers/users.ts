// Users: root fields and relations.

import { Arg, Args, Ctx, FieldResolver, ID, Int, Query, Resolver, Root } from 'type-graphql';
import type { RecommendationOrder } from '../../scoring/messages.js';
import { RATING_ORDERS, type RatingOrder } from '../../store/ratings.js';
import { countUsers, pageOfUsers, USER_ORDERS, type UserOrder, type UserRow } from '../../store/users.js';
import type { Context } from '../context.js';
import { toNodeId } from '../ids.js';
import { type Connection, checkFirst, PageArgs, pageByKey } from '../paging.js';
import { chosenModel, predictedRatingOf, recommendationsOf } from '../predictions.js';
import {
  Rating,
  RatingConnection,
  RatingOrderEnum,
  User,
  UserConnection,
  UserOrderEnum,
} from '../types/catalogue.js';
import {
  PredictedRating,
  type Recommendation,
  RecommendationConnection,
  RecommendationFilter,
  RecommendationOrderEnum,
} from '../types/predictions.js';

@Resolver(() => User)
export class UserResolver {
  @Query(() => User, { nullable: true, description: 'null when there is no such user.' })
  user(
    @Arg('userId', () => Int, { description: "The data set's own number, 1 or more." }) userId: number,
    @Ctx() { loaders }: Context,
  ): Promise<UserRow | null> {
    return loaders.user.load(userId);
  }

  @Query(() => UserConnection, { description: 'All users.' })
  async users(
    @Args() page: PageArgs,
    @Arg('orderBy', () => UserOrderEnum, {
      nullable: true,
      defaultValue: 'USER_ID',
      description: 'null means USER_ID, too.',
    })
    orderBy: UserOrder | null,
    @Ctx() { store }: Context,
  ): Promise<Connection<UserRow>> {
    const order = orderBy ?? 'USER_ID';
    return pageByKey(
      { list: `users:${order}`, parts: USER_ORDERS[order].length },
      page,
      (rows, after) => pageOfUsers(store, order, rows, after),
      () => countUsers(store),
    );
  }

  @FieldResolver(() => ID, { description: 'Opaque and globally unique; pass it to node(id).' })
  id(@Root() user: UserRow): string {
    return toNodeId('User', user.userId);
  }

  @FieldResolver(() => RatingConnection, { description: 'What they have rated.' })
  async ratings(
    @Root() user: UserRow,
    @Args() page: PageArgs,
    @Arg('orderBy', () => RatingOrderEnum, {
      nullable: true,
      defaultValue: 'MOVIE_ID',
      description: 'null means MOVIE_ID, too.',
    })
    orderBy: RatingOrder | null,
    @Ctx() { loaders }: Context,
  ): Promise<Connection<Rating>> {
    const order = orderBy ?? 'MOVIE_ID';
    return pageByKey(
      { list: `ratings:user:${order}`, parts: RATING_ORDERS[order].length },
      page,
      (first, after) => loaders.ratingsOfUser.load({ parentId: user.userId, order, first, after }),
      () => user.ratingCount,
    );
  }

  @FieldResolver(() => PredictedRating, {
    nullable: true,
    description: 'null when there is no such movie.',
  })
  async predictedRating(
    @Root() user: UserRow,
    @Arg('movieId', () => Int, { description: "The data set's own number, 1 or more." }) movieId: number,
    @Arg('modelId', () => ID, { nullable: true, description: 'The id of a Model; the active one if absent.' })
    modelId: string | null,
    @Ctx() context: Context,
  ): Promise<PredictedRating | null> {
    return predictedRatingOf(context, await chosenModel(context, modelId), user.userId, movieId);
  }

  @FieldResolver(() => RecommendationConnection, {
    description:
      'The movies that the model expects them to like best, without those they have rated unless the filter includes them.',
  })
  async recommendations(
    @Root() user: UserRow,
    @Args() { first, after }: PageArgs,
    @Arg('filter', () => RecommendationFilter, {
      nullable: true,
      description: 'Which of them; all that they have not rated if absent.',
    })
    filter: RecommendationFilter | null,
    @Arg('orderBy', () => RecommendationOrderEnum, {
      nullable: true,
      defaultValue: 'EXPECTED_RATING',
      description: 'null means EXPECTED_RATING, too.',
    })
    orderBy: RecommendationOrder | null,
    @Arg('seed', () => Int, {
      nullable: true,
      description:
        'Which draw EXPLORE ranks by, 0 or more; one for each day (UTC) if absent. Pages after the first keep to the draw of the first.',
    })
    seed: number | null,
    @Arg('modelId', () => ID, { nullable: true, description: 'The id of a Model; the active one if absent.' })
    modelId: string | null,
    @Ctx() context: Context,
  ): Promise<Connection<Recommendation>> {
    checkFirst(first);
    const order = orderBy ?? 'EXPECTED_RATING';
    return recommendationsOf(context, await chosenModel(context, modelId), user, {
      first,
      after,
      filter: filter ?? {},
      order,
      seed: seed ?? null,
    });
  }
}
