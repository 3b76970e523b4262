// Training runs: what they were asked to do, how far they are, and what they tell after each epoch.

import { DateTimeResolver as DateTime } from 'graphql-scalars';
import { Field, Float, Int, ObjectType, registerEnumType } from 'type-graphql';
import type { SplitKind } from '../../store/hyperparameters.js';
import { LogLevel, RunStatus } from '../../store/prisma/client.js';
import { connectionType } from '../paging.js';
import { Hyperparameters } from './hyperparameters.js';
import { Node } from './node.js';

registerEnumType(RunStatus, {
  name: 'RunStatus',
  description: 'State of a run: QUEUED → RUNNING → SUCCEEDED, FAILED or CANCELLED.',
  valuesConfig: {
    QUEUED: { description: 'Waits for a worker.' },
    RUNNING: { description: 'A worker trains it.' },
    SUCCEEDED: { description: 'Its model and evaluation are stored.' },
    FAILED: { description: 'Ended with an error, which `error` tells.' },
    CANCELLED: {
      description: 'Somebody stopped it. When its worker is stopped, it is QUEUED again instead.',
    },
  },
});

export const SplitKindEnum = {
  HASH: 'HASH',
  TEMPORAL: 'TEMPORAL',
  LEAVE_LAST_OUT: 'LEAVE_LAST_OUT',
} as const;
registerEnumType(SplitKindEnum, {
  name: 'SplitKind',
  description: 'How ratings are divided into training and test.',
  valuesConfig: {
    HASH: {
      description: 'By a seeded hash of user and movie: a rating never changes side when others are added.',
    },
    TEMPORAL: {
      description:
        'By time: the newest `testFraction` of all ratings is held out. Every rating must have a time.',
    },
    LEAVE_LAST_OUT: {
      description:
        'The last rating of each user who has two or more is held out. Every rating must have a time; `testFraction` means nothing.',
    },
  },
});

@ObjectType({ description: 'How ratings were divided into training and test.', simpleResolvers: true })
export class Split {
  @Field(() => SplitKindEnum, { description: 'The way of dividing.' })
  kind!: SplitKind;

  @Field(() => Float, { description: 'Share of the ratings held out for the test, above 0 and below 1.' })
  testFraction!: number;

  @Field(() => Int, { description: 'Of HASH: another seed holds out other ratings; 0 or more.' })
  seed!: number;
}

@ObjectType({ description: 'Where a running run stands.', simpleResolvers: true })
export class RunProgress {
  @Field(() => Int, { description: 'The epoch it is in, from 1.' })
  epoch!: number;

  @Field(() => Int, { description: 'How many epochs the run takes, 1 to 1,000.' })
  epochs!: number;

  @Field(() => Int, { description: 'Steps of this epoch that are done, 1 to `steps`.' })
  step!: number;

  @Field(() => Int, { description: 'Steps in an epoch, 1 or more.' })
  steps!: number;

  @Field(() => Float, { nullable: true, description: 'Mean squared error of this epoch so far, in stars².' })
  trainLoss!: number | null;

  @Field(() => Float, { description: 'Training ratings per second, over this epoch so far.' })
  samplesPerSecond!: number;

  @Field(() => Float, { nullable: true, description: 'Seconds to the end of the last epoch, at this pace.' })
  etaSeconds!: number | null;
}

@ObjectType({ description: 'One epoch of a run.', simpleResolvers: true })
export class EpochMetric {
  @Field(() => Int, { description: 'Number of the epoch, from 1.' })
  epoch!: number;

  @Field(() => Float, {
    description:
      'Mean squared error over the batches in stars², each before its update; of BAYES: of the sweep’s own draw.',
  })
  trainLoss!: number;

  @Field(() => Float, {
    description:
      'Mean squared error after the epoch, in stars²; of BAYES: of the mean so far. On the ratings of validationFraction; without, on the test ratings.',
  })
  validationLoss!: number;

  @Field(() => Float, { description: 'Seconds that it took, training and validation together.' })
  seconds!: number;

  @Field(() => Float, { description: 'Training ratings per second of training.' })
  samplesPerSecond!: number;

  @Field(() => Float, {
    nullable: true,
    description:
      'Of BAYES: the noise that the sweep drew, in stars: standard deviation of a rating of a user and a movie whose own factors are 1. Most factors are a little above, so that ratings lie further out. Else null.',
  })
  noise!: number | null;
}

@ObjectType({ description: 'Why a run failed or was cancelled.', simpleResolvers: true })
export class RunError {
  @Field(() => String, {
    description: 'What kind of error, for programs: a code of docs/errors.md, or INTERNAL.',
  })
  code!: string;

  @Field(() => String, { description: 'What happened, with which value.' })
  message!: string;

  @Field(() => String, { nullable: true, description: 'What to do next; null for INTERNAL.' })
  hint!: string | null;
}

@ObjectType({ description: 'How long one phase of a run took.', simpleResolvers: true })
export class PhaseTiming {
  @Field(() => String, { description: 'read, baselines, train, evaluate or rank.' })
  phase!: string;

