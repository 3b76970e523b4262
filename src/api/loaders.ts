// One loader for each relation, made anew for each request: whatever a query asks for, a relation costs one statement
// for all its parents, not one for each.

import DataLoader from 'dataloader';
import { messageOf } from '../errors.js';
import type { Asker } from '../scoring/foldIns.js';
import type { Neighbours, NeighboursRequest } from '../scoring/messages.js';
import type { RecommendationRequest } from '../scoring/modelRanking.js';
import type { ScoredPair, Subject } from '../scoring/predict.js';
import type { RatingReason } from '../scoring/reasons.js';
import type { Suggestion } from '../scoring/recommend.js';
import type { Recommender } from '../scoring/recommender.js';
import {
  findAucs,
  findCalibrations,
  findConfusions,
  findEpochs,
  findEvaluations,
  findModelsOfRuns,
  findStarConfusions,
} from '../store/evaluations.js';
import { rejectPages } from '../store/importRecord.js';
import { findModels } from '../store/models.js';
import { findMovies, moviesByIndex } from '../store/movies.js';
import { findRatings, type RatingOrder, ratingPagesOfMovies, ratingPagesOfUsers } from '../store/ratings.js';
import { runLogPages } from '../store/runLogs.js';
import { findRuns } from '../store/runs.js';
import { scoringProgress } from '../store/scoringRuns.js';
import {
  findBestTrials,
  findSearches,
  findWinnersRuns,
  rungsOfSearches,
  trialPages,
} from '../store/searchRecord.js';
import type { Store } from '../store/store.js';
import { findUsers, usersAtIndices } from '../store/users.js';

interface PageKey {
  parentId: number;
  order: RatingOrder | 'USER_ID' | 'FILE' | 'TIME';
  first: number;
  after: string[] | null;
}

interface PairKey {
  modelId: number;
  user: Asker;
  movie: Subject;
}

interface ReasonKey {
  modelId: number;
  user: Asker;
  movieIndex: number;
}

interface NeighboursKey extends NeighboursRequest {
  modelId: number;
}

interface SuggestionKey {
  modelId: number;
  request: RecommendationRequest;
}

export type Loaders = ReturnType<typeof createLoaders>;

