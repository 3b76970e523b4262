// Recommendations for visitors, and what speaks for a recommendation.

import { Arg, Ctx, FieldResolver, ID, Int, Query, Resolver, Root } from 'type-graphql';
import { AppError } from '../../errors.js';
import type { Context } from '../context.js';
import { checkFirst } from '../paging.js';
import { chosenModel, recommendationsForTastes } from '../predictions.js';
import { Reason, Recommendation, RecommendationFilter, TasteInput } from '../types/predictions.js';

const MOST_TASTES = 1000;

@Resolver(() => Recommendation)
export class RecommendationResolver {
  @Query(() => [Recommendation], {
    description:
      'What somebody would like who is not stored, from what they say they like: folded into the model, and forgotten. By fallback where the model cannot fold users in. Without what they name, unless the filter includes it.',
  })
  async recommendForTastes(
    @Arg('ratings', () => [TasteInput], {
      description: 'Up to 1,000; of a movie that comes twice the last one counts.',
    })
    ratings: TasteInput[],
    @Arg('first', () => Int, { description: 'How many, 1 to 100.' }) first: number,
    @Arg('filter', () => RecommendationFilter, {
      nullable: true,
      description: 'Which of them; all that are not in `ratings` if absent.',
    })
    filter: RecommendationFilter | null,
    @Arg('modelId', () => ID, { nullable: true, description: 'The id of a Model; the active one if absent.' })
    modelId: string | null,
    @Ctx() context: Context,
  ): Promise<Recommendation[]> {
    checkFirst(first);
    if (ratings.length > MOST_TASTES) {
      const message = `${ratings.length} ratings: expected at most ${MOST_TASTES}`;
      throw new AppError('BAD_INPUT', message, { argumentPath: ['ratings'] });
    }
    return recommendationsForTastes(
      context,
      await chosenModel(context, modelId),
      ratings,
      first,
      filter ?? {},
    );
  }

  @FieldResolver(() => [Reason], {
    description:
      'Ratings of the user that speak for it, strongest first. Empty of fallbacks, and of models that cannot tell: those trained by gradient steps.',
  })
  async reasons(
    @Root() { modelId, user, movieIndex }: Recommendation,
    @Arg('first', () => Int, {
      nullable: true,
      defaultValue: 3,
      description: 'How many at most, 1 to 100. null means 3, too.',
    })
    given: number | null,
    @Ctx() { loaders }: Context,
  ): Promise<Reason[]> {
    const first = given ?? 3;
    checkFirst(first);
    const reasons = (await loaders.reasons.load({ modelId, user, movieIndex })).slice(0, first);
    const movies = await loaders.movieByIndex.loadMany(reasons.map((reason) => reason.movieIndex));
    return reasons.map(({ rating, weight }, i) => ({ movie: movies[i], rating, weight }) as Reason);
  }
}
