// The lists of many users, as batch scoring stores them: the same movies in the same order as their recommendations.

import { setImmediate } from 'node:timers/promises';
import type { Places } from '../engines/places.js';
import type { Lists } from '../store/predictions.js';
import { ratedMovieIds } from '../store/ratings.js';
import { clipToScale, type RatingScale } from '../store/scale.js';
import type { Store } from '../store/store.js';
import { type UserRow, usersByIndex } from '../store/users.js';
import type { ModelHost } from './modelHost.js';
import type { MovieIds } from './movieIds.js';
import { rankAll } from './recommend.js';

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

/** Where lists come from. */
export interface ListsSource {
  store: Store;
  host: ModelHost;
  movieIds: MovieIds;
}

/** In parts; the next one is computed while one is written. @throws the signal's reason */
export async function* listsOf(
  source: ListsSource,
  { modelId, top, firstIndex, endIndex }: ListsRequest,
  signal: AbortSignal,
): AsyncGenerator<Lists> {
  const users = await usersByIndex(source.store, firstIndex, endIndex);
  let next = rank(source, users.slice(0, BLOCK_USERS), top);
  for (let at = 0; at < users.length; at += BLOCK_USERS) {
    const block = users.slice(at, at + BLOCK_USERS);
    const rankings = await next;
    signal.throwIfAborted();
    next = rank(source, users.slice(at + BLOCK_USERS, at + 2 * BLOCK_USERS), top);
    // The consumer may never ask for more; whoever awaits it sees the failure.
    next.catch(() => {});
    const movieIds = await source.movieIds.byIndex(endOf(rankings));
    yield toLists({ modelId, scale: source.host.scale, movieIds }, block, rankings);
    await setImmediate();
  }
}

async function rank(
  { store, host, movieIds }: ListsSource,
  users: readonly UserRow[],
  first: number,
): Promise<Places[]> {
  if (users.length === 0) return [];
  const ratedIds = await ratedMovieIds(
    store,
    users.map(({ userId }) => userId),
  );
  const rated: Int32Array[] = [];
  for (const ids of ratedIds) rated.push(await movieIds.indicesOf(ids));
  const conditions = { filter: null, excludeMovieIndices: [], includeRated: false, after: null };
  const order = 'EXPECTED_RATING' as const;
  return rankAll(
    store,
    host,
    users.map((user) => ({ user, first, order, seed: 0, ...conditions })),
    rated,
  );
}

/** One after the last row that is in any of them. */
function endOf(rankings: readonly Places[]): number {
  let end = 0;
  for (const { count, movieIndices } of rankings)
    for (let place = 0; place < count; place++) end = Math.max(end, movieIndices[place] + 1);
  return end;
}

function toLists(
  { modelId, scale, movieIds }: { modelId: number; scale: RatingScale; movieIds: Int32Array },
  users: readonly UserRow[],
  rankings: readonly Places[],
): Lists {
  const rows = rankings.reduce((sum, { count }) => sum + count, 0);
  const lists = {
    modelIds: new Int32Array(rows).fill(modelId),
    userIds: new Int32Array(rows),
    ranks: new Int32Array(rows),
    movieIds: new Int32Array(rows),
    predicted: new Float32Array(rows),
  };
  let row = 0;
  for (const [i, { count, movieIndices, scores }] of rankings.entries()) {
    lists.userIds.fill(users[i].userId, row, row + count);
    for (let place = 0; place < count; place++, row++) {
      lists.ranks[row] = place + 1;
      lists.movieIds[row] = movieIds[movieIndices[place]];
      lists.predicted[row] = clipToScale(scores[place], scale);
    }
  }
  return lists;
}
