// A model in a worker thread, seen from outside: ask for outputs or for the best movies, get a promise.

import { Worker } from 'node:worker_threads';
import { type Bitmap, moviesAt } from '../engines/bitmap.js';
import type { TopMovies } from '../engines/engine.js';
import type { RatingScale } from '../store/scale.js';
import { fromThreadError } from '../store/threadError.js';
import {
  buffersOf,
  CLOSE,
  CLOSED,
  type DescribedRequest,
  type Neighbours,
  type NeighboursRequest,
  type PairsToPredict,
  type Predictions,
  type RankRequest,
  type ReasonsRequest,
  type ScoringInput,
  type ScoringMethod,
  type ScoringMethods,
  type ScoringReady,
  type ScoringRefusal,
  type ScoringReply,
  type ScoringRequest,
} from './messages.js';

export interface ModelHost {
  /** Added to raw outputs to give stars. */
  ratingMean: number;
  /** What predictions are clipped to: that of the store when the model was opened. */
  scale: RatingScale;
  /** Training ratings of each user and movie: 0 means the model has never seen it. */
  userRatingCounts: Int32Array;
  movieRatingCounts: Int32Array;
  /** The movies of the model that it has seen, and the rows of those that it has not. */
  knownMovies: Bitmap;
  unknownMovieIndices: readonly number[];
  /** Knows how sure it is, and folds users in. */
  isCertain: boolean;
  /** Places of the attributes by which it can tell of movies that it was not trained with. */
  attributePlaces: ReadonlyMap<string, number>;
  /** The ratings as of then are in the model. */
  ratingsReadAt: Date;
  /** Takes the arrays over: they are empty afterwards. */
  predict(pairs: PairsToPredict): Promise<Predictions>;
  /** As Scorer.topMovies. Takes the arrays over, too. */
  topMovies(request: RankRequest): Promise<TopMovies>;
  /** Only where there are attributePlaces: scores of the described movies for each user (B × movies). */
  scoreDescribed(request: DescribedRequest): Promise<Float32Array>;
  /** Only where isCertain: what each rating adds to each movie, in stars (movies × ratings). */
  reasons(request: ReasonsRequest): Promise<Float32Array>;
  /** Rows of the same embedding that point the same way. */
  neighbours(request: NeighboursRequest): Promise<Neighbours>;
  /** Resolves when the thread is gone, closed or dead; questions after that fail. */
  ended: Promise<void>;
  close(): Promise<void>;
}

type Answer = ScoringMethods[ScoringMethod]['answer'];
type Pending = { resolve: (answer: Answer) => void; reject: (error: Error) => void };
type Ask = <Method extends ScoringMethod>(
  method: Method,
  question: ScoringMethods[Method]['question'],
) => Promise<ScoringMethods[Method]['answer']>;

/** @throws AppError MODEL_NOT_FOUND, DATABASE_UNREACHABLE, and whatever else keeps the thread from opening the model */
export async function openModelHost(input: ScoringInput): Promise<ModelHost> {
  const worker = new Worker(new URL('./thread.js', import.meta.url), { workerData: input });
  const ready = await new Promise<ScoringReady>((resolve, reject) => {
    worker.once('message', (first: ScoringReady | ScoringRefusal) => {
      if (!('error' in first)) return resolve(first);
      void worker.terminate();
      reject(fromThreadError(first.error));
    });
    worker.once('error', reject);
    worker.once('exit', () => reject(new Error('the scoring thread ended before it was ready')));
  });
  const { ask, ended, close } = converse(worker);
  // A model that waits for questions does not keep the process alive.
  worker.unref();
  return {
    ...ready,
    ...knowledgeOf(ready.movieRatingCounts),
    attributePlaces: new Map(ready.movieAttributes.map((label, place) => [label, place])),
    ended,
    predict: (pairs) => ask('predict', pairs),
    topMovies: (request) => ask('topMovies', request),
    scoreDescribed: async (request) => (await ask('scoreDescribed', request)).scores,
    neighbours: (request) => ask('neighbours', request),
    reasons: async (request) => (await ask('reasons', request)).weights,
    close,
  };
}

/** Questions to the thread, each answered once or failed when the thread ends. */
function converse(worker: Worker): { ask: Ask; ended: Promise<void>; close: () => Promise<void> } {
  const pending = new Map<number, Pending>();
  let nextId = 0;
  let isEnded = false;
  const gone = () => new Error('the scoring thread has ended');
  const failAll = (error: Error) => {
    for (const { reject } of pending.values()) reject(error);
    pending.clear();
  };
  worker.on('message', (reply: ScoringReply | typeof CLOSED) => {
    if (reply === CLOSED) {
      // Not before: a thread that is terminated while a GPU works for it takes the process with it (webgpu 0.6.2, mapAsync).
      void worker.terminate();
      return;
    }
    // Closed meanwhile: what waits fails when the thread is gone.
    if (isEnded) return;
    const waiting = pending.get(reply.id)!;
    pending.delete(reply.id);
    if ('error' in reply) waiting.reject(new Error(reply.error));
    else waiting.resolve(reply.answer);
  });
  worker.on('error', failAll);
  const ended = new Promise<void>((resolve) => {
    worker.on('exit', () => {
      isEnded = true;
      failAll(gone());
      resolve();
    });
  });
  const ask = (method: ScoringMethod, question: object) =>
    new Promise<Answer>((resolve, reject) => {
      if (isEnded) return reject(gone());
      const id = nextId++;
      pending.set(id, { resolve, reject });
      worker.postMessage({ id, method, question } as ScoringRequest, buffersOf(question));
    });
  const close = () => {
    if (isEnded) return ended;
    isEnded = true;
    worker.ref();
    worker.postMessage(CLOSE);
    return ended;
  };
  // The thread answers a method with its own kind of answer.
  return { ask: ask as Ask, ended, close };
}

function knowledgeOf(movieRatingCounts: Int32Array): Pick<ModelHost, 'knownMovies' | 'unknownMovieIndices'> {
  const indices = [...movieRatingCounts.keys()];
  return {
    knownMovies: moviesAt(
      movieRatingCounts.length,
      indices.filter((index) => movieRatingCounts[index] > 0),
    ),
    unknownMovieIndices: indices.filter((index) => movieRatingCounts[index] === 0),
  };
}
