// What the open model is asked for: the best movies that it was trained with, and scores of those that it knows by their genres.
// Requests of one order go to it together.

import { type Bitmap, keepCommon } from '../engines/bitmap.js';
import { emptyPlaces, type Place, type Places, TOP } from '../engines/places.js';
import type { Conditions } from './candidates.js';
import type { Described } from './described.js';
import type { Asker, Rows } from './foldIns.js';
import type { RankRequest, RecommendationOrder } from './messages.js';
import type { ModelHost } from './modelHost.js';

export interface RecommendationRequest extends Conditions {
  user: Asker;
  order: RecommendationOrder;
  /** Which sample EXPLORE goes by. */
  seed: number;
  first: number;
  /** The last suggestion of the page before. */
  after: Place | null;
}

/** For each request the best of its candidates that the model knows, best first: at least `first`, if there are so many. */
export async function bestOfModel(
  host: ModelHost,
  requests: readonly RecommendationRequest[],
  candidates: readonly Bitmap[],
  rows: Rows,
): Promise<Places[]> {
  const best = requests.map(() => emptyPlaces(0));
  // Equal in order and in whether rows are solved for: users who are known keep to the engine.
  const groups = new Map<string, number[]>();
  for (const [i, { order }] of requests.entries()) {
    if (rows.indices[i] < 0) continue;
    const key = `${order} ${rows.indices[i] >= host.userRatingCounts.length}`;
    groups.set(key, [...(groups.get(key) ?? []), i]);
  }
  for (const asked of groups.values()) {
    const isFolded = rows.indices[asked[0]] >= host.userRatingCounts.length;
    const request = toRankRequest(host, requests, candidates, rows.indices, asked);
    const { n } = request;
    const top = await host.topMovies({ ...request, folded: isFolded ? rows.folded : null });
    for (const [b, i] of asked.entries()) {
      const count = Math.min(top.counts[b], requests[i].first);
      const from = b * n;
      const scores = top.scores.subarray(from, from + count);
      const movieIndices = top.movieIndices.subarray(from, from + count);
      best[i] = { count, scores, movieIndices };
    }
  }
  return best;
}

/** asked: places in `requests`, of one order. */
function toRankRequest(
  host: ModelHost,
  requests: readonly RecommendationRequest[],
  candidates: readonly Bitmap[],
  rows: readonly number[],
  asked: readonly number[],
): Omit<RankRequest, 'folded'> {
  const words = host.knownMovies.length;
  const allowed = new Uint32Array(asked.length * words);
  for (const [b, i] of asked.entries()) {
    const row = allowed.subarray(b * words, (b + 1) * words);
    row.set(host.knownMovies);
    keepCommon(row, candidates[i]);
  }
  return {
    n: Math.max(...asked.map((i) => requests[i].first)),
    ...{ allowed, offset: host.ratingMean, order: requests[asked[0]].order },
    ...whoAsks(requests, rows, asked),
    afterScores: Float32Array.from(asked, (i) => (requests[i].after ?? TOP).score),
    afterIndices: Int32Array.from(asked, (i) => (requests[i].after ?? TOP).index),
  };
}

function whoAsks(
  requests: readonly RecommendationRequest[],
  rows: readonly number[],
  asked: readonly number[],
): Pick<RankRequest, 'userIndices' | 'entities' | 'seeds'> {
  return {
    userIndices: Int32Array.from(asked, (i) => rows[i]),
    entities: Int32Array.from(asked, (i) => requests[i].user.idx),
    seeds: Int32Array.from(asked, (i) => requests[i].seed),
  };
}

/** For each request what its order goes by at the described movies, by their index; none for users without a row. */
export async function scoresOfDescribed(
  host: ModelHost,
  requests: readonly RecommendationRequest[],
  { movies: described, places }: Described,
  rows: Rows,
): Promise<ReadonlyMap<number, number>[]> {
  const lists = requests.map(() => new Map<number, number>());
  if (!described) return lists;
  for (const order of new Set(requests.map((request) => request.order))) {
    const asked = [...requests.keys()].filter((i) => requests[i].order === order && rows.indices[i] >= 0);
    if (asked.length === 0) continue;
    const { entities, seeds, userIndices } = whoAsks(requests, rows.indices, asked);
    const scores = await host.scoreDescribed({
      ...{ order, entities, seeds, userIndices, offset: host.ratingMean },
      ...{ folded: rows.folded, described },
    });
    for (const [b, i] of asked.entries())
      for (const [index, place] of places) lists[i].set(index, scores[b * places.size + place]);
  }
  return lists;
}
