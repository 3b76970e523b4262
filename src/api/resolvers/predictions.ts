// Predicted ratings: the root field and what the store knows beside a prediction.

import { Arg, Ctx, FieldResolver, Float, ID, Int, Query, Resolver, Root } from 'type-graphql';
import { AppError } from '../../errors.js';
import { intervalOf } from '../../scoring/interval.js';
import type { Context } from '../context.js';
import { chosenModel, predictedRatingOf } from '../predictions.js';
import { PredictedRating, RatingInterval } from '../types/predictions.js';

@Resolver(() => PredictedRating)
export class PredictedRatingResolver {
  @Query(() => PredictedRating, {
    nullable: true,
    description:
      'null when there is no such movie. A user or movie that the model knows nothing of gets an answer marked FALLBACK.',
  })
  async predictedRating(
    @Arg('userId', () => Int, {
      description: "The data set's own number, 1 or more; the store need not know the user.",
    })
    userId: number,
    @Arg('movieId', () => Int, { description: "The data set's own number, 1 or more." }) movieId: number,
    @Arg('modelId', () => ID, { nullable: true, description: 'The id of a Model; the active one if absent.' })
    modelId: string | null,
    @Ctx() context: Context,
  ): Promise<PredictedRating | null> {
    return predictedRatingOf(context, await chosenModel(context, modelId), userId, movieId);
  }

  @FieldResolver(() => RatingInterval, {
    nullable: true,
    description:
      'Where a rating of this user for this movie lies, clipped to the rating scale; calibrated as Evaluation.intervals shows. null where standardDeviation is.',
  })
  async interval(
    @Root() { rawScore, standardDeviation }: PredictedRating,
    @Arg('level', () => Float, {
      nullable: true,
      defaultValue: 0.9,
      description: 'The probability that it lies there, above 0 and below 1. null means 0.9, too.',
    })
    given: number | null,
    @Ctx() context: Context,
  ): Promise<RatingInterval | null> {
    const level = given ?? 0.9;
    if (!(level > 0 && level < 1))
      throw new AppError('BAD_INPUT', `level is ${level}: expected above 0 and below 1`);
    if (standardDeviation === null) return null;
    return intervalOf(rawScore, standardDeviation, level, await context.ratingScale());
  }

  @FieldResolver(() => Float, {
    nullable: true,
    description: 'What the user did rate, in stars; null if they have not.',
  })
  async actual(
    @Root() { user, movie }: PredictedRating,
    @Ctx() { loaders }: Context,
  ): Promise<number | null> {
    const rating = await loaders.rating.load({ userId: user.userId, movieId: movie.movieId });
    return rating?.rating ?? null;
  }
}
