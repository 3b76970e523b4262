// The parent of a training thread: starts it, beats the heart of its run, records how it ended.
// One process may train while it serves, since all arithmetic happens in the thread.

import { Worker } from 'node:worker_threads';
import type { EngineSettings } from '../engines/engine.js';
import { messageOf } from '../errors.js';
import { storedHyperparameters } from '../store/hyperparameters.js';
import type { TrainingRun } from '../store/prisma/client.js';
import { beat, type RunProgress } from '../store/runProgress.js';
import { endRun, requeueRun } from '../store/runs.js';
import type { Store } from '../store/store.js';
import type { ThreadError } from '../store/threadError.js';
import type { TrainingEvent } from './events.js';
import { openRunLog } from './runLog.js';
import type { StopMessage, ThreadInput, ThreadMessage } from './thread.js';

const BEAT_MS = 1000;

export type RunOutcome =
  | { status: 'SUCCEEDED' }
  | { status: 'FAILED' | 'CANCELLED' | 'QUEUED'; error: ThreadError };

export interface ThreadOptions extends EngineSettings {
  onEvent?: (event: TrainingEvent) => void;
  signal?: AbortSignal;
  /** What the signal means: the run is CANCELLED, or goes back into the queue. */
  onStop?: 'cancel' | 'requeue';
}

/**
 * Trains a run that is RUNNING to its end. Does not throw for a run that fails: the outcome and the run's record say why.
 * Where the database is gone, the record is left to whoever finds the run without heartbeat.
 */
export async function runInThread(
  store: Store,
  run: TrainingRun,
  options: ThreadOptions,
): Promise<RunOutcome> {
  const log = openRunLog(store, run.id);
  const outcome = await trainToEnd(store, run, {
    ...options,
    onEvent(event) {
      log.tell(event);
      options.onEvent?.(event);
    },
  });
  await log.end(outcome);
  return outcome;
}

async function trainToEnd(store: Store, run: TrainingRun, options: ThreadOptions): Promise<RunOutcome> {
  const error = await superviseThread(store, inputOf(store, run, options), options);
  if (!error) return { status: 'SUCCEEDED' };
  const isStopped = error.code === 'RUN_CANCELLED';
  // A database that was away for long is no fault of the run.
  if ((isStopped && options.onStop === 'requeue') || error.code === 'DATABASE_UNREACHABLE') {
    await requeueRun(store, run).catch(() => {});
    return { status: 'QUEUED', error };
  }
  const status = isStopped ? 'CANCELLED' : 'FAILED';
  await endRun(store, run, status, error).catch(() => {});
  return { status, error };
}

function inputOf(store: Store, run: TrainingRun, { threads }: EngineSettings): ThreadInput {
  const shape = storedHyperparameters(run.hyperparameters);
  return { databaseUrl: store.url, run, needs: { threads, shape } };
}

async function superviseThread(
  store: Store,
  input: ThreadInput,
  { onEvent, signal, onStop }: ThreadOptions,
): Promise<ThreadError | null> {
  const worker = new Worker(new URL('./thread.js', import.meta.url), { workerData: input });
  let progress: RunProgress | null = null;
  let outcome: ThreadError | null | undefined;
  const say = (message: StopMessage) => worker.postMessage(message);
  const stop = () => say(onStop === 'requeue' ? 'handBack' : 'cancel');
  signal?.addEventListener('abort', stop);
  if (signal?.aborted) stop();
  const sendBeat = () => {
    // A run that was ended elsewhere stops here; a database that is away for a moment does not stop it.
    beat(store, input.run, progress).then(
      (alive) => alive || say('cancel'),
      () => {},
    );
  };
  sendBeat();
  const heart = setInterval(sendBeat, BEAT_MS);
  worker.on('message', (message: ThreadMessage) => {
    if (message.event === 'ended') {
      outcome = message.error;
      // An engine may keep handles open that would hold the thread.
      void worker.terminate();
      return;
    }
    if (message.event === 'progress') {
      const { event: _, ...rest } = message;
      progress = rest;
    }
    onEvent?.(message);
  });
  try {
    await exitOf(worker);
    return outcome === undefined ? lost('the training thread ended without a word') : outcome;
  } catch (error) {
    return lost(`the training thread died: ${messageOf(error)}`);
  } finally {
    clearInterval(heart);
    signal?.removeEventListener('abort', stop);
  }
}

function exitOf(worker: Worker): Promise<number> {
  return new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.once('exit', resolve);
  });
}

function lost(message: string): ThreadError {
  return { code: 'RUN_LOST', message };
}
