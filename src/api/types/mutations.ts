// Inputs and payloads of mutations. A refusal that a client can mend is data (`userErrors`), not a GraphQL error.

import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import { Rating, User } from './catalogue.js';
import { Model, SplitKindEnum, TrainingRun } from './training.js';

@ObjectType({ description: 'Why a mutation was refused; nothing was changed then.', simpleResolvers: true })
export class UserError {
  @Field(() => [String], {
    nullable: true,
    description: 'Path of the argument, such as ["input", "rating"].',
  })
  field!: string[] | null;

  @Field(() => String, { description: 'What happened, with which value, and what to do next.' })
  message!: string;

  @Field(() => String, { description: 'As in docs/errors.md.' })
  code!: string;
}

@ObjectType()
abstract class Payload {
  @Field(() => [UserError], { description: 'Empty when it was done.' })
  userErrors!: UserError[];
}

@InputType({ description: 'Settings that replace those of the preset; ranges as in Hyperparameters.' })
export class HyperparametersInput {
  @Field(() => Int, { nullable: true, description: '1 to 256.' })
  embeddingWidth?: number;

  @Field(() => [Int], { nullable: true, description: '1 to 8 layers, each 1 to 8,192 wide.' })
  hiddenLayers?: number[];

  @Field(() => Float, { nullable: true, description: '0.000001 to 10.' })
  learningRate?: number;

  @Field(() => Float, { nullable: true, description: '0 to 0.999.' })
  momentum?: number;

  @Field(() => Int, { nullable: true, description: '1 to 65,536.' })
  batchSize?: number;

  @Field(() => Int, { nullable: true, description: '1 to 1,000.' })
  epochs?: number;
}

@InputType({ description: 'How to divide ratings into training and test.' })
export class SplitInput {
  @Field(() => SplitKindEnum, { nullable: true, description: 'HASH if absent.' })
  kind?: 'HASH';

  @Field(() => Float, { nullable: true, description: 'Above 0 and below 1; 0.2 if absent.' })
  testFraction?: number;

  @Field(() => Int, { nullable: true, description: '0 or more; 42 if absent.' })
  seed?: number;
}

@InputType()
export class StartTrainingRunInput {
  @Field(() => String, { nullable: true, defaultValue: 'paper', description: '"paper" or "paper-deep".' })
  preset!: string;

  @Field(() => HyperparametersInput, { nullable: true })
  hyperparameters?: HyperparametersInput | null;

  @Field(() => String, {
    nullable: true,
    defaultValue: 'auto',
    description: 'As in the query `engines`, or "auto": the fastest there is.',
  })
  engine!: string;

  @Field(() => SplitInput, { nullable: true })
  split?: SplitInput | null;

  @Field(() => Int, {
    nullable: true,
    defaultValue: 42,
    description: '0 or more. The same seed on the same engine gives the same model.',
  })
  seed!: number;

  @Field(() => String, { nullable: true, description: 'Asking again with the same key gives the same run.' })
  idempotencyKey?: string | null;

  @Field(() => Boolean, {
    nullable: true,
    defaultValue: true,
    description: 'Whether the model becomes active when the run succeeds.',
  })
  promote!: boolean;
}

@ObjectType()
export class StartTrainingRunPayload extends Payload {
  @Field(() => TrainingRun, { nullable: true })
  trainingRun?: TrainingRun | null;
}

@InputType()
export class PromoteModelInput {
  @Field(() => ID, { description: 'The id of a Model. Promoting a former one rolls back.' })
  modelId!: string;
}

@ObjectType()
export class PromoteModelPayload extends Payload {
  @Field(() => Model, { nullable: true })
  model?: Model | null;
}

@InputType()
export class RateMovieInput {
  @Field(() => Int, { description: '1 or more; a number that the store does not know makes a new user.' })
  userId!: number;

  @Field(() => Int)
  movieId!: number;

  @Field(() => Float, { description: 'In stars, 0.5 to 5.' })
  rating!: number;
}

@InputType()
export class RemoveRatingInput {
  @Field(() => Int)
  userId!: number;

  @Field(() => Int)
  movieId!: number;
}

@ObjectType()
abstract class RatingPayload extends Payload {
  @Field(() => Rating, { nullable: true })
  rating?: Rating | null;

  @Field(() => User, { nullable: true, description: 'With statistics and recommendations as they are now.' })
  user?: User | null;
}

@ObjectType()
export class RateMoviePayload extends RatingPayload {}

@ObjectType({ description: '`rating` is the one that was removed.' })
export class RemoveRatingPayload extends RatingPayload {}
