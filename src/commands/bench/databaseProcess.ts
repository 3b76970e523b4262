// One import, one way to read ratings, or one worker of a batch scoring, in a process of its own, so that its memory is not mixed with the bench's or with
// another's. Asked and answered by one message each.

import { importRatings } from '../../loading/import.js';
import { helpScoring } from '../../scoring/batchScoring.js';
import { READERS, type ReaderName } from '../../store/benchDatabase.js';
import type { RatingPairs } from '../../store/ratingReader.js';
import { openStore, type Store } from '../../store/store.js';
import { secondsOf } from './timing.js';

export type DatabaseRequest = { url: string } & (
  | { import: string }
  | { read: ReaderName; rows: number; repeats: number }
  | { score: number; threads: number }
);

export interface DatabaseAnswer {
  /** Of the import, or of each repeat of the reading after one that warms up. */
  seconds: number[];
  /** Rows written, the sum over the rows read, or shards. */
  sum: number;
  peakRssMiB: number;
}

process.once('message', async (request: DatabaseRequest) => {
  const store = await openStore(request.url);
  const done = await work(store, request);
  await store.close();
  process.send!({ ...done, peakRssMiB: process.resourceUsage().maxRSS / 1024 } satisfies DatabaseAnswer);
  process.disconnect();
});

function work(store: Store, request: DatabaseRequest): Promise<Omit<DatabaseAnswer, 'peakRssMiB'>> {
  if ('import' in request) return runImport(store, request.import);
  return 'score' in request ? runScoring(store, request) : runReader(store, request);
}

async function runScoring(store: Store, { score, threads }: { score: number; threads: number }) {
  const { signal } = new AbortController();
  let shards = 0;
  const help = () => helpScoring(store, score, { threads, signal, onShard: () => shards++ });
  return { seconds: [await secondsOf(help)], sum: shards };
}

async function runImport(store: Store, path: string) {
  const { counts, seconds } = await importRatings(store, path, { maxRejects: 0 });
  return { seconds: [seconds], sum: counts.inserted + counts.updated };
}

async function runReader(
  store: Store,
  { read, rows, repeats }: { read: ReaderName; rows: number; repeats: number },
) {
  const into = {
    userIds: new Int32Array(rows),
    movieIds: new Int32Array(rows),
    ratings: new Float32Array(rows),
  };
  const seconds: number[] = [];
  for (let repeat = 0; repeat <= repeats; repeat++) {
    seconds.push(await secondsOf(() => READERS[read](store, into)));
  }
  return { seconds: seconds.slice(1), sum: sumOf(into) };
}

function sumOf({ userIds, movieIds, ratings }: RatingPairs): number {
  let sum = 0;
  for (let i = 0; i < ratings.length; i++) sum += userIds[i] + movieIds[i] * ratings[i];
  return sum;
}
