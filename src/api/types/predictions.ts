// Predicted ratings and recommendations: what a model says.

import { Field, Float, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import type { PredictionSource } from '../../scoring/predict.js';
import { connectionType } from '../paging.js';
import { Movie, MovieConditions, User } from './catalogue.js';
import { Model } from './models.js';

export const PredictionSourceEnum = { MODEL: 'MODEL', FOLD_IN: 'FOLD_IN', FALLBACK: 'FALLBACK' } as const;
registerEnumType(PredictionSourceEnum, {
  name: 'PredictionSource',
  description: 'Where a predicted rating comes from.',
  valuesConfig: {
    MODEL: { description: 'From the trained model.' },
    FOLD_IN: {
      description: 'From the model, with the user’s part solved for at the time of the request.',
    },
    FALLBACK: {
      description: 'From means of ratings, because the model has never seen this user or movie in training.',
    },
  },
});

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

  @Field(() => Model, { description: 'The model that was asked; a fallback uses its mean.' })
  model!: Model;

  @Field(() => PredictionSourceEnum, { description: 'Whether the model gave it, or a fallback.' })
  source!: PredictionSource;
}

@ObjectType({ description: 'A movie in a user’s ranking.', simpleResolvers: true })
export class Recommendation {
  @Field(() => Int, { description: 'Place in the ranking, from 1, the best; counts on from page to page.' })
  rank!: number;

  @Field(() => Movie, { description: 'What is recommended.' })
  movie!: Movie;

  @Field(() => Float, {
    description:
      'The expected rating in stars, clipped to the rating scale. The ranking is by the unclipped value.',
  })
  predictedRating!: number;

  @Field(() => PredictionSourceEnum, {
    description: 'Whether the model gave predictedRating, or a fallback.',
  })
  source!: PredictionSource;
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
