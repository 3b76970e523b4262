// Errors of a run on its test ratings, beside what simple predictors reach on the same ratings.

import { Field, Float, Int, ObjectType } from 'type-graphql';
import type { RankingRecord } from '../../store/rankings.js';

@ObjectType()
abstract class ErrorFigures {
  @Field(() => Float, { description: 'Mean squared error, in stars².' })
  mse!: number;

  @Field(() => Float, { description: 'Root mean squared error, in stars.' })
  rmse!: number;

  @Field(() => Float, { description: 'Mean absolute error, in stars.' })
  mae!: number;
}

@ObjectType({
  description: 'A simple predictor, fitted on the training ratings, on the same test ratings.',
  simpleResolvers: true,
})
export class Baseline extends ErrorFigures {
  @Field(() => String, { description: '"global mean", "user mean", "movie mean" or "user+movie bias".' })
  name!: string;
}

@ObjectType({
  description: 'Test ratings by actual and predicted class; positive means above the threshold.',
})
export class ConfusionMatrix {
  @Field(() => Float, { description: 'In stars; a rating is positive when it is above.' })
  threshold!: number;

  @Field(() => Int, { description: 'How many test ratings are above the threshold and predicted so.' })
  truePositives!: number;

  @Field(() => Int, { description: 'How many are predicted above the threshold and are not.' })
  falsePositives!: number;

  @Field(() => Int, { description: 'How many are not above the threshold and predicted so.' })
  trueNegatives!: number;

  @Field(() => Int, { description: 'How many are above the threshold and not predicted so.' })
  falseNegatives!: number;
}

@ObjectType({
  description:
    'What intervals of one level held of the test ratings. Calibrated: `held` is close to `level`. Intervals are predictive: they include the noise of user and movie.',
  simpleResolvers: true,
})
export class IntervalShare {
  @Field(() => Float, { description: 'The probability that was promised, 0 to 1.' })
  level!: number;

  @Field(() => Float, { description: 'The share of test ratings within their intervals, 0 to 1.' })
  held!: number;
}

@ObjectType({
  description: 'Test ratings whose predictions lie in one quarter of a star.',
  simpleResolvers: true,
})
export class CalibrationBin {
  @Field(() => Float, { description: 'In stars; the bin ends a quarter of a star above.' })
  predictedFrom!: number;

  @Field(() => Int, { description: 'How many test ratings were predicted so, 1 or more.' })
  ratings!: number;

  @Field(() => Float, { description: 'What was predicted of them on average, in stars.' })
  meanPredicted!: number;

  @Field(() => Float, { description: 'What they are on average, in stars; calibrated: the same.' })
  meanActual!: number;
}

@ObjectType()
abstract class RankingFigures {
  @Field(() => Float, { description: 'Normalized discounted cumulative gain with binary relevance, 0 to 1.' })
  ndcg!: number;

  @Field(() => Float, { description: 'Share of the relevant movies that are listed, 0 to 1.' })
  recall!: number;

  @Field(() => Float, { description: 'Share of the k places that hold relevant movies, 0 to 1.' })
  precision!: number;

  @Field(() => Float, { description: 'Mean average precision, over min(k, relevant movies), 0 to 1.' })
  map!: number;

  @Field(() => Float, { description: 'Share of the users with a relevant movie in their list, 0 to 1.' })
  hitRate!: number;

  @Field(() => Float, { description: 'Share of all movies that is in some list, 0 to 1.' })
  coverage!: number;

  @Field(() => Float, {
    description: 'Bits of surprise: mean −log2 of the share of users who rated what is listed, 0 or more.',
  })
  novelty!: number;

  @Field(() => Float, {
    nullable: true,
    description:
      '1 minus the mean share that the lists of two users have in common, 0 to 1; null for one user.',
  })
  diversity!: number | null;
}

@ObjectType({
  description: 'Lists of an order that needs no model, for the same users.',
  simpleResolvers: true,
})
export class RankingBaseline extends RankingFigures {
  @Field(() => String, { description: '"popularity" (most training ratings) or "user+movie bias".' })
  name!: string;
}

@ObjectType({
  description:
    'Means over users of lists of the best k movies, of all that the user has no training rating of. Relevant: test ratings in the upper quarter of the scale (4 stars and more in MovieLens).',
})
export class RankingMetrics extends RankingFigures {
  @Field(() => Int, { description: 'Places in each list.' })
  k!: number;

  @Field(() => Int, {
    description:
      'Users with relevant test ratings whose lists were made: all, or a fixed sample where lists are dear.',
  })
  users!: number;

  @Field(() => [RankingBaseline], { description: 'The same figures of simple orders; highest NDCG first.' })
  baselines!: RankingBaseline[];
}

@ObjectType({ description: 'Errors on the test ratings, with predictions clipped to the scale.' })
export class Evaluation extends ErrorFigures {
  @Field(() => Int, { description: 'How many ratings were held out, 1 or more.' })
  testRatings!: number;

  @Field(() => [Baseline], {
    description: 'What simple predictors reach on the same ratings; highest RMSE first.',
  })
  baselines!: Baseline[];

  @Field(() => [IntervalShare], {
    description:
      'Of 50, 80, 90 and 95 %. Empty for models that do not know how sure they are: those trained by gradient steps.',
  })
  intervals!: IntervalShare[];

  runId!: number;
  scaleMinimum!: number;
  scaleMaximum!: number;
  scaleStep!: number;
  threshold!: number;
  truePositives!: number;
  falsePositives!: number;
  trueNegatives!: number;
  falseNegatives!: number;
  auc!: number | null;
  rankings!: RankingRecord[];
}
