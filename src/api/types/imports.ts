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
  @Field(() => String, { description: 'Name of the file, such as "ratings.csv".' })
  file!: string;

  @Field(() => Int, { description: 'From 1; the header is line 1.' })
  line!: number;

  @Field(() => String, { description: 'As read, cut at 1,000 characters.' })
  raw!: string;

  @Field(() => String, {
    description: 'Why it could not be read, in words and with the value: rating "7.5" is above 5.',
  })
  reason!: string;
}

@ObjectType({
  implements: Node,
  description:
    'One import of ratings: linesRead = inserted + updated + unchanged + rejected, the header not counted.',
})
export class Import extends Node {
  @Field(() => String, { description: 'The path of the folder, archive or file that was imported.' })
  source!: string;

  @Field(() => ImportStatus, { description: 'Whether it is still running, and how it ended.' })
  status!: ImportStatus;

  @Field(() => Int, {
    description: 'Lines of the ratings file. This and the other counts are 0 until the import has succeeded.',
  })
  linesRead!: number;

  @Field(() => Int, { description: 'Lines whose rating is new to the store.' })
  inserted!: number;

  @Field(() => Int, { description: 'Lines that changed the value or the time of a rating in the store.' })
  updated!: number;

  @Field(() => Int, {
    description:
      'Lines that changed nothing: the store had this rating or a newer one, or another line replaced it.',
  })
  unchanged!: number;

  @Field(() => Int, {
    description: 'Of the unchanged: lines that a newer or later line of the same file replaced.',
  })
  duplicates!: number;

  @Field(() => Int, { description: 'Lines of the ratings file that could not be read.' })
  rejected!: number;

  @Field(() => Int, { description: 'Users who were new to the store.' })
  usersAdded!: number;

  @Field(() => Int, {
    description: 'Movies that were new to the store, those without a title in any file too.',
  })
  moviesAdded!: number;

  @Field(() => String, {
    nullable: true,
    description: 'Why it failed, with the code of docs/errors.md where there is one; null unless it failed.',
  })
  error!: string | null;

  @Field(() => DateTime, { description: 'When it began.' })
  startedAt!: Date;

  @Field(() => DateTime, { nullable: true, description: 'When it succeeded or failed; null while it runs.' })
  finishedAt!: Date | null;

  key!: number;
}

export const ImportConnection = connectionType('Import', Import);
export const ImportRejectConnection = connectionType('ImportReject', ImportReject);
