// Job name → function. A handler runs one job to its end and never throws for work that fails by itself.

import type { EngineSettings } from '../engines/engine.js';
import type { Logger } from '../log.js';
import { helpScoring } from '../scoring/batchScoring.js';
import type { Job, JobQueue } from '../store/queue.js';
import { claimRun } from '../store/runs.js';
import type { Store } from '../store/store.js';
import { runInThread } from '../training/runInThread.js';

export interface JobContext extends EngineSettings {
  store: Store;
  queue: JobQueue;
  log: Logger;
  /** Aborted when the worker stops: the job ends as soon as it can, and what it had in hand goes back into the queue. */
  signal: AbortSignal;
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

  async score({ runId }, { store, queue, log, signal, threads }) {
    const runLog = log.child({ scoringRunId: runId });
    try {
      await helpScoring(store, runId, {
        ...{ signal, threads },
        // One free worker calls the next, as long as there is something to take.
        onShard({ shard, attempt }) {
          runLog.info({ shard, attempt }, 'scoring a shard');
          queue.sendJob({ name: 'score', runId }).catch(() => {});
        },
      });
      runLog.info('no shard is left to take');
    } catch (error) {
      runLog.warn({ err: error }, 'scoring stopped');
    }
  },
} satisfies Record<Job['name'], (job: Job, context: JobContext) => Promise<void>>;
