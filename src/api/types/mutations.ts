// Inputs and payloads of mutations. A refusal that a client can mend is data (`userErrors`), not a GraphQL error.

import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import type { SplitKind } from '../../store/hyperparameters.js';
import { Rating, User } from './catalogue.js';
import { type ModelKind, ModelKindEnum, type OptimizerKind, OptimizerKindEnum } from './hyperparameters.js';
import { Model } from './models.js';
import { SplitKindEnum, TrainingRun } from './training.js';

@ObjectType({ description: 'Why a mutation was refused; nothing was changed then.', simpleResolvers: true })
export class UserError {
  @Field(() => [String], {
    nullable: true,
    description:
      'Path of the argument, such as ["input", "rating"]; ["input"] when it is about no single one.',
  })
  field!: string[] | null;

  @Field(() => String, { description: 'What happened, with which value, and what to do next.' })
  message!: string;

  @Field(() => String, { description: 'What kind of refusal, for programs: a code of docs/errors.md.' })
  code!: string;
}

@ObjectType()
export abstract class Payload {
  @Field(() => [UserError], { description: 'Why it was refused; empty when it was done.' })
  userErrors!: UserError[];
}

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
      'Hyperparameters to start from: "paper", "paper-deep", "mf" (matrix factorization), or, sampled, "fast" or "accurate".',
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

@InputType({ description: 'What to train; what is absent or null takes its default.' })
export class StartTrainingRunInput extends RunSettingsInput {
  @Field(() => Boolean, {
    nullable: true,
    defaultValue: true,
    description:
      'Whether the model becomes active when the run succeeds, unless it is worse than the active one; `note` of the run says so then.',
  })
  promote!: boolean;
}

@ObjectType({ description: 'The run that was queued, or why none was.' })
export class StartTrainingRunPayload extends Payload {
  @Field(() => TrainingRun, {
    nullable: true,
    description: 'The queued run, or the earlier one with the same idempotencyKey; null when it was refused.',
  })
  trainingRun?: TrainingRun | null;
}

@InputType({ description: 'Which run to stop.' })
export class CancelTrainingRunInput {
  @Field(() => ID, { description: 'The id of a TrainingRun that is QUEUED or RUNNING.' })
  runId!: string;
}

@ObjectType({ description: 'The run that was cancelled, or why it was not.' })
export class CancelTrainingRunPayload extends Payload {
  @Field(() => TrainingRun, {
    nullable: true,
    description:
      'The run, CANCELLED: its worker stops within two seconds, its last checkpoint is kept. null when it was refused.',
  })
  trainingRun?: TrainingRun | null;
}

@InputType({ description: 'Which run to go on with.' })
export class ResumeTrainingRunInput {
  @Field(() => ID, { description: 'The id of a TrainingRun that is FAILED or CANCELLED.' })
  runId!: string;
}

@ObjectType({ description: 'The run that goes on, or why it does not.' })
export class ResumeTrainingRunPayload extends Payload {
  @Field(() => TrainingRun, {
    nullable: true,
    description:
      'The run, QUEUED: it goes on after the last epoch that was kept, or begins anew where none was or the ratings have changed. null when it was refused.',
  })
  trainingRun?: TrainingRun | null;
}

@InputType({ description: 'Which run to train once more.' })
export class RepeatTrainingRunInput {
  @Field(() => ID, { description: 'The id of a TrainingRun that has begun.' })
  runId!: string;
}

@ObjectType({ description: 'The new run, or why none was queued.' })
export class RepeatTrainingRunPayload extends Payload {
  @Field(() => TrainingRun, { nullable: true, description: 'The queued run; null when it was refused.' })
  trainingRun?: TrainingRun | null;
}

@InputType({ description: 'Which model to make the active one.' })
export class PromoteModelInput {
  @Field(() => ID, { description: 'The id of a Model. Promoting a former one rolls back.' })
  modelId!: string;

  @Field(() => Boolean, {
    nullable: true,
    defaultValue: false,
    description:
      'Promotes it also when it is worse than the active one on test ratings of both, or cannot be compared.',
  })
  force?: boolean | null;
}

@ObjectType({ description: 'The model that is active now, or why the former one stays.' })
export class PromoteModelPayload extends Payload {
  @Field(() => Model, { nullable: true, description: 'The model, active now; null when it was refused.' })
  model?: Model | null;
}

@InputType({ description: 'Who gives which movie how many stars.' })
export class RateMovieInput {
  @Field(() => Int, { description: '1 or more; a number that the store does not know makes a new user.' })
  userId!: number;

  @Field(() => Int, { description: 'The movieId of a movie of the catalogue.' })
  movieId!: number;

  @Field(() => Float, { description: 'In stars, on the rating scale.' })
  rating!: number;
}

@InputType({ description: 'Whose rating of which movie to take back.' })
export class RemoveRatingInput {
  @Field(() => Int, { description: 'The userId of the one who rated.' })
  userId!: number;

  @Field(() => Int, { description: 'The movieId of the movie that they rated.' })
  movieId!: number;
}

@ObjectType()
abstract class RatingPayload extends Payload {
  @Field(() => Rating, {
    nullable: true,
    description: 'The rating that was stored or removed; null when it was refused.',
  })
  rating?: Rating | null;

  @Field(() => User, {
    nullable: true,
    description: 'Who rates, with statistics and recommendations as they are now; null when it was refused.',
  })
  user?: User | null;
}

@ObjectType({ description: 'The rating as it is stored now, or why it was not stored.' })
export class RateMoviePayload extends RatingPayload {}

@ObjectType({ description: 'The rating that was removed, or why none was.' })
export class RemoveRatingPayload extends RatingPayload {}

@InputType({ description: 'Whom to delete.' })
export class DeleteUserInput {
  @Field(() => Int, { description: "The data set's own number, 1 or more." })
  userId!: number;
}

@ObjectType({ description: 'How many rows were removed beside the user.', simpleResolvers: true })
export class DeletionReceipt {
  @Field(() => Int, { description: 'Ratings.' })
  ratings!: number;

  @Field(() => Int, { description: 'Entries of stored lists of recommendations, of all models.' })
  recommendations!: number;

  @Field(() => Int, { description: 'Predictions that runs stored of their test ratings.' })
  testPredictions!: number;

  @Field(() => Int, { description: 'Rejected lines of imports that begin with their number.' })
  rejectedLines!: number;
}

@ObjectType({ description: 'What was removed, or why nothing was.' })
export class DeleteUserPayload extends Payload {
  @Field(() => DeletionReceipt, { nullable: true, description: 'null when it was refused.' })
  receipt?: DeletionReceipt | null;
}
