// Predicted ratings and recommendations: what a model says.

import { Field, Float, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import type { Asker, PredictionSource } from '../../scoring/foldIns.js';
import type { RecommendationOrder } from '../../scoring/messages.js';
import { connectionType } from '../paging.js';
import { Movie, MovieConditions, User } from './catalogue.js';
import { Model } from './models.js';

export const PredictionSourceEnum = { MODEL: 'MODEL', FOLD_IN: 'FOLD_IN', FALLBACK: 'FALLBACK' } as const;
registerEnumType(PredictionSourceEnum, {
  name: 'PredictionSource',
  description: 'Where a predicted rating comes from.',
  valuesConfig: {
    MODEL: {
      description:
        'From the trained model; a movie that it was not trained with by its genres and decade, where the model learned from them.',
    },
    FOLD_IN: {
      description: 'From the model, with the user’s part solved for at the time of the request.',
    },
    FALLBACK: {
      description: 'From means of ratings, because the model knows nothing of this user or movie.',
    },
  },
});

@ObjectType({
  description: 'Between which values a rating lies, with a probability; noise of user and movie included.',
  simpleResolvers: true,
})
export class RatingInterval {
  @Field(() => Float, { description: 'Lower end in stars, not below the rating scale.' })
  low!: number;

  @Field(() => Float, { description: 'Upper end in stars, not above the rating scale.' })
  high!: number;

  @Field(() => Float, { description: 'The probability that a rating lies between them, 0 to 1.' })
  level!: number;
}

@ObjectType({ description: 'What a model expects a user to rate a movie.' })
export class PredictedRating {
  @Field(() => User, {
    description:
      'Who would rate; with ratingCount 0, and null from node(id), when the store does not know the user.',
  })
  user!: User;

  @Field(() => Movie, { description: 'What would be rated.' })
  movie!: Movie;

  @Field(() => Float, { description: 'The expected rating in stars, clipped to the rating scale.' })
  rating!: number;

  @Field(() => Float, {
    description: 'The expected rating in stars before it is clipped; may lie outside the rating scale.',
  })
  rawScore!: number;

  @Field(() => Float, {
    nullable: true,
    description:
      'Of a rating around rawScore, in stars: how unsure the model is, and how noisy ratings of this user and movie are. null of fallbacks, and of models that do not know: networks, and others trained by gradient steps.',
  })
  standardDeviation!: number | null;

  @Field(() => Model, { description: 'The model that was asked; a fallback uses its mean.' })
  model!: Model;

  @Field(() => PredictionSourceEnum, { description: 'Whether the model gave it, or a fallback.' })
  source!: PredictionSource;
}

@ObjectType({ description: 'A rating of the user that speaks for a recommendation.', simpleResolvers: true })
export class Reason {
  @Field(() => Movie, { description: 'What they have rated.' })
  movie!: Movie;

  @Field(() => Float, { description: 'Their rating, in stars.' })
  rating!: number;

  @Field(() => Float, { description: 'What it adds to the predicted rating, in stars; above 0.' })
  weight!: number;
}

export const RecommendationOrderEnum = {
  EXPECTED_RATING: 'EXPECTED_RATING',
  CAUTIOUS: 'CAUTIOUS',
  EXPLORE: 'EXPLORE',
} as const satisfies Record<RecommendationOrder, RecommendationOrder>;
registerEnumType(RecommendationOrderEnum, {
  name: 'RecommendationOrder',
  description:
    'What recommendations are ranked by. CAUTIOUS and EXPLORE need a model that knows how sure it is (presets fast, accurate and maximum); others refuse with MODEL_WITHOUT_UNCERTAINTY.',
  valuesConfig: {
    EXPECTED_RATING: { description: 'The rating that is expected, best first.' },
    CAUTIOUS: {
      description:
        'What the expected rating is above with a probability of 95 %: well-known tastes first. Leaves out movies that the model has never seen.',
    },
    EXPLORE: {
      description:
        'A rating drawn from what the model holds possible, so that movies it is unsure about get their chance; the same draw for the same seed.',
    },
  },
});

@ObjectType({ description: 'A movie in a user’s ranking.' })
export class Recommendation {
  @Field(() => Int, { description: 'Place in the ranking, from 1, the best; counts on from page to page.' })
  rank!: number;

  @Field(() => Movie, { description: 'What is recommended.' })
  movie!: Movie;

  @Field(() => Float, {
    description:
      'The expected rating in stars, clipped to the rating scale. Ranked by EXPECTED_RATING, the unclipped value counts.',
  })
  predictedRating!: number;

  @Field(() => PredictionSourceEnum, {
    description: 'Whether the model gave predictedRating, or a fallback.',
  })
  source!: PredictionSource;

  modelId!: number;
  user!: Asker;
  movieIndex!: number;
}

@InputType({ description: 'A rating of somebody whom the store need not know.' })
export class TasteInput {
  @Field(() => Int, { description: "The data set's own number of the movie, 1 or more." })
  movieId!: number;

  @Field(() => Float, { description: 'In stars, on the rating scale.' })
  rating!: number;
}

export const RecommendationConnection = connectionType('Recommendation', Recommendation);

@InputType({
  description:
    'Which movies may be recommended. All given conditions must hold; one that is absent, null or empty does not filter.',
})
export class RecommendationFilter extends MovieConditions {
  @Field(() => [Int], { nullable: true, description: 'Leave these movieIds out; unknown ones are ignored.' })
  excludeMovieIds?: number[] | null;

  @Field(() => Boolean, {
    nullable: true,
    defaultValue: false,
    description: 'Whether to rank movies that the user has rated, too.',
  })
  includeRated?: boolean | null;
}
