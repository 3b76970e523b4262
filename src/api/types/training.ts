// Training runs: what they were asked to do and where they stand. What they tell on the way: runFigures.ts.

import { DateTimeResolver as DateTime } from 'graphql-scalars';
import { Field, Float, Int, ObjectType, registerEnumType } from 'type-graphql';
import type { SplitKind } from '../../store/hyperparameters.js';
import { RunStatus } from '../../store/prisma/client.js';
import { connectionType } from '../paging.js';
import { Hyperparameters } from './hyperparameters.js';
import { Node } from './node.js';
import { RunLog, RunProgress } from './runFigures.js';

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
