// Batch scoring: stored recommendations of every user, for SQL.

import { DateTimeResolver as DateTime } from 'graphql-scalars';
import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import { RunStatus } from '../../store/prisma/client.js';
import { DEFAULT_TOP } from '../../store/scoringRuns.js';
import { connectionType } from '../paging.js';
import { Node } from './node.js';
import { Payload } from './payload.js';

@ObjectType({ description: 'How far a batch scoring has come.', simpleResolvers: true })
export class ScoringProgress {
  @Field(() => Int, { description: 'Shards, each the users of 2,048 rows of the embedding.' })
  shards!: number;

  @Field(() => Int, { description: 'Shards that are written, 0 to `shards`.' })
  shardsDone!: number;

  @Field(() => Int, { description: 'Rows of the user embedding in the shards that are written.' })
  usersDone!: number;

  @Field(() => Float, {
    description: 'Rows written for the table predictions, one for each movie of a list.',
  })
  rowsWritten!: number;

  @Field(() => Float, {
    nullable: true,
    description: 'Seconds to the last shard at the pace so far; null before the first is written.',
  })
  etaSeconds!: number | null;
}

@ObjectType({
  implements: Node,
  description:
    'A batch scoring: the recommendations of every user by one model, stored in the table predictions, where they appear all at once.',
})
export class ScoringRun extends Node {
  @Field(() => RunStatus, { description: 'Whether it waits, runs, or how it ended.' })
  status!: RunStatus;

  @Field(() => Int, { description: 'Movies in each list, at most: 1 to 1,000.' })
  top!: number;

  @Field(() => Int, { description: 'Rows of the user embedding when it was asked for.' })
  users!: number;

  @Field(() => DateTime, { description: 'When it was asked for.' })
  queuedAt!: Date;

  @Field(() => DateTime, { nullable: true, description: 'When the first shard was taken; null before.' })
  startedAt!: Date | null;

  @Field(() => DateTime, { nullable: true, description: 'When it ended; null before.' })
  finishedAt!: Date | null;

  key!: number;
  modelId!: number;
  errorCode!: string | null;
  errorMessage!: string | null;
}

export const ScoringRunConnection = connectionType('ScoringRun', ScoringRun);

@InputType({ description: 'What to score; what is absent or null takes its default.' })
export class StartBatchScoringInput {
  @Field(() => ID, { nullable: true, description: 'The id of a Model; the active one if absent.' })
  modelId?: string | null;

  @Field(() => Int, {
    nullable: true,
    defaultValue: DEFAULT_TOP,
    description: 'Movies in each list, at most: 1 to 1,000.',
  })
  top!: number;

  @Field(() => String, {
    nullable: true,
    description: 'Asking again with the same key gives the same scoring. 200 characters at most.',
  })
  idempotencyKey?: string | null;
}

@ObjectType({ description: 'The scoring that was queued, or why none was.' })
export class StartBatchScoringPayload extends Payload {
  @Field(() => ScoringRun, {
    nullable: true,
    description:
      'The queued scoring, or the one under way that was asked for alike; null when it was refused.',
  })
  scoringRun?: ScoringRun | null;
}

@InputType({ description: 'Which scoring to stop.' })
export class CancelBatchScoringInput {
  @Field(() => ID, { description: 'The id of a ScoringRun that is QUEUED or RUNNING.' })
  scoringRunId!: string;
}

@ObjectType({ description: 'The scoring that was cancelled, or why it was not.' })
export class CancelBatchScoringPayload extends Payload {
  @Field(() => ScoringRun, {
    nullable: true,
    description: 'The scoring, cancelled now: earlier lists of the model stay. null when it was refused.',
  })
  scoringRun?: ScoringRun | null;
}
