// Job name → function. A handler runs one job to its end and never throws for work that fails by itself.

import type { EngineSettings } from '../engines/engine.js';
import type { ENGINE_DOORS } from '../engines/open.js';
import { AppError } from '../errors.js';
import type { Logger } from '../log.js';
import { helpScoring } from '../scoring/batchScoring.js';
import type { Job, JobQueue } from '../store/queue.js';
import { advanceSearch } from '../store/searchSteps.js';
import type { Store } from '../store/store.js';
import { runInThread } from '../training/runInThread.js';
import { takeRun } from '../training/takeRun.js';

export interface JobContext extends EngineSettings {
  store: Store;
  queue: JobQueue;
  log: Logger;
  /** Aborted when the worker stops: the job ends as soon as it can, and what it had in hand goes back into the queue. */
  signal: AbortSignal;
  /** The engines there are; absent: all. */
  doors?: typeof ENGINE_DOORS;
}

export const HANDLERS = {
  async train({ runId }, { store, queue, log, signal, threads, doors }) {
    const runLog = log.child({ runId });
    const run = await takeRun(store, runId, { threads }, doors).catch((error) => {
      if (!(error instanceof AppError) || error.code !== 'GPU_BUSY') throw error;
      // The queue's watch sends it again in a while.
      return error;
    });
    if (run instanceof AppError) return runLog.debug(run.message);
    if (!run) return runLog.info('the run was taken or ended by somebody else');
    runLog.info('training begins');
    const outcome = await runInThread(store, run, {
      ...{ signal, threads },
      onStop: 'requeue',
      onEvent: (event) => event.event === 'epoch' && runLog.info(event, 'epoch done'),
    });
    if (outcome.status === 'SUCCEEDED') runLog.info('training succeeded');
    else runLog.warn({ error: outcome.error }, `training stopped: ${outcome.status}`);
    if (run.searchId === null || outcome.status === 'QUEUED') return;
    try {
      await queue.sendRuns(await advanceSearch(store, run.searchId));
    } catch (error) {
      runLog.warn({ err: error }, 'could not go on with the search now; the watch of a worker will');
    }
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
