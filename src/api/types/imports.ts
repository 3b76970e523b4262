// What the loader did.

import { DateTimeResolver as DateTime } from 'graphql-scalars';
import { Field, Int, ObjectType, registerEnumType } from 'type-graphql';
import { ImportStatus } from '../../store/prisma/client.js';
import { connectionType } from '../paging.js';
import { Node } from './node.js';

registerEnumType(ImportStatus, {
  name: 'ImportStatus',
  description: 'State of an import.',
  valuesConfig: {
    RUNNING: { description: 'Readers still see the store as it was.' },
    SUCCEEDED: { description: 'All of it is visible.' },
    FAILED: { description: 'Nothing of it is visible; `error` tells why.' },
  },
});

@ObjectType({ description: 'A line that could not be read.', simpleResolvers: true })
export class ImportReject {
  @Field(() => String)
  file!: string;

  @Field(() => Int, { description: 'From 1; the header is line 1.' })
  line!: number;

  @Field(() => String, { description: 'As read, cut at 1,000 characters.' })
  raw!: string;

  @Field(() => String)
  reason!: string;
}

@ObjectType({
  implements: Node,
  description:
    'One import of ratings: linesRead = inserted + updated + unchanged + rejected, the header not counted.',
})
export class Import extends Node {
  @Field(() => String, { description: 'The path that was imported.' })
  source!: string;

  @Field(() => ImportStatus)
  status!: ImportStatus;

  @Field(() => Int, { description: 'Lines of the ratings file.' })
  linesRead!: number;

  @Field(() => Int)
  inserted!: number;

  @Field(() => Int)
  updated!: number;

  @Field(() => Int, {
    description: 'Ratings that were in the store already, and those a later line replaced.',
  })
  unchanged!: number;

  @Field(() => Int, { description: 'Of the unchanged: lines that a later line of the same file replaced.' })
  duplicates!: number;

  @Field(() => Int)
  rejected!: number;

  @Field(() => Int)
  usersAdded!: number;

  @Field(() => Int)
  moviesAdded!: number;

  @Field(() => String, { nullable: true })
  error!: string | null;

  @Field(() => DateTime)
  startedAt!: Date;

  @Field(() => DateTime, { nullable: true })
  finishedAt!: Date | null;

  key!: number;
}

export const ImportConnection = connectionType('Import', Import);
export const ImportRejectConnection = connectionType('ImportReject', ImportReject);
