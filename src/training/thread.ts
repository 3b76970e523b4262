// The worker thread of one run: opens its own connections and engine, trains, and reports events to its parent.
// Training keeps a thread busy for minutes; here it cannot stall heartbeats or the API.

import { parentPort, workerData } from 'node:worker_threads';
import { type EngineNeeds, openEngine } from '../engines/open.js';
import { AppError } from '../errors.js';
import type { TrainingRun } from '../store/prisma/client.js';
import { openStore, whenBack } from '../store/store.js';
import { type ThreadError, toThreadError } from '../store/threadError.js';
import type { TrainingEvent } from './events.js';
import { trainRun } from './train.js';

export interface ThreadInput {
  databaseUrl: string;
  /** As its claim gave it. */
  run: TrainingRun;
  needs: EngineNeeds;
}

/** To the parent: events as they come, and at the end an error or null. */
export type ThreadMessage = TrainingEvent | { event: 'ended'; error: ThreadError | null };

/** From the parent: stop at once, or at the next good moment. */
export type StopMessage = 'cancel' | 'handBack';

const { databaseUrl, run, needs } = workerData as ThreadInput;
const port = parentPort!;
const stops = { cancel: new AbortController(), handBack: new AbortController() };
port.on('message', (message: StopMessage) => {
  stops[message].abort(new AppError('RUN_CANCELLED', `run ${run.id} was stopped`));
});

let error: ThreadError | null = null;
try {
  const engine = await openEngine(run.engine, needs).catch((error) => {
    // A checkpoint made by one engine can be gone on from by another.
    if (run.engineAsked === run.engine || !(error instanceof AppError) || error.code !== 'ENGINE_UNAVAILABLE')
      throw error;
    return openEngine(run.engineAsked, needs);
  });
  const store = await whenBack(() => openStore(databaseUrl), stops.cancel.signal);
  try {
    await trainRun(store, engine, run, {
      onEvent: (event) => port.postMessage(event),
      ...{ signal: stops.cancel.signal, handBack: stops.handBack.signal },
    });
  } finally {
    await store.close();
  }
} catch (thrown) {
  error = toThreadError(thrown);
}
port.postMessage({ event: 'ended', error } satisfies ThreadMessage);
port.close();
