// What resolvers get: the services of the process, and for each request its own loaders and its own view of the
// active model, so that one answer never mixes two models.

import type { EngineSettings } from '../engines/engine.js';
import type { Logger } from '../log.js';
import type { Recommender } from '../scoring/recommender.js';
import { findActiveModel, noActiveModel } from '../store/models.js';
import type { Model } from '../store/prisma/client.js';
import type { JobQueue } from '../store/queue.js';
import type { RunFeed } from '../store/runFeed.js';
import type { Store } from '../store/store.js';
import { createLoaders, type Loaders } from './loaders.js';

export interface Services {
  store: Store;
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
  /** After a write: what this request has read before is read again. */
  forget(): void;
}

export function createContext(services: Services): Context {
  let active: Promise<Model | null> | null = null;
  const loaders = createLoaders(services.store, services.recommender);
  const findActive = () => {
    active ??= findActiveModel(services.store);
    return active;
  };
  return {
    ...services,
    loaders,
    findActiveModel: findActive,
    async getActiveModel() {
      const model = await findActive();
      if (!model) throw noActiveModel();
      return model;
    },
    forget() {
      active = null;
      // In place: Apollo hands resolvers a copy of this object.
      Object.assign(loaders, createLoaders(services.store, services.recommender));
    },
  };
}
