// GraphQL types of what a run tells while it trains and afterwards: progress, epochs, phases, log, errors. The run itself: training.ts.

import { DateTimeResolver as DateTime } from 'graphql-scalars';
import { Field, Float, Int, ObjectType, registerEnumType } from 'type-graphql';
import { LogLevel } from '../../store/prisma/client.js';

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
      'Of BAYES: the noise that the sweep drew, in stars: the standard deviation of the training ratings around what is expected of them, √ of their mean variance. Else null.',
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
