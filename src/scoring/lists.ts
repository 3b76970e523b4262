// The lists of many users, as batch scoring stores them: the same movies in the same order as their recommendations.

import { setImmediate } from 'node:timers/promises';
import { movieIdsByIndex } from '../store/movies.js';
import type { Lists } from '../store/predictions.js';
import type { Store } from '../store/store.js';
import { type UserRow, usersByIndex } from '../store/users.js';
import type { ModelHost } from './modelHost.js';
import { recommendAll, type Suggestion } from './recommend.js';

/** Users whose lists are asked for at once: enough for every thread, and few enough that the first rows are written soon. */
const BLOCK_USERS = 128;

export interface ListsRequest {
  modelId: number;
  /** Movies in each list, at most. */
  top: number;
  /** Rows of the user embedding: from firstIndex to before endIndex. */
  firstIndex: number;
  endIndex: number;
}

/** In parts; the next one is computed while one is written. @throws the signal's reason */
export async function* listsOf(
  store: Store,
  host: ModelHost,
  { modelId, top, firstIndex, endIndex }: ListsRequest,
  signal: AbortSignal,
): AsyncGenerator<Lists> {
  const users = await usersByIndex(store, firstIndex, endIndex);
  let movieIds = await movieIdsByIndex(store);
  let next = suggest(store, host, users.slice(0, BLOCK_USERS), top);
  for (let at = 0; at < users.length; at += BLOCK_USERS) {
    const block = users.slice(at, at + BLOCK_USERS);
    const suggestions = await next;
    signal.throwIfAborted();
    next = suggest(store, host, users.slice(at + BLOCK_USERS, at + 2 * BLOCK_USERS), top);
    // The consumer may never ask for more; whoever awaits it sees the failure.
    next.catch(() => {});
    // A movie that was added since.
    if (suggestions.some((list) => list.some(({ movieIndex }) => movieIndex >= movieIds.length)))
      movieIds = await movieIdsByIndex(store);
    yield toLists(modelId, block, suggestions, movieIds);
    await setImmediate();
  }
}

async function suggest(
  store: Store,
  host: ModelHost,
  users: readonly UserRow[],
  first: number,
): Promise<Suggestion[][]> {
  if (users.length === 0) return [];
  const conditions = { filter: null, excludeMovieIndices: [], includeRated: false, after: null };
  const order = 'EXPECTED_RATING' as const;
  return recommendAll(
    store,
    host,
    users.map((user) => ({ user, first, order, seed: 0, ...conditions })),
  );
}

function toLists(
  modelId: number,
  users: readonly UserRow[],
  suggestions: readonly Suggestion[][],
  movieIds: Int32Array,
): Lists {
  const rows = suggestions.reduce((sum, list) => sum + list.length, 0);
  const lists = {
    modelIds: new Int32Array(rows).fill(modelId),
    userIds: new Int32Array(rows),
    ranks: new Int32Array(rows),
    movieIds: new Int32Array(rows),
    predicted: new Float32Array(rows),
  };
  let row = 0;
  for (const [i, list] of suggestions.entries()) {
    for (const [place, { movieIndex, rating }] of list.entries()) {
      lists.userIds[row] = users[i].userId;
      lists.ranks[row] = place + 1;
      lists.movieIds[row] = movieIds[movieIndex];
      lists.predicted[row] = rating;
      row++;
    }
  }
  return lists;
}
