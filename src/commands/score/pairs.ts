// marquee score --pairs: predicted ratings for the pairs of a file, to a file or to stdout. Nothing goes into the store.
// Block after block, so that memory stays the same however long the file is.

import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import type { EngineSettings } from '../../engines/engine.js';
import { AppError } from '../../errors.js';
import { type Pair, type RejectedPair, readPairs } from '../../loading/pairs.js';
import { predictIds } from '../../scoring/pairs.js';
import type { ScoredPair } from '../../scoring/predict.js';
import { createRecommender, type Recommender } from '../../scoring/recommender.js';
import type { Store } from '../../store/store.js';
import { intoPlace } from '../export/files.js';
import { type ModelChoice, modelOf } from '../modelChoice.js';
import type { Output } from '../output.js';
import { formatCount } from '../report.js';
import type { Session } from '../session.js';

const BLOCK_PAIRS = 8192;
const HEADER = 'userId,movieId,predicted,source\n';

type PredictedPair = Pair & Pick<ScoredPair, 'rating' | 'source'>;

export interface PairsOptions {
  model: ModelChoice;
  pairs: string;
  /** Absent: stdout, where `output` then writes nothing else than lines of JSON. */
  out?: string;
  json?: boolean;
}

/** @throws AppError MODEL_NOT_FOUND, NO_ACTIVE_MODEL, EXPORT_FAILED, RUN_CANCELLED, or as readPairs */
export async function scorePairs(
  { store, signal }: Session,
  settings: EngineSettings,
  { model, pairs, out, json }: PairsOptions,
  output: Output,
): Promise<void> {
  const { id, version } = await modelOf(store, model);
  const counts = { pairs: 0, rejected: 0 };
  const toText = out === undefined && json ? toJson : toCsv;
  const recommender = createRecommender(store, settings);
  try {
    const predicted = predictBlocks(store, recommender, id, acceptedBlocks(pairs, counts, output));
    const text = toLines(predicted, toText, signal);
    if (out === undefined) await pipeline(text, process.stdout, { signal, end: false });
    else
      await intoPlace({ out, force: false, signal }, (path) =>
        pipeline(text, createWriteStream(path), { signal }),
      );
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new AppError('RUN_CANCELLED', 'stopped before all pairs were predicted', { cause: error });
  } finally {
    await recommender.close();
  }
  output.event(
    { event: 'predicted', modelVersion: version, ...counts },
    `${formatCount(counts.pairs)} pairs predicted by model ${version}, ${formatCount(counts.rejected)} lines rejected`,
  );
}

async function* acceptedBlocks(
  path: string,
  counts: { pairs: number; rejected: number },
  output: Output,
): AsyncGenerator<Pair[]> {
  let bytesRead = 0;
  let block: Pair[] = [];
  const onRead = (bytes: number, total: number) => {
    bytesRead += bytes;
    const fields = { event: 'progress', bytesRead, bytesTotal: total, ...counts };
    output.progress(fields, bytesRead / total, `${formatCount(counts.pairs)} pairs`);
  };
  for await (const pair of readPairs(path, onRead)) {
    if ('reason' in pair) {
      counts.rejected++;
      tellReject(pair, output);
      continue;
    }
    counts.pairs++;
    block.push(pair);
    if (block.length < BLOCK_PAIRS) continue;
    yield block;
    block = [];
  }
  if (block.length > 0) yield block;
}

function tellReject({ line, reason }: RejectedPair, output: Output): void {
  output.event({ event: 'rejected', line, reason }, `line ${line} rejected: ${reason}`);
}

async function* predictBlocks(
  store: Store,
  recommender: Recommender,
  modelId: number,
  blocks: AsyncIterable<Pair[]>,
): AsyncGenerator<PredictedPair[]> {
  for await (const block of blocks) {
    const scored = await predictIds(store, recommender, modelId, block);
    yield block.map((pair, i) => ({ ...pair, rating: scored[i].rating, source: scored[i].source }));
  }
}

async function* toLines(
  blocks: AsyncIterable<PredictedPair[]>,
  toText: (pair: PredictedPair) => string,
  signal: AbortSignal,
): AsyncGenerator<string> {
  // Together with the first block: what goes wrong before that leaves stdout empty.
  let header = toText === toCsv ? HEADER : '';
  for await (const block of blocks) {
    signal.throwIfAborted();
    yield header + block.map(toText).join('');
    header = '';
  }
  if (header) yield header;
}

function toCsv({ userId, movieId, rating, source }: PredictedPair): string {
  return `${userId},${movieId},${rating},${source}\n`;
}

function toJson({ userId, movieId, rating, source }: PredictedPair): string {
  return `${JSON.stringify({ event: 'prediction', userId, movieId, predicted: rating, source })}\n`;
}
