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
  @Field(() => Float, { description: 'In stars.' })
  threshold!: number;

  @Field(() => Int, { description: 'Actual and predicted above the threshold.' })
  truePositives!: number;

  @Field(() => Int, { description: 'Predicted above, actual not.' })
  falsePositives!: number;

  @Field(() => Int, { description: 'Neither above.' })
  trueNegatives!: number;

  @Field(() => Int, { description: 'Actual above, predicted not.' })
  falseNegatives!: number;
}

@ObjectType({ description: 'Errors on the test ratings, with predictions clipped to the scale.' })
export class Evaluation extends ErrorFigures {
  @Field(() => Int, { description: 'How many ratings were held out.' })
  testRatings!: number;

  @Field(() => [Baseline], { description: 'Worst first.' })
  baselines!: Baseline[];

  runId!: number;
  threshold!: number;
  truePositives!: number;
  falsePositives!: number;
  trueNegatives!: number;
  falseNegatives!: number;
}
