// The worker thread of one model: loads it from Postgres, opens an engine's scorer, answers requests one by one.
// A pass over the catalogue takes milliseconds to seconds; here it cannot stall the API.

import { parentPort, workerData } from 'node:worker_threads';
import { openCertainty } from '../engines/certainty.js';
import type { Scorer } from '../engines/engine.js';
import { AUTO_ENGINE, openEngine } from '../engines/open.js';
import { messageOf } from '../errors.js';
import { loadModel } from '../store/models.js';
import { readScale } from '../store/ratingScale.js';
import { openStore } from '../store/store.js';
import { toThreadError } from '../store/threadError.js';
import { openCertainModel } from './certainModel.js';
import {
  buffersOf,
  CLOSE,
  CLOSED,
  type PairsToPredict,
  type Predictions,
  type ScoringInput,
  type ScoringMethod,
  type ScoringMethods,
  type ScoringReady,
  type ScoringRefusal,
  type ScoringReply,
  type ScoringRequest,
} from './messages.js';
import { openNeighbours } from './neighbours.js';

const { databaseUrl, modelId, threads } = workerData as ScoringInput;
const port = parentPort!;

try {
  const { ready, ...model } = await open();
  serve(model);
  port.postMessage(ready satisfies ScoringReady);
} catch (thrown) {
  port.postMessage({ error: toThreadError(thrown) } satisfies ScoringRefusal);
}

type OpenModel = Omit<Awaited<ReturnType<typeof open>>, 'ready'>;

async function open() {
  const store = await openStore(databaseUrl);
  const [{ shape, parameters, posterior, ...rest }, scale] = await Promise.all([
    loadModel(store, modelId),
    readScale(store.pool),
  ]).finally(() => store.close());
  const engine = await openEngine(AUTO_ENGINE, { threads, shape });
  const scorer = await engine.openScorer(shape, parameters);
  const certain = posterior && openCertainModel(openCertainty(shape.embeddingWidth, parameters, posterior));
  const nearest = openNeighbours(parameters, {
    user: rest.userRatingCounts,
    movie: rest.movieRatingCounts,
  });
  return { scorer, certain, nearest, ready: { ...rest, scale, isCertain: certain !== null } };
}

function serve(model: OpenModel): void {
  let queue: Promise<void> = Promise.resolve();
  let isClosing = false;
  port.on('message', (request: ScoringRequest | typeof CLOSE) => {
    if (request === CLOSE) isClosing = true;
    queue = queue.then(async () => {
      if (request === CLOSE) await close(model);
      // Otherwise nobody waits any more.
      else if (!isClosing) await reply(model, request);
    });
  });
}

async function close({ scorer }: OpenModel): Promise<void> {
  await scorer.close().catch(() => {});
  port.postMessage(CLOSED);
}

async function reply(model: OpenModel, request: ScoringRequest): Promise<void> {
  try {
    const answer = await answerOf(model, request);
    port.postMessage({ id: request.id, answer } satisfies ScoringReply, buffersOf(answer));
  } catch (error) {
    port.postMessage({ id: request.id, error: messageOf(error) } satisfies ScoringReply);
  }
}

async function answerOf(
  { scorer, certain, nearest }: OpenModel,
  request: ScoringRequest,
): Promise<ScoringMethods[ScoringMethod]['answer']> {
  switch (request.method) {
    case 'predict':
      return certain?.predict(request.question) ?? predictAlone(scorer, request.question);
    case 'topMovies': {
      const { order, folded } = request.question;
      // The engine is faster at what it knows.
      const isPlain = order === 'EXPECTED_RATING' && !folded;
      return isPlain ? scorer.topMovies(request.question) : certain!.rank(request.question);
    }
    case 'scoreDescribed':
      return certain!.scoreDescribed(request.question);
    case 'reasons':
      return certain!.reasons(request.question);
    case 'neighbours':
      return nearest(request.question);
    default:
      return request satisfies never;
  }
}

async function predictAlone(
  scorer: Scorer,
  { userIndices, movieIndices }: PairsToPredict,
): Promise<Predictions> {
  const outputs = await scorer.predict(userIndices, movieIndices);
  return { outputs, deviations: outputs.map(() => Number.NaN) };
}
