// The parent of a training thread: claims the run, starts the thread, beats the heart, records how it ended.
// One process may train while it serves, since all arithmetic happens in the thread.

import { Worker } from 'node:worker_threads';
import { AppError, messageOf } from '../errors.js';
import { beat, claimRun, endRun, type RunProgress } from '../store/runs.js';
import type { Store } from '../store/store.js';
import type { TrainingEvent } from './events.js';
import type { ThreadError, ThreadInput, ThreadMessage } from './thread.js';

const BEAT_MS = 1000;

export type RunOutcome = { status: 'SUCCEEDED' } | { status: 'FAILED' | 'CANCELLED'; error: ThreadError };

/**
 * Trains a queued run to its end. Never throws for a run that fails: the outcome and the run's record say why.
 * Gives null when the run is not QUEUED: somebody else has it, or it has ended.
 */
export async function runInThread(
  store: Store,
  runId: number,
  options: { onEvent?: (event: TrainingEvent) => void; signal?: AbortSignal } = {},
): Promise<RunOutcome | null> {
  const run = await claimRun(store, runId);
  if (!run) return null;
  const error = await superviseThread(store, { databaseUrl: store.url, runId, engine: run.engine }, options);
  if (!error) return { status: 'SUCCEEDED' };
  const status = error.code === 'RUN_CANCELLED' ? 'CANCELLED' : 'FAILED';
  await endRun(store, runId, status, error);
  return { status, error };
}

async function superviseThread(
  store: Store,
  input: ThreadInput,
  { onEvent, signal }: { onEvent?: (event: TrainingEvent) => void; signal?: AbortSignal },
): Promise<ThreadError | null> {
  const worker = new Worker(new URL('./thread.js', import.meta.url), { workerData: input });
  let progress: RunProgress | null = null;
  let outcome: ThreadError | null | undefined;
  const cancel = () => worker.postMessage('cancel');
  signal?.addEventListener('abort', cancel);
  if (signal?.aborted) cancel();
  const heart = setInterval(() => {
    // A run that was ended elsewhere stops here; a database that is away for a moment does not stop it.
    beat(store, input.runId, progress).then(
      (alive) => alive || cancel(),
      () => {},
    );
  }, BEAT_MS);
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
    signal?.removeEventListener('abort', cancel);
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

/** For the foreground: the error of a run that did not succeed, as something to throw. */
export function toAppError({ code, message, stack }: ThreadError): Error {
  if (code !== 'INTERNAL') return new AppError(code, message);
  const error = new Error(message);
  error.stack = stack;
  return error;
}
