// Imports and what they rejected.

import { Args, Ctx, FieldResolver, Query, Resolver, Root } from 'type-graphql';
import { listImports } from '../../store/importRecord.js';
import type { Context } from '../context.js';
import { type Connection, PageArgs, pageById, pageByKey } from '../paging.js';
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
    @Args() page: PageArgs,
    @Ctx() { loaders }: Context,
  ): Promise<Connection<ImportReject>> {
    return pageByKey({ list: 'rejects', parts: 2 }, page, (first, after) =>
      loaders.rejects.load({ parentId: parent.key, order: 'FILE', first, after }),
    );
  }
}
