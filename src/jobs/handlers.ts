// Job name → function. A handler runs one job to its end and never throws for work that fails by itself.

import type { EngineSettings } from '../engines/engine.js';
import type { Logger } from '../log.js';
import type { TrainingJob } from '../store/queue.js';
import { claimRun } from '../store/runs.js';
import type { Store } from '../store/store.js';
import { runInThread } from '../training/runInThread.js';

export interface JobContext extends EngineSettings {
  store: Store;
  log: Logger;
  /** Aborted when the worker stops: the job ends as soon as it can, and its run goes back into the queue. */
  signal: AbortSignal;
}

interface Jobs {
  train: TrainingJob;
}

export const HANDLERS = {
  async train({ runId }, { store, log, signal, threads }) {
    const runLog = log.child({ runId });
    const run = await claimRun(store, runId);
    if (!run) return runLog.info('the run was taken or ended by somebody else');
    runLog.info('training begins');
    const outcome = await runInThread(store, run, {
      ...{ signal, threads },
      onStop: 'requeue',
      onEvent: (event) => event.event === 'epoch' && runLog.info(event, 'epoch done'),
    });
    if (outcome.status === 'SUCCEEDED') runLog.info('training succeeded');
    else runLog.warn({ error: outcome.error }, `training stopped: ${outcome.status}`);
  },
} satisfies { [Name in keyof Jobs]: (job: Jobs[Name], context: JobContext) => Promise<void> };
