// What a run or the trials of a search are asked to be: their inputs.

import { Field, Float, InputType, Int } from 'type-graphql';
import type { SplitKind } from '../../store/hyperparameters.js';
import { type ModelKind, ModelKindEnum, type OptimizerKind, OptimizerKindEnum } from './hyperparameters.js';
import { SplitKindEnum } from './training.js';

@InputType({
  description: 'Settings that replace those of the preset; what is absent or null stays as in the preset.',
})
export class HyperparametersInput {
  @Field(() => ModelKindEnum, { nullable: true, description: 'How the model is trained.' })
  kind?: ModelKind;

  @Field(() => Int, { nullable: true, description: 'Columns of the user and movie embeddings, 1 to 256.' })
  embeddingWidth?: number;

  @Field(() => [Int], {
    nullable: true,
    description:
      'Widths of the hidden layers, first to last: up to 8 layers, each 1 to 8,192 wide; empty: none.',
  })
  hiddenLayers?: number[];

  @Field(() => Boolean, {
    nullable: true,
    description: 'Whether the model adds a bias for each user and each movie.',
  })
  biases?: boolean;

  @Field(() => Boolean, {
    nullable: true,
    description: 'Whether the model adds the dot product of the embeddings of user and movie.',
  })
  dotProduct?: boolean;

  @Field(() => OptimizerKindEnum, { nullable: true, description: 'How steps are taken.' })
  optimizer?: OptimizerKind;

  @Field(() => Float, { nullable: true, description: 'Step size in the first epoch, 0.000001 to 10.' })
  learningRate?: number;

  @Field(() => Float, {
    nullable: true,
    description: 'Factor of the learning rate from one epoch to the next, 0.01 to 1.',
  })
  learningRateDecay?: number;

  @Field(() => Float, {
    nullable: true,
    description: 'Share of the last step that SGD keeps, 0 to 0.999; ADAM ignores it.',
  })
  momentum?: number;

  @Field(() => Float, {
    nullable: true,
    description: 'Weight of the sum of squares of the embeddings in the loss, 0 to 10.',
  })
  l2Embeddings?: number;

  @Field(() => Float, {
    nullable: true,
    description: 'Weight of the sum of squares of the biases of users and movies in the loss, 0 to 10.',
  })
  l2Biases?: number;

  @Field(() => Float, {
    nullable: true,
    description: 'Weight of the sum of squares of the weights of layers in the loss, 0 to 10.',
  })
  l2Weights?: number;

  @Field(() => Int, { nullable: true, description: 'Ratings per step, 1 to 65,536.' })
  batchSize?: number;

  @Field(() => Int, {
    nullable: true,
    description: 'Passes over the training ratings, 1 to 1,000; of BAYES: sweeps.',
  })
  epochs?: number;

  @Field(() => Int, {
    nullable: true,
    description: 'Of BAYES: first sweeps, which the mean leaves out, 0 to 999.',
  })
  burnIn?: number;

  @Field(() => Boolean, {
    nullable: true,
    description:
      'Of BAYES: whether genres, decades and demographics take part in the priors of movies and users.',
  })
  sideInformation?: boolean;

  @Field(() => Float, {
    nullable: true,
    description:
      'Share of the training ratings held out to tell the best epoch, whose parameters are kept, 0 to 0.5; 0: none, the last epoch’s are.',
  })
  validationFraction?: number;

  @Field(() => Int, {
    nullable: true,
    description:
      'Epochs in a row without a lower validation loss after which training stops, 0 to 999; 0: it never does. Needs validationFraction.',
  })
  patience?: number;
}

@InputType({ description: 'How to divide ratings into training and test.' })
export class SplitInput {
  @Field(() => SplitKindEnum, { nullable: true, description: 'The way of dividing; HASH if absent.' })
  kind?: SplitKind;

  @Field(() => Float, {
    nullable: true,
    description: 'Share of the ratings to hold out for the test, above 0 and below 1; 0.2 if absent.',
  })
  testFraction?: number;

  @Field(() => Int, {
    nullable: true,
    description: 'Another seed holds out other ratings; 0 or more; 42 if absent.',
  })
  seed?: number;
}

/** Of one run, or of all runs of a search. */
@InputType()
export abstract class RunSettingsInput {
  @Field(() => String, {
    nullable: true,
    defaultValue: 'paper',
    description:
      'Hyperparameters to start from: "paper", "paper-deep", "mf" (matrix factorization), or, sampled, "fast", "accurate" or "maximum".',
  })
  preset!: string;

  @Field(() => HyperparametersInput, {
    nullable: true,
    description: 'Settings that replace those of the preset; none if absent.',
  })
  hyperparameters?: HyperparametersInput | null;

  @Field(() => String, {
    nullable: true,
    defaultValue: 'auto',
    description: 'As in the query `engines`, or "auto": the fastest there is.',
  })
  engine!: string;

  @Field(() => SplitInput, {
    nullable: true,
    description: 'How to divide the ratings; HASH, 0.2 and seed 42 if absent.',
  })
  split?: SplitInput | null;

  @Field(() => Int, {
    nullable: true,
    defaultValue: 42,
    description: '0 or more. The same seed on the same engine gives the same model.',
  })
  seed!: number;

  @Field(() => Int, {
    nullable: true,
    defaultValue: 0,
    description: 'Runs of higher priority are taken first, -100 to 100.',
  })
  priority!: number;

  @Field(() => String, {
    nullable: true,
    description: 'Asking again with the same key gives the same run, or search. 200 characters at most.',
  })
  idempotencyKey?: string | null;
}
