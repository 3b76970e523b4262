// node(id) and nodes(ids): any object by its global id.

import { Arg, Ctx, ID, Query, Resolver } from 'type-graphql';
import { AppError } from '../../errors.js';
import { findImport } from '../../store/importRecord.js';
import { findScoringRun } from '../../store/scoringRuns.js';
import type { Context } from '../context.js';
import { type NodeType, parseNodeId } from '../ids.js';
import { PAGE_MAX } from '../paging.js';
import { toImport, toModel, toScoringRun, toSearch, toTrainingRun } from '../types/fromRows.js';
import { Node } from '../types/node.js';

const FINDERS: Record<NodeType, (context: Context, key: number) => Promise<object | null>> = {
  User: ({ loaders }, key) => loaders.user.load(key),
  Movie: ({ loaders }, key) => loaders.movie.load(key),
  TrainingRun: async ({ loaders }, key) => toNullable(await loaders.run.load(key), toTrainingRun),
  Model: async ({ loaders }, key) => toNullable(await loaders.model.load(key), toModel),
  Import: async ({ store }, key) => toNullable(await findImport(store, key), toImport),
  Search: async ({ loaders }, key) => toNullable(await loaders.search.load(key), toSearch),
  ScoringRun: async ({ store }, key) => toNullable(await findScoringRun(store, key), toScoringRun),
};

@Resolver()
export class NodeResolver {
  @Query(() => Node, {
    nullable: true,
    description:
      'null when there is no such object, such as the user of a predicted rating whom the store does not know.',
  })
  node(
    @Arg('id', () => ID, {
      description: 'The id of a User, Movie, TrainingRun, Model, Import, ScoringRun or Search.',
    })
    id: string,
    @Ctx() context: Context,
  ): Promise<Node | null> {
    return findNode(context, id);
  }

  @Query(() => [Node], {
    nullable: 'items',
    description: 'In the order of the ids; null where there is no such object.',
  })
  nodes(
    @Arg('ids', () => [ID], { description: 'Ids as of node(id), 100 at most.' }) ids: string[],
    @Ctx() context: Context,
  ): Promise<(Node | null)[]> {
    if (ids.length > PAGE_MAX)
      throw new AppError('BAD_INPUT', `${ids.length} ids: expected ${PAGE_MAX} at most`);
    return Promise.all(ids.map((id) => findNode(context, id)));
  }
}

async function findNode(context: Context, id: string): Promise<Node | null> {
  const parsed = parseNodeId(id);
  if (!parsed) return null;
  const found = await FINDERS[parsed.type](context, parsed.key);
  return found && ({ ...found, nodeType: parsed.type } as unknown as Node);
}

function toNullable<Row, T>(row: Row | null, convert: (row: Row) => T): T | null {
  return row === null ? null : convert(row);
}
