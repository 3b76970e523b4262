// The worker thread of one model: loads it from Postgres, opens an engine's scorer, answers requests one by one.
// A pass over the catalogue takes milliseconds to seconds; here it cannot stall the API.

import { parentPort, workerData } from 'node:worker_threads';
import { openEngine } from '../engines/open.js';
import { messageOf } from '../errors.js';
import { loadModel } from '../store/models.js';
import { openStore } from '../store/store.js';

export interface ScoringInput {
  databaseUrl: string;
  modelId: number;
}

export type ScoringRequest =
  | { id: number; method: 'predict'; userIndices: Int32Array; movieIndices: Int32Array }
  | { id: number; method: 'scoreMovies'; userIndices: Int32Array };

/** Raw outputs, without the model's mean. */
export type ScoringReply = { id: number; outputs: Float32Array } | { id: number; error: string };

/** Sent once, before any reply. */
export interface ScoringReady {
  ratingMean: number;
  userRatingCounts: Int32Array;
  movieRatingCounts: Int32Array;
}

const { databaseUrl, modelId } = workerData as ScoringInput;
const port = parentPort!;

const store = await openStore(databaseUrl);
const { shape, parameters, ...rest } = await loadModel(store, modelId).finally(() => store.close());
const engine = await openEngine('auto');
const scorer = await engine.openScorer(shape, parameters);

let queue: Promise<void> = Promise.resolve();
port.on('message', (request: ScoringRequest) => {
  queue = queue.then(() => answer(request));
});
port.postMessage(rest satisfies ScoringReady);

async function answer(request: ScoringRequest): Promise<void> {
  try {
    const outputs =
      request.method === 'predict'
        ? await scorer.predict(request.userIndices, request.movieIndices)
        : await scorer.scoreMovies(request.userIndices);
    port.postMessage({ id: request.id, outputs } satisfies ScoringReply, [outputs.buffer as ArrayBuffer]);
  } catch (error) {
    port.postMessage({ id: request.id, error: messageOf(error) } satisfies ScoringReply);
  }
}
