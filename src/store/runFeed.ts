// Hears of changes of runs from PostgreSQL (LISTEN), whichever process made them. One connection for all who watch, opened by the first.
// A notice only says that there is something to read again, so a lost one costs a moment: watchers also read every two seconds, which
// is all there is behind a pooler that cannot LISTEN.

import pg from 'pg';
import type { Logger } from '../log.js';
import type { TrainingRun } from './prisma/client.js';
import { getRun } from './runs.js';
import { type Store, whenBack } from './store.js';

const CHANNEL = 'marquee_runs';
/** At most so many states of a run a second reach a watcher; a slow one gets the latest. */
const PAUSE_MS = 200;
const READ_ANYWAY_MS = 2_000;
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 15_000;

export interface RunFeed {
  /** The run as it is now, and again after each change, to its end; `return` ends it at once. @throws AppError RUN_NOT_FOUND */
  watch(runId: number): AsyncGenerator<TrainingRun>;
  /** Ends every watch. */
  close(): Promise<void>;
}

export function createRunFeed(store: Store, log: Logger): RunFeed {
  const watchers = new Set<{ runId: number; wake: () => void }>();
  const wakeAll = (runId: number | null) => {
    for (const watcher of watchers) if (runId === null || watcher.runId === runId) watcher.wake();
  };
  const stop = new AbortController();
  let listener: Promise<void> | null = null;

  function watch(runId: number): AsyncGenerator<TrainingRun> {
    const left = new AbortController();
    const states = follow(runId, AbortSignal.any([stop.signal, left.signal]));
    const end = states.return.bind(states);
    // A generator by itself hears of it with the next change, which for a run that waits may never come.
    states.return = (value) => {
      left.abort();
      return end(value);
    };
    return states;
  }

  async function* follow(runId: number, signal: AbortSignal): AsyncGenerator<TrainingRun> {
    listener ??= listen(store.url, wakeAll, stop.signal, log);
    let wake = () => {};
    let isStale = true;
    const watcher = {
      runId,
      wake() {
        isStale = true;
        wake();
      },
    };
    watchers.add(watcher);
    try {
      for (let last = ''; !signal.aborted; ) {
        isStale = false;
        const run = await whenBack(() => getRun(store, runId), signal);
        const state = JSON.stringify([run.status, run.attempt, run.progress, run.engine]);
        if (state !== last) yield run;
        last = state;
        if (run.finishedAt !== null) return;
        await pause(PAUSE_MS, signal);
        if (!isStale)
          await Promise.race([
            pause(READ_ANYWAY_MS, signal),
            new Promise<void>((done) => {
              wake = done;
            }),
          ]);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      watchers.delete(watcher);
    }
  }

  return {
    watch,
    async close() {
      stop.abort();
      wakeAll(null);
      await listener;
    },
  };
}

/** Listens until the signal, again and again when the connection is lost; after each start all watchers read again. */
async function listen(
  url: string,
  wake: (runId: number | null) => void,
  signal: AbortSignal,
  log: Logger,
): Promise<void> {
  for (let retryMs = FIRST_RETRY_MS; !signal.aborted; retryMs = Math.min(2 * retryMs, LONGEST_RETRY_MS)) {
    const client = new pg.Client({ connectionString: url, application_name: 'marquee-feed' });
    try {
      const ended = new Promise<void>((resolve) => {
        client.once('end', resolve);
        client.once('error', resolve);
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
      client.on('notification', ({ payload }) => wake(Number(payload)));
      await client.connect();
      await client.query(`listen ${CHANNEL}`);
      wake(null);
      retryMs = FIRST_RETRY_MS;
      await ended;
    } catch (error) {
      log.debug({ err: error }, 'could not listen for changes of runs');
    } finally {
      await client.end().catch(() => {});
    }
    await pause(retryMs, signal);
  }
}

/** Ends early, and without an error, by the signal. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    timer.unref();
    signal.addEventListener('abort', done, { once: true });
  });
}
