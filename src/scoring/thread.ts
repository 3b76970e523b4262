// The worker thread of one model: loads it from Postgres, opens an engine's scorer, answers requests one by one.
// A pass over the catalogue takes milliseconds to seconds; here it cannot stall the API.

import { parentPort, workerData } from 'node:worker_threads';
import { AUTO_ENGINE, openEngine } from '../engines/open.js';
import { messageOf } from '../errors.js';
import { loadModel } from '../store/models.js';
import { openStore } from '../store/store.js';
import {
  buffersOf,
  CLOSE,
  CLOSED,
  type ScoringInput,
  type ScoringMethod,
  type ScoringMethods,
  type ScoringReady,
  type ScoringReply,
  type ScoringRequest,
} from './messages.js';

const { databaseUrl, modelId, threads } = workerData as ScoringInput;
const port = parentPort!;

const store = await openStore(databaseUrl);
const { shape, parameters, ...rest } = await loadModel(store, modelId).finally(() => store.close());
const engine = await openEngine(AUTO_ENGINE, { threads, shape });
const scorer = await engine.openScorer(shape, parameters);

let queue: Promise<void> = Promise.resolve();
let isClosing = false;
port.on('message', (request: ScoringRequest | typeof CLOSE) => {
  if (request === CLOSE) isClosing = true;
  queue = queue.then(() => (request === CLOSE ? close() : reply(request)));
});
port.postMessage(rest satisfies ScoringReady);

async function close(): Promise<void> {
  await scorer.close().catch(() => {});
  port.postMessage(CLOSED);
}

async function reply(request: ScoringRequest): Promise<void> {
  // Nobody waits any more.
  if (isClosing) return;
  try {
    const answer = await answerOf(request);
    port.postMessage({ id: request.id, answer } satisfies ScoringReply, buffersOf(answer));
  } catch (error) {
    port.postMessage({ id: request.id, error: messageOf(error) } satisfies ScoringReply);
  }
}

async function answerOf(request: ScoringRequest): Promise<ScoringMethods[ScoringMethod]['answer']> {
  switch (request.method) {
    case 'predict': {
      const { userIndices, movieIndices } = request.question;
      return { outputs: await scorer.predict(userIndices, movieIndices) };
    }
    case 'topMovies':
      return scorer.topMovies(request.question);
    default:
      return request satisfies never;
  }
}
