// The worker thread of one run: opens its own connections and engine, trains, and reports events to its parent.
// Training keeps a thread busy for minutes; here it cannot stall heartbeats or the API.

import { parentPort, workerData } from 'node:worker_threads';
import { type EngineNeeds, openEngine } from '../engines/open.js';
import { AppError, type ErrorCode, messageOf } from '../errors.js';
import { openStore } from '../store/store.js';
import type { TrainingEvent } from './events.js';
import { trainRun } from './train.js';

export interface ThreadInput {
  databaseUrl: string;
  runId: number;
  engine: string;
  needs: EngineNeeds;
}

/** To the parent: events as they come, and at the end an error or null. */
export type ThreadMessage = TrainingEvent | { event: 'ended'; error: ThreadError | null };

/** An error as plain values, since classes do not survive the way between threads. */
export interface ThreadError {
  code: ErrorCode | 'INTERNAL';
  message: string;
  stack?: string;
}

const { databaseUrl, runId, engine: engineName, needs } = workerData as ThreadInput;
const port = parentPort!;
const cancel = new AbortController();
// The one message a parent sends is the wish to stop.
port.once('message', () => cancel.abort(new AppError('RUN_CANCELLED', `run ${runId} was cancelled`)));

let error: ThreadError | null = null;
try {
  const engine = await openEngine(engineName, needs);
  const store = await openStore(databaseUrl);
  try {
    await trainRun(store, engine, runId, {
      onEvent: (event) => port.postMessage(event),
      signal: cancel.signal,
    });
  } finally {
    await store.close();
  }
} catch (thrown) {
  const code = thrown instanceof AppError ? thrown.code : 'INTERNAL';
  error = { code, message: messageOf(thrown), stack: thrown instanceof Error ? thrown.stack : undefined };
}
port.postMessage({ event: 'ended', error } satisfies ThreadMessage);
port.close();
