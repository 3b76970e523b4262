// Errors of a run on its test ratings, beside what simple predictors reach on the same ratings.

import { Field, Float, Int, ObjectType } from 'type-graphql';

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
}
