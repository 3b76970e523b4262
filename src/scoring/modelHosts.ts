// The models that are open: the last few that were asked for, and any that still has a question in hand.
// A model whose thread has died is opened anew by the next question.

import type { EngineSettings } from '../engines/engine.js';
import { type ModelHost, openModelHost } from './modelHost.js';

const MODELS_KEPT = 2;

interface Entry {
  host: Promise<ModelHost>;
  /** Questions in hand; an entry that was put out is closed when there are none. */
  users: number;
  isKept: boolean;
}

export interface ModelHosts {
  /** Opens the model if need be; it stays open at least until `work` is done. */
  use<T>(modelId: number, work: (host: ModelHost) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export function createModelHosts(databaseUrl: string, { threads }: EngineSettings): ModelHosts {
  /** Least recently used first. */
  const kept = new Map<number, Entry>();

  const putOut = (modelId: number, entry: Entry) => {
    if (kept.get(modelId) === entry) kept.delete(modelId);
    entry.isKept = false;
    closeIfIdle(entry);
  };

  const open = (modelId: number): Entry => {
    const host = openModelHost({ databaseUrl, modelId, threads });
    const entry: Entry = { host, users: 0, isKept: true };
    entry.host.then(
      (host) => host.ended.then(() => putOut(modelId, entry)),
      () => putOut(modelId, entry),
    );
    return entry;
  };

  return {
    async use(modelId, work) {
      const entry = kept.get(modelId) ?? open(modelId);
      kept.delete(modelId);
      kept.set(modelId, entry);
      entry.users++;
      const [[oldestId, oldest]] = kept;
      if (kept.size > MODELS_KEPT) putOut(oldestId, oldest);
      try {
        return await work(await entry.host);
      } finally {
        entry.users--;
        closeIfIdle(entry);
      }
    },
    async close() {
      const entries = [...kept.values()];
      kept.clear();
      await Promise.all(
        entries.map(({ host }) =>
          host.then(
            (opened) => opened.close(),
            () => {},
          ),
        ),
      );
    },
  };
}

function closeIfIdle({ host, users, isKept }: Entry): void {
  if (users > 0 || isKept) return;
  host.then(
    (opened) => opened.close(),
    () => {},
  );
}
