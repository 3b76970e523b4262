// Searches for hyperparameters: what is asked for, how far they are, and what came of them.

import { DateTimeResolver as DateTime } from 'graphql-scalars';
import { Field, Float, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import { RunStatus, SearchStrategy } from '../../store/prisma/client.js';
import { DEFAULT_TRIALS } from '../../store/searchRequest.js';
import type { SearchScale, Space } from '../../store/searchSpace.js';
import { connectionType } from '../paging.js';
import { Hyperparameters } from './hyperparameters.js';
import { Node } from './node.js';
import { Payload } from './payload.js';
import { RunSettingsInput } from './runSettings.js';
import { Split } from './training.js';

registerEnumType(SearchStrategy, {
  name: 'SearchStrategy',
  description: 'How a search spends its epochs.',
  valuesConfig: {
    RANDOM: { description: 'All trials with all epochs.' },
    HALVING: {
      description:
        'Successive halving: all trials with few epochs, then the best third of them anew with three times as many, up to all.',
    },
  },
});

export const SearchScaleEnum = { LINEAR: 'linear', LOG: 'log' } as const;
registerEnumType(SearchScaleEnum, {
  name: 'SearchScale',
  description: 'How values are drawn from a range.',
  valuesConfig: {
    LINEAR: { description: 'Equal differences are equally likely.' },
    LOG: { description: 'Equal ratios are equally likely; the range must be above 0.' },
  },
});

@ObjectType({ description: 'One hyperparameter that varies, and what it may be.', simpleResolvers: true })
export class SearchDimension {
  @Field(() => String, { description: 'Name of the hyperparameter, as in the type Hyperparameters.' })
  name!: string;

  @Field(() => [String], {
    nullable: true,
    description: 'As text: "0.01", "adam", "true", "1024,400", "none"; null for a range.',
  })
  choices!: string[] | null;

  @Field(() => Float, { nullable: true, description: 'The lowest value; null for choices.' })
  min!: number | null;

  @Field(() => Float, { nullable: true, description: 'The highest value; null for choices.' })
  max!: number | null;

  @Field(() => SearchScaleEnum, { nullable: true, description: 'How it is drawn; null for choices.' })
  scale!: SearchScale | null;
}

@ObjectType({ description: 'How far one rung of a search is.', simpleResolvers: true })
export class SearchRung {
  @Field(() => Int, { description: 'From 1; a search by RANDOM has a single one.' })
  rung!: number;

  @Field(() => Int, { description: 'How many trials it is meant for.' })
  trials!: number;

  @Field(() => Int, {
    nullable: true,
    description: 'Epochs of each trial; null where trials differ in them.',
  })
  epochs!: number | null;

  @Field(() => Int, { description: 'Trials that wait for a worker.' })
  queued!: number;

  @Field(() => Int, { description: 'Trials that train.' })
  running!: number;

  @Field(() => Int, { description: 'Trials that have an error to be judged by.' })
  succeeded!: number;

  @Field(() => Int, { description: 'Trials that failed or were cancelled: they are passed over.' })
  failed!: number;
}

@ObjectType({
  implements: Node,
  description:
    'A search for hyperparameters. Its trials are training runs, judged on ratings held out of the training ratings; the test ratings are for the run of the winner alone.',
})
export class Search extends Node {
  @Field(() => RunStatus, {
    description: 'RUNNING from the start; SUCCEEDED once the run of the winner has; FAILED or CANCELLED.',
  })
  status!: RunStatus;

  @Field(() => SearchStrategy, { description: 'How it spends its epochs.' })
  strategy!: SearchStrategy;

  @Field(() => Int, {
    description: 'How many trials were drawn; fewer than asked for where the space has fewer.',
  })
  trialCount!: number;

  @Field(() => Int, { description: 'Of the draws and of each run; 0 or more.' })
  seed!: number;

  @Field(() => String, { description: 'The preset that the hyperparameters started from.' })
  preset!: string;

  @Field(() => Hyperparameters, {
    description: 'What trials have where nothing varies; epochs are those of the last rung.',
  })
  hyperparameters!: Hyperparameters;

  @Field(() => Split, {
    description: 'Which ratings are for training, and which for the test of the winner.',
  })
  split!: Split;

  @Field(() => String, { description: 'The engine asked for: "auto".' })
  engine!: string;

  @Field(() => Boolean, {
    description: "Whether the winner's model is to become active, unless it is worse than the active one.",
  })
  promote!: boolean;

  @Field(() => DateTime, { description: 'When it was asked for.' })
  startedAt!: Date;

  @Field(() => DateTime, { nullable: true, description: 'When it ended; null before.' })
  finishedAt!: Date | null;

  key!: number;
  dimensions!: Space;
  errorCode!: string | null;
  errorMessage!: string | null;
}

export const SearchConnection = connectionType('Search', Search);

@InputType({ description: 'One hyperparameter that varies: choices, or min and max.' })
export class SearchDimensionInput {
  @Field(() => String, {
    description:
      'Name of the hyperparameter: any of HyperparametersInput but kind, validationFraction and patience; with HALVING no epochs either. Of BAYES: embeddingWidth, epochs, burnIn and sideInformation.',
  })
  name!: string;

  @Field(() => [String], {
    nullable: true,
    description: 'One of these, as text: "0.01", "adam", "true"; hidden layers "1024,400" or "none".',
  })
  choices?: string[] | null;

  @Field(() => Float, { nullable: true, description: 'The lowest value of a range, itself included.' })
  min?: number | null;

  @Field(() => Float, { nullable: true, description: 'The highest value of a range, itself included.' })
  max?: number | null;

  @Field(() => SearchScaleEnum, {
    nullable: true,
    description: 'How values are drawn from the range; LINEAR if absent.',
  })
  scale?: SearchScale | null;
}

@InputType({
  description:
    'What to search; what is absent or null takes its default. The settings of runs are those of all trials.',
})
export class StartSearchInput extends RunSettingsInput {
  @Field(() => [SearchDimensionInput], { description: 'What varies, each once.' })
  space!: SearchDimensionInput[];

  @Field(() => SearchStrategy, {
    nullable: true,
    defaultValue: SearchStrategy.RANDOM,
    description: 'How to spend the epochs.',
  })
  strategy!: SearchStrategy;

  @Field(() => Int, {
    nullable: true,
    defaultValue: DEFAULT_TRIALS,
    description: 'How many to draw, 1 to 500; HALVING needs 3 or more.',
  })
  trials!: number;

  @Field(() => Boolean, {
    nullable: true,
    defaultValue: false,
    description: "Whether the winner's model becomes active, unless it is worse than the active one.",
  })
  promote!: boolean;
}

@ObjectType({ description: 'The search that was started, or why none was.' })
export class StartSearchPayload extends Payload {
  @Field(() => Search, {
    nullable: true,
    description: 'The search, or the earlier one with the same idempotencyKey; null when it was refused.',
  })
  search?: Search | null;
}

@InputType({ description: 'Which search to stop.' })
export class CancelSearchInput {
  @Field(() => ID, { description: 'The id of a Search that is RUNNING.' })
  searchId!: string;
}

@ObjectType({ description: 'The search that was cancelled, or why it was not.' })
export class CancelSearchPayload extends Payload {
  @Field(() => Search, { nullable: true, description: 'The search, CANCELLED; null when it was refused.' })
  search?: Search | null;
}

@InputType({ description: 'Which search to go on with.' })
export class ResumeSearchInput {
  @Field(() => ID, { description: 'The id of a Search that is FAILED or CANCELLED.' })
  searchId!: string;
}

@ObjectType({ description: 'The search that goes on, or why it does not.' })
export class ResumeSearchPayload extends Payload {
  @Field(() => Search, { nullable: true, description: 'The search, RUNNING; null when it was refused.' })
  search?: Search | null;
}
