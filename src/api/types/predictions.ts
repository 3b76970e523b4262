// Predicted ratings and recommendations: what a model says.

import { Field, Float, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import type { PredictionSource } from '../../scoring/recommender.js';
import { connectionType } from '../paging.js';
import { Movie, MovieConditions, User } from './catalogue.js';
import { Model } from './training.js';

export const PredictionSourceEnum = { MODEL: 'MODEL', FOLD_IN: 'FOLD_IN', FALLBACK: 'FALLBACK' } as const;
registerEnumType(PredictionSourceEnum, {
  name: 'PredictionSource',
  description: 'Where a predicted rating comes from.',
  valuesConfig: {
    MODEL: { description: 'From the trained model.' },
    FOLD_IN: {
      description:
        'From the model, with the user’s part solved at the time of the request. Not given out yet.',
    },
    FALLBACK: {
      description: 'From means of ratings, because the model has never seen this user or movie in training.',
    },
  },
});

@ObjectType({ description: 'What a model expects a user to rate a movie.' })
export class PredictedRating {
  @Field(() => User, { description: 'With ratingCount 0 when the store does not know the user.' })
  user!: User;

  @Field(() => Movie)
  movie!: Movie;

  @Field(() => Float, { description: 'In stars, clipped to 0.5 to 5.' })
  rating!: number;

  @Field(() => Float, { description: 'In stars, as the model gives it, not clipped.' })
  rawScore!: number;

  @Field(() => Model, { description: 'The model that was asked; a fallback uses its mean.' })
  model!: Model;

  @Field(() => PredictionSourceEnum)
  source!: PredictionSource;
}

@ObjectType({ description: 'A movie in a user’s ranking.', simpleResolvers: true })
export class Recommendation {
  @Field(() => Int, { description: '1 is the best.' })
  rank!: number;

  @Field(() => Movie)
  movie!: Movie;

  @Field(() => Float, {
    description: 'In stars, clipped to 0.5 to 5. The ranking is by the unclipped value.',
  })
  predictedRating!: number;

  @Field(() => PredictionSourceEnum)
  source!: PredictionSource;
}

export const RecommendationConnection = connectionType('Recommendation', Recommendation);

@InputType({ description: 'Which movies may be recommended. All given conditions must hold.' })
export class RecommendationFilter extends MovieConditions {
  @Field(() => [Int], { nullable: true, description: 'Leave these movieIds out.' })
  excludeMovieIds?: number[] | null;

  @Field(() => Boolean, {
    nullable: true,
    defaultValue: false,
    description: 'Also movies that the user has rated.',
  })
  includeRated?: boolean | null;
}
