// Takes jobs from the queue, one at a time, until it is closed; closing puts the run at hand back into the queue.

import type { EngineSettings } from '../engines/engine.js';
import { ENGINE_DOORS } from '../engines/open.js';
import type { Logger } from '../log.js';
import type { JobQueue } from '../store/queue.js';
import type { Store } from '../store/store.js';
import { HANDLERS } from './handlers.js';

export interface JobWorker {
  close(): Promise<void>;
}

export async function startWorker(
  store: Store,
  queue: JobQueue,
  log: Logger,
  { threads }: EngineSettings,
  doors = ENGINE_DOORS,
): Promise<JobWorker> {
  const stop = new AbortController();
  const subscription = await queue.startWorker((job) =>
    HANDLERS[job.name](job, { store, queue, log, signal: stop.signal, threads, doors }),
  );
  return {
    async close() {
      stop.abort();
      await subscription.stop();
    },
  };
}
