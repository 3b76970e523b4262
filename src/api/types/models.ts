// Models that come of training runs, and the engines that can train them.

import { DateTimeResolver as DateTime } from 'graphql-scalars';
import { Field, Int, ObjectType } from 'type-graphql';
import { connectionType } from '../paging.js';
import { Node } from './node.js';

@ObjectType({ implements: Node, description: 'Trained parameters, stored in the database.' })
export class Model extends Node {
  @Field(() => Int, { description: 'From 1, in the order of training.' })
  version!: number;

  @Field(() => Int, { description: 'How many users its embedding has rows for.' })
  users!: number;

  @Field(() => Int, { description: 'How many movies its embedding has rows for.' })
  movies!: number;

  @Field(() => Int, { description: 'How many numbers it learned.' })
  parameters!: number;

  @Field(() => Int, { description: 'Size of the parameters in bytes, 4 for each.' })
  bytes!: number;

  @Field(() => Boolean, { description: 'Whether it answers queries that name no model.' })
  active!: boolean;

  @Field(() => DateTime, { description: 'When it was stored, at the end of its run.' })
  createdAt!: Date;

  @Field(() => DateTime, { nullable: true, description: 'When it last became active; null if it never was.' })
  promotedAt!: Date | null;

  key!: number;
  runId!: number;
}

@ObjectType({
  description: 'An engine that can train, or the reason why it cannot here.',
  simpleResolvers: true,
})
export class Engine {
  @Field(() => String, { description: 'As startTrainingRun takes it: "tfjs:wasm", "tfjs:cpu" …' })
  name!: string;

  @Field(() => Boolean, { description: 'Whether it can train in this process.' })
  available!: boolean;

  @Field(() => String, {
    nullable: true,
    description: 'What it runs on, in words; null when it cannot be used.',
  })
  device!: string | null;

  @Field(() => String, { nullable: true, description: 'Why it cannot be used; null when it can.' })
  reason!: string | null;
}

export const ModelConnection = connectionType('Model', Model);