  @Field(() => Float, { description: 'Seconds, of the attempt that succeeded.' })
  seconds!: number;
}

registerEnumType(LogLevel, {
  name: 'LogLevel',
  description: 'How serious a line of a log is.',
  valuesConfig: {
    INFO: { description: 'As it should be.' },
    WARN: { description: 'Not as planned; the run goes on, or was stopped by somebody.' },
    ERROR: { description: 'Why the run failed.' },
  },
});

@ObjectType({ description: 'What a run told at one moment.', simpleResolvers: true })
export class RunLog {
  @Field(() => DateTime, { description: 'When.' })
  loggedAt!: Date;

  @Field(() => LogLevel, { description: 'How serious it is.' })
  level!: LogLevel;

  @Field(() => String, { description: 'What happened, for a person.' })
  message!: string;

  id!: number;
}

@ObjectType({ description: 'One fact of the records of several runs, side by side.', simpleResolvers: true })
export class ComparedFact {
  @Field(() => String, {
    description: 'Name of a setting, of the ratings, or of a result: "learningRate", "rmse".',
  })
  name!: string;

  @Field(() => [String], {
    nullable: 'items',
    description: 'As text, one for each run in the order asked for; null where a run has none.',
  })
  values!: (string | null)[];

  @Field(() => Boolean, { description: 'Whether all runs have the same.' })
  same!: boolean;
}

@ObjectType({ implements: Node, description: 'One training of one model, and its record.' })
export class TrainingRun extends Node {
  @Field(() => RunStatus, { description: 'Whether it waits, trains or has ended, and how.' })
  status!: RunStatus;

  @Field(() => String, { description: 'The preset that the hyperparameters started from.' })
  preset!: string;

  @Field(() => Hyperparameters, {
    description:
      'The preset with the settings that replace its own; once it runs, as they are for so many training ratings.',
  })
  hyperparameters!: Hyperparameters;

  @Field(() => String, {
    description: 'The engine that trains: "tfjs:wasm"; until it starts, the one asked for: "auto".',
  })
  engine!: string;

  @Field(() => String, { description: 'What the engine runs on; empty until it starts.' })
  device!: string;

  @Field(() => Int, {
    nullable: true,
    description: 'How many threads the engine computes with; null until it starts.',
  })
  threads!: number | null;

  @Field(() => Int, { description: 'Of the initial parameters and of the order of the ratings; 0 or more.' })
  seed!: number;

  @Field(() => Split, { description: 'Which ratings it trains on, and which it holds out.' })
  split!: Split;

  @Field(() => RunProgress, {
    nullable: true,
    description: 'null unless it is running and has taken a step.',
  })
  progress!: RunProgress | null;

  @Field(() => Int, {
    nullable: true,
    description: 'How many ratings it trains on; null until it has read them.',
  })
  trainRatings!: number | null;

  @Field(() => Int, {
    nullable: true,
    description: 'How many are held out for the test; null until it has read them.',
  })
  testRatings!: number | null;

  @Field(() => String, {
    nullable: true,
    description: 'SHA-256 of the ratings it read, in order; null until it has read them.',
  })
  snapshotChecksum!: string | null;

  @Field(() => Int, {
    nullable: true,
    description: 'How many ratings it read in all; null until it has read them.',
  })
  snapshotRatings!: number | null;

  @Field(() => DateTime, {
    nullable: true,
    description: 'Time of the newest of them; null until it has read them, and where ratings carry no times.',
  })
  snapshotLatest!: Date | null;

  @Field(() => String, { description: 'Version of Marquee that recorded it.' })
  codeVersion!: string;

  @Field(() => Int, {
    nullable: true,
    description:
      'Of a trial of a search: which one, from 1; null for others, the run of the winner included.',
  })
  trial!: number | null;

  @Field(() => Int, { nullable: true, description: 'Of a trial: the rung of its search, from 1.' })
  rung!: number | null;

  @Field(() => Float, {
    nullable: true,
    description:
      'Of a trial that succeeded: RMSE on the validation ratings after its best epoch, not clipped, in stars; trials are judged by it. null for others.',
  })
  validationRmse!: number | null;

  @Field(() => String, {
    nullable: true,
    description:
      'Of a run that succeeded: why its model was not promoted though that was asked for; otherwise null.',
  })
  note!: string | null;

  @Field(() => DateTime, { description: 'When it was asked for.' })
  queuedAt!: Date;

  @Field(() => DateTime, { nullable: true, description: 'When it began; null if it has not run.' })
  startedAt!: Date | null;

  @Field(() => DateTime, { nullable: true, description: 'When it ended, in whatever way; null before.' })
  finishedAt!: Date | null;

  key!: number;
  /** The run that it repeats. */
  repeatedKey!: number | null;
  searchKey!: number | null;
  /** Seconds by phase. */
  timings!: Record<string, number> | null;
  errorCode!: string | null;
  errorMessage!: string | null;
}

export const RunLogConnection = connectionType('RunLog', RunLog);
export const TrainingRunConnection = connectionType('TrainingRun', TrainingRun);