export function createLoaders(store: Store, recommender: Recommender) {
  return {
    user: new DataLoader((ids: readonly number[]) => findUsers(store, ids)),
    movie: new DataLoader((ids: readonly number[]) => findMovies(store, ids)),
    movieByIndex: new DataLoader((indices: readonly number[]) => moviesByIndex(store, indices)),
    userByIndex: new DataLoader((indices: readonly number[]) => usersAtIndices(store, indices)),
    rating: new DataLoader(
      (pairs: readonly { userId: number; movieId: number }[]) => findRatings(store, pairs),
      {
        cacheKeyFn: ({ userId, movieId }) => `${userId}:${movieId}`,
      },
    ),
    ratingsOfUser: pageLoader((ids, { order, first, after }) =>
      ratingPagesOfUsers(store, ids, order as RatingOrder, first, after),
    ),
    ratingsOfMovie: pageLoader((ids, { first, after }) => ratingPagesOfMovies(store, ids, first, after)),
    rejects: pageLoader((ids, { first, after }) => rejectPages(store, ids, first, after)),
    run: new DataLoader((ids: readonly number[]) => findRuns(store, ids)),
    runLogs: pageLoader((ids, { first, after }) =>
      runLogPages(store, ids, first, after === null ? null : Number(after[0])),
    ),
    epochs: new DataLoader((runIds: readonly number[]) => findEpochs(store, runIds)),
    evaluation: new DataLoader((runIds: readonly number[]) => findEvaluations(store, runIds)),
    confusion: new DataLoader(
      (keys: readonly { runId: number; threshold: number }[]) => findConfusions(store, keys),
      { cacheKeyFn: ({ runId, threshold }) => `${runId} ${threshold}` },
    ),
    auc: new DataLoader((keys: readonly { runId: number; threshold: number }[]) => findAucs(store, keys), {
      cacheKeyFn: ({ runId, threshold }) => `${runId} ${threshold}`,
    }),
    calibration: new DataLoader((runIds: readonly number[]) => findCalibrations(store, runIds)),
    starConfusion: new DataLoader((runIds: readonly number[]) => findStarConfusions(store, runIds)),
    model: new DataLoader((ids: readonly number[]) => findModels(store, ids)),
    scoringProgress: new DataLoader((ids: readonly number[]) => scoringProgress(store, ids)),
    modelOfRun: new DataLoader((runIds: readonly number[]) => findModelsOfRuns(store, runIds)),
    search: new DataLoader((ids: readonly number[]) => findSearches(store, ids)),
    rungs: new DataLoader((ids: readonly number[]) => rungsOfSearches(store, ids)),
    bestTrial: new DataLoader((ids: readonly number[]) => findBestTrials(store, ids)),
    winnersRun: new DataLoader((ids: readonly number[]) => findWinnersRuns(store, ids)),
    trials: pageLoader((ids, { first, after }) =>
      trialPages(store, ids, first, after === null ? null : Number(after[0])),
    ),
    prediction: new DataLoader<PairKey, ScoredPair, object>((keys) =>
      inGroups(
        keys,
        ({ modelId }) => modelId,
        (pairs) => recommender.predict(pairs[0].modelId, pairs),
      ),
    ),
    // Answered together, so that who or what they are is read by one statement.
    neighbours: new DataLoader<NeighboursKey, Neighbours, object>((keys) =>
      Promise.all(keys.map(({ modelId, ...request }) => recommender.neighbours(modelId, request))),
    ),
    reasons: new DataLoader<ReasonKey, RatingReason[], object>((keys) =>
      inGroups(
        keys,
        ({ user }) => user,
        (group) =>
          recommender.reasons(
            group[0].modelId,
            group[0].user,
            group.map(({ movieIndex }) => movieIndex),
          ),
      ),
    ),
    suggestions: new DataLoader<SuggestionKey, Suggestion[], object>((keys) =>
      inGroups(
        keys,
        ({ modelId }) => modelId,
        (group) =>
          recommender.recommend(
            group[0].modelId,
            group.map(({ request }) => request),
          ),
      ),
    ),
  };
}

/** Pages with the same arguments are fetched together. */
function pageLoader<Page>(fetch: (parentIds: number[], page: PageKey) => Promise<Page[]>) {
  const argumentsOf = ({ order, first, after }: PageKey) => JSON.stringify([order, first, after]);
  return new DataLoader<PageKey, Page, string>(
    (keys) =>
      inGroups(keys, argumentsOf, (group) =>
        fetch(
          group.map(({ parentId }) => parentId),
          group[0],
        ),
      ),
    { cacheKeyFn: (key) => `${key.parentId} ${argumentsOf(key)}` },
  );
}

/** Calls `fetch` once for each group of keys; gives the results in the order of the keys. A group that fails fails alone. */
async function inGroups<K, V>(
  keys: readonly K[],
  groupOf: (key: K) => unknown,
  fetch: (group: K[]) => Promise<V[]>,
): Promise<(V | Error)[]> {
  const groups = new Map<unknown, K[]>();
  for (const key of keys) groups.set(groupOf(key), [...(groups.get(groupOf(key)) ?? []), key]);
  const results = new Map<K, V | Error>();
  await Promise.all(
    [...groups.values()].map(async (group) => {
      try {
        const values = await fetch(group);
        for (const [i, key] of group.entries()) results.set(key, values[i]);
      } catch (thrown) {
        // DataLoader takes for an answer whatever is no Error, such as one of another realm.
        const error = thrown instanceof Error ? thrown : new Error(messageOf(thrown), { cause: thrown });
        for (const key of group) results.set(key, error);
      }
    }),
  );
  return keys.map((key) => results.get(key)!);
}
