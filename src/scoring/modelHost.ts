// A model in a worker thread, seen from outside: ask for outputs, get a promise.

import { Worker } from 'node:worker_threads';
import type { ScoringInput, ScoringReady, ScoringReply, ScoringRequest } from './thread.js';

export interface ModelHost {
  /** Added to raw outputs to give stars. */
  ratingMean: number;
  /** Training ratings of each user and movie: 0 means the model has never seen it. */
  userRatingCounts: Int32Array;
  movieRatingCounts: Int32Array;
  /** Raw outputs (B) for pairs of embedding rows. */
  predict(userIndices: Int32Array, movieIndices: Int32Array): Promise<Float32Array>;
  /** Raw outputs (B × M) row-major: every movie of the model for each user. */
  scoreMovies(userIndices: Int32Array): Promise<Float32Array>;
  /** Resolves when the thread is gone, closed or dead; questions after that fail. */
  ended: Promise<void>;
  close(): Promise<void>;
}

type Pending = { resolve: (outputs: Float32Array) => void; reject: (error: Error) => void };
type Question =
  | { method: 'predict'; userIndices: Int32Array; movieIndices: Int32Array }
  | { method: 'scoreMovies'; userIndices: Int32Array };

/** @throws what the thread throws while it loads the model, such as AppError MODEL_NOT_FOUND's message */
export async function openModelHost(input: ScoringInput): Promise<ModelHost> {
  const worker = new Worker(new URL('./thread.js', import.meta.url), { workerData: input });
  const pending = new Map<number, Pending>();
  let nextId = 0;
  const failAll = (error: Error) => {
    for (const { reject } of pending.values()) reject(error);
    pending.clear();
  };
  const ready = await new Promise<ScoringReady>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', () => reject(new Error('the scoring thread ended before it was ready')));
  });
  worker.on('message', (reply: ScoringReply) => {
    const waiting = pending.get(reply.id)!;
    pending.delete(reply.id);
    if ('error' in reply) waiting.reject(new Error(reply.error));
    else waiting.resolve(reply.outputs);
  });
  let isEnded = false;
  const gone = () => new Error('the scoring thread has ended');
  worker.on('error', failAll);
  const ended = new Promise<void>((resolve) => {
    worker.on('exit', () => {
      isEnded = true;
      failAll(gone());
      resolve();
    });
  });
  // A model that waits for questions does not keep the process alive.
  worker.unref();
  const ask = (question: Question) =>
    new Promise<Float32Array>((resolve, reject) => {
      if (isEnded) return reject(gone());
      const id = nextId++;
      pending.set(id, { resolve, reject });
      worker.postMessage({ id, ...question } satisfies ScoringRequest);
    });
  return {
    ...ready,
    ended,
    predict: (userIndices, movieIndices) => ask({ method: 'predict', userIndices, movieIndices }),
    scoreMovies: (userIndices) => ask({ method: 'scoreMovies', userIndices }),
    async close() {
      await worker.terminate();
    },
  };
}
