// What resolvers get: the services of the process, and for each request its own loaders and its own view of the
// active model, so that one answer never mixes two models. Queries are read from the replica where there is one; whatever may write is
// not, so that it sees what it has written, and neither are subscriptions, which are told of the primary's changes.

import type { ApolloServerPlugin } from '@apollo/server';
import type { EngineSettings } from '../engines/engine.js';
import type { Logger } from '../log.js';
import type { Recommender } from '../scoring/recommender.js';
import { findActiveModel, noActiveModel } from '../store/models.js';
import type { Model } from '../store/prisma/client.js';
import type { JobQueue } from '../store/queue.js';
import { readScale } from '../store/ratingScale.js';
import type { Reads } from '../store/replica.js';
import type { RunFeed } from '../store/runFeed.js';
import type { RatingScale } from '../store/scale.js';
import type { Store } from '../store/store.js';
import { createLoaders, type Loaders } from './loaders.js';

export interface Services {
  store: Store;
  reads: Reads;
  recommender: Recommender;
  queue: JobQueue;
  runFeed: RunFeed;
  log: Logger;
  engineSettings: EngineSettings;
  /** Recorded with the runs that are started here. */
  codeVersion: string;
}

export interface Context extends Services {
  readonly loaders: Loaders;
  /** null before any model was promoted. */
  findActiveModel(): Promise<Model | null>;
  /** @throws AppError NO_ACTIVE_MODEL */
  getActiveModel(): Promise<Model>;
  ratingScale(): Promise<RatingScale>;
  /** After a write: what this request has read before is read again. */
  forget(): void;
}

export function createContext(services: Services, store = services.store): Context {
  let active: Promise<Model | null> | null = null;
  let scale: Promise<RatingScale> | null = null;
  const recommender = services.recommender.on(store);
  const loaders = createLoaders(store, recommender);
  const findActive = () => {
    active ??= findActiveModel(store);
    return active;
  };
  return {
    ...services,
    ...{ store, recommender, loaders },
    findActiveModel: findActive,
    async getActiveModel() {
      const model = await findActive();
      if (!model) throw noActiveModel();
      return model;
    },
    ratingScale() {
      scale ??= readScale(store.pool);
      return scale;
    },
    forget() {
      active = null;
      scale = null;
      // In place: Apollo hands resolvers a copy of this object.
      Object.assign(loaders, createLoaders(store, recommender));
    },
  };
}

/** Whether it is a query is known once it has been parsed; until then, and otherwise, a context is of the primary. */
export function readsPlugin(services: Services): ApolloServerPlugin<Context> {
  return {
    async requestDidStart() {
      return {
        async didResolveOperation({ operation, contextValue }) {
          const store = services.reads.store();
          if (operation?.operation !== 'query' || store === services.store) return;
          // In place: it is the object that resolvers get.
          Object.assign(contextValue, createContext(services, store));
        },
      };
    },
  };
}
