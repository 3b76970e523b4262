// The benches that need PostgreSQL, import and cursor in full. On the server that the other commands use, in a database of their own,
// with a synthetic set of the shape's size.

import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { randomStream, randomUnit } from '../../engines/random.js';
import { type SyntheticOptions, writeSyntheticSet } from '../../loading/synthetic.js';
import { serverVersion, settle, timePlainLoad, withBenchDatabase } from '../../store/benchDatabase.js';
import type { Store } from '../../store/store.js';
import type { DatabaseAnswer } from './databaseProcess.js';
import {
  aboutServer,
  askProcess,
  check,
  median,
  SEED,
  synthetic,
  withFilledDatabase,
  withFolder,
} from './databaseSteps.js';
import { benchLists } from './lists.js';
import type { BenchFigures } from './report.js';
import { benchServe } from './serve.js';
import type { BenchSettings } from './settings.js';
import { toTiming } from './timing.js';

const MERGED_SHARE = 0.01;
const [MOVIES, STARS, USERS] = [1001, 1002, 1003];
/** One per cent of new ratings: by users who are new or come back; by any user. */
const [NEWER, SPREAD] = ['newer.csv', 'spread.csv'];
const ARRAY_BYTES = 12;
const MIB = 2 ** 20;

/** @throws AppError BENCH_WRONG_RESULT */
export const DATABASE_BENCHES = {
  import: benchImport,
  cursor: benchCursor,
  lists: benchLists,
  serve: benchServe,
} as const;
export type DatabaseBenchName = keyof typeof DATABASE_BENCHES;

interface ImportRound {
  version: string;
  baseline: number;
  filled: DatabaseAnswer;
  merged: DatabaseAnswer;
  spread: DatabaseAnswer;
}

async function benchImport(url: string, settings: BenchSettings, signal: AbortSignal): Promise<BenchFigures> {
  const set = synthetic(settings.shapeName);
  const rounds: ImportRound[] = [];
  await withFolder(signal, async (folder) => {
    await writeSyntheticSet(folder, set, { signal });
    await writeRatings(join(folder, NEWER), set, newerUser(set), signal);
    await writeRatings(join(folder, SPREAD), set, anyUser(set), signal);
    while (rounds.length < settings.repeats) {
      const round = (store: Store) => runRound(store, folder, set.ratings);
      rounds.push(await withBenchDatabase(url, signal, round, settings.partitions));
    }
  });
  const seconds = rounds.map(({ filled }) => filled.seconds[0]);
  const baseline = rounds.map((round) => round.baseline);
  const merge = rounds.map(({ merged }) => merged.seconds[0]);
  const spread = rounds.map(({ spread }) => spread.seconds[0]);
  return {
    ...aboutServer(rounds[0].version, settings, set),
    ...{ rows: set.ratings, seconds: median(seconds), baselineSeconds: median(baseline) },
    ratio: median(rounds.map((_, i) => seconds[i] / baseline[i])),
    peakRssMiB: Math.max(...rounds.map(({ filled }) => filled.peakRssMiB)),
    ...{ mergedRows: rounds[0].merged.sum, mergeSeconds: median(merge) },
    mergeShare: median(rounds.map((_, i) => merge[i] / seconds[i])),
    ...{ spreadRows: rounds[0].spread.sum, spreadSeconds: median(spread) },
    spreadShare: median(rounds.map((_, i) => spread[i] / seconds[i])),
    ...{ rawSeconds: seconds, rawBaselineSeconds: baseline, rawMergeSeconds: merge },
    rawSpreadSeconds: spread,
  };
}

async function runRound(store: Store, folder: string, ratings: number): Promise<ImportRound> {
  const baseline = await timePlainLoad(store, join(folder, 'ratings.csv'));
  const filled = await askProcess({ url: store.url, import: folder });
  check(filled.sum, ratings);
  // As on another day: the import's vacuum is not the merge's.
  await settle(store);
  const merged = await askProcess({ url: store.url, import: join(folder, NEWER) });
  await settle(store);
  const spread = await askProcess({ url: store.url, import: join(folder, SPREAD) });
  return { version: await serverVersion(store), baseline, filled, merged, spread };
}

async function benchCursor(url: string, settings: BenchSettings, signal: AbortSignal): Promise<BenchFigures> {
  const set = synthetic(settings.shapeName);
  return withFilledDatabase(
    url,
    set,
    signal,
    async (store) => {
      const request = { url: store.url, rows: set.ratings, repeats: settings.repeats };
      const portal = await askProcess({ ...request, read: 'portal' });
      const copy = await askProcess({ ...request, read: 'copy' });
      const objects = await askProcess({ ...request, read: 'objects' });
      for (const { sum } of [copy, objects]) check(sum, portal.sum);
      const timing = toTiming(portal.seconds, 1);
      return {
        ...aboutServer(await serverVersion(store), settings, set),
        ...{ rows: set.ratings, rowsPerSecond: set.ratings / timing.median, spread: timing.spread },
        vsBinaryCopy: median(copy.seconds) / timing.median,
        vsPgCursor: median(objects.seconds) / timing.median,
        ...{ peakRssMiB: portal.peakRssMiB, arraysMiB: (set.ratings * ARRAY_BYTES) / MIB },
        ...{ rawSeconds: portal.seconds, rawBinaryCopySeconds: copy.seconds },
        rawPgCursorSeconds: objects.seconds,
      };
    },
    settings.partitions,
  );
}

/** One per cent of new ratings, the i-th by `userOf(i)`. */
async function writeRatings(
  file: string,
  { movies, ratings }: SyntheticOptions,
  userOf: (i: number) => number,
  signal: AbortSignal,
): Promise<void> {
  const count = Math.ceil(ratings * MERGED_SHARE);
  const [movieStream, starStream] = [randomStream(SEED, MOVIES), randomStream(SEED, STARS)];
  function* lines(): Generator<string> {
    yield 'userId,movieId,rating,timestamp\n';
    for (let i = 0; i < count; i++) {
      const movie = 1 + Math.floor(randomUnit(movieStream, i) * movies);
      const stars = (1 + Math.floor(randomUnit(starStream, i) * 10)) / 2;
      yield `${userOf(i)},${movie},${stars},2000000000\n`;
    }
  }
  await pipeline(Readable.from(lines()), createWriteStream(file), { signal });
}

/** Half by users who are new, half by the first users, who rate again. */
function newerUser({ users, ratings }: SyntheticOptions) {
  const perUser = Math.ceil(ratings / users);
  return (i: number) => 1 + Math.floor(i / 2 / perUser) + (i % 2) * users;
}

function anyUser({ users }: SyntheticOptions) {
  const stream = randomStream(SEED, USERS);
  return (i: number) => 1 + Math.floor(randomUnit(stream, i) * users);
}
