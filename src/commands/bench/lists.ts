// bench lists: a batch scoring as `marquee score` does it, of a model with initial parameters; then its first shards by one worker and
// by two, each with one thread.

import { initialParameters } from '../../engines/init.js';
import { limitScoring, serverVersion } from '../../store/benchDatabase.js';
import { insertModel } from '../../store/models.js';
import { resolveRunRequest } from '../../store/runRequest.js';
import { createRun } from '../../store/runs.js';
import { createScoringRun, DEFAULT_TOP, scoringProgress } from '../../store/scoringRuns.js';
import { inTransaction, type Store } from '../../store/store.js';
import { flopsOfListed, openHardware, overFloor } from './cost.js';
import { aboutServer, askProcess, check, synthetic, withFilledDatabase } from './databaseSteps.js';
import type { BenchFigures } from './report.js';
import type { BenchSettings } from './settings.js';
import { BENCH_SEED } from './step.js';

/** Sixteen shards: enough that two workers end at about the same time. */
const PART_USERS = 16 * 2048;
const RATING_MEAN = 3.5;

/** @throws AppError BENCH_WRONG_RESULT */
export async function benchLists(
  url: string,
  settings: BenchSettings,
  signal: AbortSignal,
): Promise<BenchFigures> {
  const set = synthetic(settings.shapeName);
  return withFilledDatabase(url, set, signal, async (store) => {
    const modelId = await storeModel(store, settings);
    const whole = await score(store, modelId, [settings.threads], set.users);
    check(whole.usersDone, set.users);
    const one = await score(store, modelId, [1], PART_USERS);
    const two = await score(store, modelId, [1, 1], PART_USERS);
    check(two.rowsWritten, one.rowsWritten);
    const pairs = set.users * set.movies;
    const hardware = await openHardware()(settings.threads);
    return {
      ...aboutServer(await serverVersion(store), settings, set),
      ...{ threads: settings.threads, preset: settings.presetName, top: DEFAULT_TOP, repeats: 1 },
      ...{ seconds: whole.seconds, pairsPerSecond: pairs / whole.seconds },
      floorRatio: overFloor(whole.seconds, pairs * flopsOfListed(settings.shape), hardware),
      ...{ rowsWritten: whole.rowsWritten, rowsWrittenPerSecond: whole.rowsWritten / whole.seconds },
      twoWorkersRatio: one.seconds / two.seconds,
      ...{ oneWorkerSeconds: one.seconds, twoWorkersSeconds: two.seconds, partUsers: one.usersDone },
      ...{ peakRssMiB: whole.peakRssMiB, hardware },
    };
  });
}

async function storeModel(store: Store, { shape }: BenchSettings): Promise<number> {
  const run = await createRun(store, resolveRunRequest({}, 'bench'), 'RUNNING');
  const content = {
    ...{ shape, parameters: initialParameters(shape, BENCH_SEED), ratingMean: RATING_MEAN },
    userRatingCounts: new Int32Array(shape.users).fill(1),
    movieRatingCounts: new Int32Array(shape.movies).fill(1),
    ...{ ratingsReadAt: new Date(), posterior: null, movieAttributes: [] },
  };
  return inTransaction(store.pool, (client) => insertModel(client, run.id, content));
}

/** Seconds from the first shard that is taken, the loading of the model included, until the lists are shown. */
async function score(store: Store, modelId: number, workers: readonly number[], users: number) {
  const run = await createScoringRun(store, { modelId, top: DEFAULT_TOP, idempotencyKey: null });
  await limitScoring(store, run.id, users);
  const answers = await Promise.all(
    workers.map((threads) => askProcess({ url: store.url, score: run.id, threads })),
  );
  const [progress] = await scoringProgress(store, [run.id]);
  return { ...progress, peakRssMiB: Math.max(...answers.map(({ peakRssMiB }) => peakRssMiB)) };
}
