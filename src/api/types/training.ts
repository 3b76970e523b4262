// Training runs, their figures, and the models that come of them.

import { DateTimeResolver as DateTime } from 'graphql-scalars';
import { Field, Float, Int, ObjectType, registerEnumType } from 'type-graphql';
import { RunStatus } from '../../store/prisma/client.js';
import { connectionType } from '../paging.js';
import { Node } from './node.js';

registerEnumType(RunStatus, {
  name: 'RunStatus',
  description: 'QUEUED → RUNNING → SUCCEEDED, FAILED or CANCELLED.',
  valuesConfig: {
    QUEUED: { description: 'Waits for a worker.' },
    RUNNING: { description: 'A worker trains it.' },
    SUCCEEDED: { description: 'Its model and evaluation are stored.' },
    FAILED: { description: 'Ended with an error, which `error` tells.' },
    CANCELLED: { description: 'Was stopped on purpose.' },
  },
});

export const SplitKindEnum = { HASH: 'HASH' } as const;
registerEnumType(SplitKindEnum, {
  name: 'SplitKind',
  description: 'How ratings are divided into training and test.',
  valuesConfig: {
    HASH: {
      description: 'By a seeded hash of user and movie: a rating never changes side when others are added.',
    },
  },
});

@ObjectType({ description: 'Settings of the network and of its training.', simpleResolvers: true })
export class Hyperparameters {
  @Field(() => Int, { description: 'Columns of the user and movie embeddings, 1 to 256.' })
  embeddingWidth!: number;

  @Field(() => [Int], { description: 'Widths of the hidden layers, first to last.' })
  hiddenLayers!: number[];

  @Field(() => Float, { description: 'Step size of SGD.' })
  learningRate!: number;

  @Field(() => Float, { description: 'Share of the last step that is kept, 0 to below 1.' })
  momentum!: number;

  @Field(() => Int, { description: 'Ratings per step, 1 to 65,536.' })
  batchSize!: number;

  @Field(() => Int, { description: 'Passes over the training ratings.' })
  epochs!: number;
}

@ObjectType({ description: 'How ratings were divided into training and test.', simpleResolvers: true })
export class Split {
  @Field(() => SplitKindEnum)
  kind!: 'HASH';

  @Field(() => Float, { description: 'Share of the ratings held out for the test.' })
  testFraction!: number;

  @Field(() => Int, { description: 'Another seed holds out other ratings.' })
  seed!: number;
}

@ObjectType({ description: 'Where a running run stands.', simpleResolvers: true })
export class RunProgress {
  @Field(() => Int, { description: 'The epoch it is in, from 1.' })
  epoch!: number;

  @Field(() => Int)
  epochs!: number;

  @Field(() => Int, { description: 'Steps of this epoch that are done.' })
  step!: number;

  @Field(() => Int, { description: 'Steps in an epoch.' })
  steps!: number;

  @Field(() => Float, { nullable: true, description: 'Mean squared error of this epoch so far.' })
  trainLoss!: number | null;

  @Field(() => Float)
  samplesPerSecond!: number;

  @Field(() => Float, { nullable: true, description: 'Seconds to the end of the last epoch, at this pace.' })
  etaSeconds!: number | null;
}

@ObjectType({ description: 'One epoch of a run.', simpleResolvers: true })
export class EpochMetric {
  @Field(() => Int, { description: 'From 1.' })
  epoch!: number;

  @Field(() => Float, { description: 'Mean squared error over the batches, each taken before its update.' })
  trainLoss!: number;

  @Field(() => Float, { description: 'Mean squared error on the held-out ratings after the epoch.' })
  validationLoss!: number;

  @Field(() => Float, { description: 'Training and validation together.' })
  seconds!: number;

  @Field(() => Float, { description: 'Training ratings per second of training.' })
  samplesPerSecond!: number;
}

@ObjectType({ description: 'Why a run failed or was cancelled.', simpleResolvers: true })
export class RunError {
  @Field(() => String, { description: 'As in docs/errors.md, or INTERNAL.' })
  code!: string;

  @Field(() => String)
  message!: string;

  @Field(() => String, { nullable: true, description: 'What to do next; null for INTERNAL.' })
  hint!: string | null;
}

@ObjectType({ implements: Node, description: 'One training of one model, and its record.' })
export class TrainingRun extends Node {
  @Field(() => RunStatus)
  status!: RunStatus;

  @Field(() => String, { description: 'The preset that the hyperparameters started from.' })
  preset!: string;

  @Field(() => Hyperparameters)
  hyperparameters!: Hyperparameters;

  @Field(() => String, {
    description: 'The engine that trains: "tfjs:wasm"; until it starts, the one asked for: "auto".',
  })
  engine!: string;

  @Field(() => String, { description: 'What the engine runs on; empty until it starts.' })
  device!: string;

  @Field(() => Int, { description: 'Of the initial parameters and of the order of the ratings.' })
  seed!: number;

  @Field(() => Split)
  split!: Split;

  @Field(() => RunProgress, {
    nullable: true,
    description: 'null unless it is running and has taken a step.',
  })
  progress!: RunProgress | null;

  @Field(() => Int, { nullable: true, description: 'Ratings that it trains on.' })
  trainRatings!: number | null;

  @Field(() => Int, { nullable: true, description: 'Ratings held out for the test.' })
  testRatings!: number | null;

  @Field(() => String, { nullable: true, description: 'SHA-256 of the ratings it read, in order.' })
  snapshotChecksum!: string | null;

  @Field(() => String, { description: 'Version of Marquee that recorded it.' })
  codeVersion!: string;

  @Field(() => DateTime)
  queuedAt!: Date;

  @Field(() => DateTime, { nullable: true })
  startedAt!: Date | null;

  @Field(() => DateTime, { nullable: true })
  finishedAt!: Date | null;

  key!: number;
  errorCode!: string | null;
  errorMessage!: string | null;
}

@ObjectType({ implements: Node, description: 'Trained parameters, stored in the database.' })
export class Model extends Node {
  @Field(() => Int, { description: 'From 1, in the order of training.' })
  version!: number;

  @Field(() => Int, { description: 'Rows of the user embedding.' })
  users!: number;

  @Field(() => Int, { description: 'Rows of the movie embedding.' })
  movies!: number;

  @Field(() => Int, { description: 'How many numbers it learned.' })
  parameters!: number;

  @Field(() => Int, { description: 'Size of the parameters in bytes.' })
  bytes!: number;

  @Field(() => Boolean, { description: 'Whether it answers queries that name no model.' })
  active!: boolean;

  @Field(() => DateTime)
  createdAt!: Date;

  @Field(() => DateTime, { nullable: true, description: 'When it last became active.' })
  promotedAt!: Date | null;

  key!: number;
  runId!: number;
}

@ObjectType({
  description: 'An engine that can train, or the reason why it cannot here.',
  simpleResolvers: true,
})
export class Engine {
  @Field(() => String)
  name!: string;

  @Field(() => Boolean)
  available!: boolean;

  @Field(() => String, { nullable: true, description: 'What it runs on.' })
  device!: string | null;

  @Field(() => String, { nullable: true, description: 'Why it cannot be used; null when it can.' })
  reason!: string | null;
}

export const TrainingRunConnection = connectionType('TrainingRun', TrainingRun);
export const ModelConnection = connectionType('Model', Model);
