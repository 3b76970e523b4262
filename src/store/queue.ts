// The job queue: pg-boss on the same database, in its own schema. A job only names its run: the run's row is the truth,
// and claiming it is a compare-and-set (store/runs.ts), so a job that is delivered twice does no harm.

import { PgBoss } from 'pg-boss';
import { messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import { failLostRuns, listQueuedRuns } from './runs.js';
import type { Store } from './store.js';

const TRAIN_QUEUE = 'train';
const POLL_SECONDS = 0.5;
/** pg-boss's maximum; whether a run is alive is told by its heartbeat, not by this. */
const EXPIRE_SECONDS = 24 * 3600 - 1;
const LOST_RUN_CHECK_MS = 10_000;

export interface TrainingJob {
  runId: number;
}

export interface TrainingQueue {
  sendTraining(runId: number): Promise<void>;
  /** Takes one job at a time until `stop`; `train` must not throw for a run that fails. */
  startWorker(train: (job: TrainingJob) => Promise<void>): Promise<{ stop(): Promise<void> }>;
  /** Waits for the job that is being worked on. */
  close(): Promise<void>;
}

export async function openQueue(store: Store, log: Logger): Promise<TrainingQueue> {
  const boss = new PgBoss({ connectionString: store.url, max: 4, application_name: 'marquee-queue' });
  boss.on('error', (error) => log.warn({ err: error }, 'the job queue reported an error'));
  await boss.start();
  await boss.createQueue(TRAIN_QUEUE, { retryLimit: 0, expireInSeconds: EXPIRE_SECONDS });
  const sendTraining = async (runId: number) => {
    await boss.send(TRAIN_QUEUE, { runId } satisfies TrainingJob);
  };
  return {
    sendTraining,
    async startWorker(train) {
      // A run may have been recorded by a process that died before it could send the job.
      for (const runId of await listQueuedRuns(store)) await sendTraining(runId);
      const lostRunCheck = watchForLostRuns(store, log);
      const options = { pollingIntervalSeconds: POLL_SECONDS, batchSize: 1 };
      const id = await boss.work<TrainingJob>(TRAIN_QUEUE, options, ([job]) => train(job.data));
      return {
        async stop() {
          clearInterval(lostRunCheck);
          await boss.offWork(TRAIN_QUEUE, { id, wait: true });
        },
      };
    },
    async close() {
      await boss.stop({ graceful: true, timeout: 30_000 });
    },
  };
}

function watchForLostRuns(store: Store, log: Logger): NodeJS.Timeout {
  const check = () =>
    failLostRuns(store).then(
      (runIds) => runIds.length > 0 && log.warn({ runIds }, 'runs without heartbeat were marked FAILED'),
      (error: unknown) => log.warn(`could not look for lost runs: ${messageOf(error)}`),
    );
  void check();
  return setInterval(check, LOST_RUN_CHECK_MS);
}
