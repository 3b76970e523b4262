// Imports and what they rejected.

import { Args, Ctx, FieldResolver, Query, Resolver, Root } from 'type-graphql';
import { listImports } from '../../store/importRecord.js';
import type { Context } from '../context.js';
import {
  type Connection,
  checkFirst,
  decodeCursor,
  encodeCursor,
  PageArgs,
  pageById,
  toConnection,
} from '../paging.js';
import { toImport } from '../types/fromRows.js';
import { Import, ImportConnection, type ImportReject, ImportRejectConnection } from '../types/imports.js';

@Resolver(() => Import)
export class ImportResolver {
  @Query(() => ImportConnection, { description: 'All imports, newest first.' })
  async imports(@Args() page: PageArgs, @Ctx() { store }: Context): Promise<Connection<Import>> {
    return pageById('imports', page, async (rows, from) =>
      (await listImports(store, rows, from)).map(toImport),
    );
  }

  @FieldResolver(() => ImportRejectConnection, {
    description: 'The lines that could not be read, by file, then line; of movies.csv and links.csv, too.',
  })
  async rejects(
    @Root() parent: Import,
    @Args() { first, after }: PageArgs,
    @Ctx() { loaders }: Context,
  ): Promise<Connection<ImportReject>> {
    checkFirst(first);
    const from = { first: first + 1, after: decodeCursor('rejects', after, 2) };
    const rows = await loaders.rejects.load({ parentId: parent.key, order: 'FILE', ...from });
    return toConnection(rows, first, after, (row) => encodeCursor('rejects', row.key));
  }
}
