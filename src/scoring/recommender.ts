// Predicted ratings and recommendations from the models of a store, each opened when it is first asked for.
// The caller says which model, so that one answer never mixes two.

import type { EngineSettings } from '../engines/engine.js';
import type { Store } from '../store/store.js';
import type { Asker } from './foldIns.js';
import type { Neighbours, NeighboursRequest } from './messages.js';
import { createModelHosts } from './modelHosts.js';
import type { RecommendationRequest } from './modelRanking.js';
import { predictPairs, type ScoredPair, type Subject } from './predict.js';
import { type RatingReason, reasonsFor } from './reasons.js';
import { recommendAll, type Suggestion } from './recommend.js';

export interface Recommender {
  predict(modelId: number, pairs: readonly { user: Asker; movie: Subject }[]): Promise<ScoredPair[]>;
  recommend(modelId: number, requests: readonly RecommendationRequest[]): Promise<Suggestion[][]>;
  /** For each movie the ratings of the user that speak for it, strongest first; none where the model cannot tell. */
  reasons(modelId: number, user: Asker, movieIndices: readonly number[]): Promise<RatingReason[][]>;
  /** Users or movies that are like one of them, most similar first. */
  neighbours(modelId: number, request: NeighboursRequest): Promise<Neighbours>;
  /** The same models, with what the store is asked for asked of this one: the reads of a request. */
  on(store: Store): Recommender;
  close(): Promise<void>;
}

export function createRecommender(store: Store, settings: EngineSettings): Recommender {
  const hosts = createModelHosts(store.url, settings);
  const on = (store: Store): Recommender => ({
    predict: (modelId, pairs) => hosts.use(modelId, (host) => predictPairs(store, host, pairs)),
    recommend: (modelId, requests) => hosts.use(modelId, (host) => recommendAll(store, host, requests)),
    reasons: (modelId, user, movieIndices) =>
      hosts.use(modelId, (host) => reasonsFor(store, host, user, movieIndices)),
    neighbours: (modelId, request) => hosts.use(modelId, (host) => host.neighbours(request)),
    on,
    close: hosts.close,
  });
  return on(store);
}
