// Users like a user and movies like a movie, by the active model.

import { Arg, Ctx, FieldResolver, Int, Resolver, Root } from 'type-graphql';
import type { MovieRow } from '../../store/movies.js';
import type { UserRow } from '../../store/users.js';
import type { Context } from '../context.js';
import { checkFirst } from '../paging.js';
import { Movie, User } from '../types/catalogue.js';
import { SimilarMovie, SimilarUser } from '../types/similar.js';

const ABOUT =
  'Most similar first, as the embeddings of the active model have it. Empty of what it has not seen in training';

@Resolver(() => Movie)
export class SimilarMovieResolver {
  @FieldResolver(() => [SimilarMovie], { description: `${ABOUT}.` })
  async similar(
    @Root() { idx }: MovieRow,
    @Arg('first', () => Int, { description: 'How many, 1 to 100.' }) first: number,
    @Ctx() context: Context,
  ): Promise<SimilarMovie[]> {
    checkFirst(first);
    const { id } = await context.getActiveModel();
    const found = await context.loaders.neighbours.load({ modelId: id, side: 'movie', row: idx, n: first });
    const movies = await context.loaders.movieByIndex.loadMany([...found.indices]);
    return movies.map((movie, i) => ({ movie, similarity: found.similarities[i] }) as SimilarMovie);
  }
}

@Resolver(() => User)
export class SimilarUserResolver {
  @FieldResolver(() => [SimilarUser], { description: `${ABOUT}, and without users who were deleted since.` })
  async similarUsers(
    @Root() { idx }: UserRow,
    @Arg('first', () => Int, { description: 'How many, 1 to 100.' }) first: number,
    @Ctx() context: Context,
  ): Promise<SimilarUser[]> {
    checkFirst(first);
    const { id } = await context.getActiveModel();
    const found = await context.loaders.neighbours.load({ modelId: id, side: 'user', row: idx, n: first });
    const users = await context.loaders.userByIndex.loadMany([...found.indices]);
    return users
      .map((user, i) => ({ user, similarity: found.similarities[i] }) as SimilarUser)
      .filter(({ user }) => user !== null);
  }
}
