// The job queue: pg-boss on the same database, in its own schema. A job only names its run: the run's row is the truth,
// and claiming it, or a shard of it, is a compare-and-set (store/runs.ts, store/scoringShards.ts), so a job that is delivered
// twice does no harm.

import type { Logger } from '../log.js';
import { dropLeftovers } from './predictions.js';
import { listQueuedRuns, takeBackLostRuns } from './runs.js';
import { listWaitingScorings } from './scoringShards.js';
import { listIdleSearches, type QueuedRun } from './searches.js';
import { advanceSearch } from './searchSteps.js';
import type { Store } from './store.js';

const QUEUE = 'work';
const POLL_SECONDS = 0.5;
/** On a new database two processes may both begin to make the schema: the one that loses finds it there a second later. */
const START_ATTEMPTS = 3;
/** pg-boss's maximum; whether a run is alive is told by its heartbeat, not by this. */
const EXPIRE_SECONDS = 24 * 3600 - 1;
const RUN_CHECK_MS = 5_000;

/** train: a training run, by one worker. score: a batch scoring, by as many as there are. */
export interface Job {
  name: 'train' | 'score';
  runId: number;
}

export interface JobQueue {
  /** Higher priorities are taken first. */
  sendJob(job: Job, priority?: number): Promise<void>;
  /** Training runs, all in one statement. */
  sendRuns(runs: readonly QueuedRun[]): Promise<void>;
  /** Takes one job at a time until `stop`; `work` must not throw for a run that fails. */
  startWorker(work: (job: Job) => Promise<void>): Promise<{ stop(): Promise<void> }>;
  /** Waits for the job that is being worked on. */
  close(): Promise<void>;
}

export async function openQueue(store: Store, log: Logger): Promise<JobQueue> {
  // Here, so that commands without a queue do not load it.
  const { PgBoss } = await import('pg-boss');
  const boss = new PgBoss({ connectionString: store.url, max: 4, application_name: 'marquee-queue' });
  boss.on('error', logNowAndThen(log));
  await boss.start({ attempts: START_ATTEMPTS });
  // "short": at most one waiting job for each key, so that sending a run again is harmless.
  await boss.createQueue(QUEUE, { policy: 'short', retryLimit: 0, expireInSeconds: EXPIRE_SECONDS });
  const sendJob = async (job: Job, priority = 0) => {
    await boss.send(QUEUE, job, { singletonKey: keyOf(job), priority });
  };
  const sendRuns = async (runs: readonly QueuedRun[]) => {
    const jobs = runs.map(({ id, priority }) => ({ data: { name: 'train' as const, runId: id }, priority }));
    if (jobs.length > 0)
      await boss.insert(
        QUEUE,
        jobs.map((job) => ({ ...job, singletonKey: keyOf(job.data) })),
      );
  };
  return {
    ...{ sendJob, sendRuns },
    async startWorker(work) {
      const watch = watchRuns(store, log, { sendJob, sendRuns });
      const options = { pollingIntervalSeconds: POLL_SECONDS, batchSize: 1 };
      const id = await boss.work<Job>(QUEUE, options, ([job]) => work(job.data));
      return {
        async stop() {
          await watch.stop();
          await boss.offWork(QUEUE, { id, wait: true });
        },
      };
    },
    async close() {
      await boss.stop({ graceful: true, timeout: 30_000 });
    },
  };
}

function keyOf({ name, runId }: Job): string {
  return `${name} ${runId}`;
}

/**
 * Takes back the runs of dead processes, goes on with searches whose runs have ended, and sends again what waits: the sender may have died
 * before it could. Once stopped, it needs the store no more.
 */
function watchRuns(
  store: Store,
  log: Logger,
  { sendJob, sendRuns }: Pick<JobQueue, 'sendJob' | 'sendRuns'>,
): { stop(): Promise<void> } {
  const check = async () => {
    try {
      for (const { id, status } of await takeBackLostRuns(store))
        log.warn({ runId: id }, `a run without heartbeat is ${status} now`);
      for (const id of await listIdleSearches(store)) await advanceSearch(store, id);
      await sendRuns(await listQueuedRuns(store));
      for (const runId of await listWaitingScorings(store)) await sendJob({ name: 'score', runId });
      await dropLeftovers(store);
    } catch (error) {
      log.warn({ err: error }, 'could not look after the runs');
    }
  };
  let running: Promise<void> | null = null;
  const checkAlone = () => {
    running ??= check().finally(() => {
      running = null;
    });
  };
  checkAlone();
  const timer = setInterval(checkAlone, RUN_CHECK_MS);
  return {
    async stop() {
      clearInterval(timer);
      await running;
    },
  };
}

/** The queue asks the database twice a second; while it is away one line in a while is enough. */
function logNowAndThen(log: Logger): (error: unknown) => void {
  let last = Number.NEGATIVE_INFINITY;
  return (error) => {
    if (performance.now() - last < RUN_CHECK_MS) return;
    last = performance.now();
    log.warn({ err: error }, 'the job queue reported an error');
  };
}
