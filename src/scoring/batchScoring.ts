// One worker's part in a batch scoring: shard after shard, until none is left to take; whoever writes the last one shows them all.
// Any number of workers may do this at once (store/scoringShards.ts keeps them apart).

import type { EngineSettings } from '../engines/engine.js';
import { AppError, messageOf } from '../errors.js';
import type { ScoringRun } from '../store/prisma/client.js';
import { endScoringRun, getScoringRun, showPredictions } from '../store/scoringRuns.js';
import { beatShard, claimShard, releaseShard, type Shard, saveShard } from '../store/scoringShards.js';
import { explainDatabaseError, type Store } from '../store/store.js';
import { type ListsSource, listsOf } from './lists.js';
import { type ModelHost, openModelHost } from './modelHost.js';
import { openMovieIds } from './movieIds.js';

const BEAT_MS = 1000;
/** Shards in hand at once: while the engine is at one, PostgreSQL is asked about the other or writes it. */
const LANES = 2;

export interface BatchScoringOptions extends EngineSettings {
  /** Gives the shard at hand back. */
  signal: AbortSignal;
  /** A shard has been taken: another worker might help. */
  onShard?: (shard: Shard) => void;
}

/**
 * Works until nothing is left to take: what other workers have in hand may still be missing then.
 * A scoring that fails is recorded as FAILED. @throws the signal's reason, AppError DATABASE_UNREACHABLE, SCORING_NOT_FOUND
 */
export async function helpScoring(
  store: Store,
  scoringRunId: number,
  options: BatchScoringOptions,
): Promise<void> {
  const run = await getScoringRun(store, scoringRunId);
  if (await showPredictions(store, run.id)) return;
  try {
    await scoreShards(store, run, options);
    await showPredictions(store, run.id);
  } catch (thrown) {
    const error = explainDatabaseError(thrown);
    // Shards in hand are taken again by others: by the signal at once, when the database is back after a while.
    if (options.signal.aborted || (error instanceof AppError && error.code === 'DATABASE_UNREACHABLE'))
      throw error;
    const code = error instanceof AppError ? error.code : 'INTERNAL';
    await endScoringRun(store, run.id, 'FAILED', { code, message: messageOf(error) });
  }
}

/** One model for all lanes, opened when there is a shard to take. */
async function scoreShards(store: Store, run: ScoringRun, options: BatchScoringOptions): Promise<void> {
  const failure = new AbortController();
  const signal = AbortSignal.any([options.signal, failure.signal]);
  let host: Promise<ModelHost> | null = null;
  const movieIds = openMovieIds(store);
  const open = async () => {
    host ??= openModelHost({ databaseUrl: store.url, modelId: run.modelId, threads: options.threads });
    return { store, host: await host, movieIds };
  };
  const lanes = Array.from({ length: LANES }, () =>
    takeShards(store, run, { ...options, signal }, open).catch((error) => failure.abort(error)),
  );
  await Promise.all(lanes);
  await (host as Promise<ModelHost> | null)?.then(({ close }) => close()).catch(() => {});
  signal.throwIfAborted();
}

/** One after the other, until none is left to take. */
async function takeShards(
  store: Store,
  run: ScoringRun,
  { signal, onShard }: BatchScoringOptions,
  open: () => Promise<ListsSource>,
): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    const shard = await claimShard(store, run.id);
    if (!shard) return;
    onShard?.(shard);
    await scoreShard(await open(), run, shard, signal);
  }
}

/** Returns without its rows when the shard was taken over or the scoring has ended. */
async function scoreShard(
  source: ListsSource,
  run: ScoringRun,
  shard: Shard,
  signal: AbortSignal,
): Promise<void> {
  const { store } = source;
  const lost = new AbortController();
  const heart = setInterval(() => {
    // A database that is away for a moment does not stop it.
    beatShard(store, shard).then(
      (isOurs) => isOurs || lost.abort(),
      () => {},
    );
  }, BEAT_MS);
  const either = AbortSignal.any([signal, lost.signal]);
  try {
    await saveShard(store, shard, listsOf(source, { ...run, ...shard, modelId: run.modelId }, either));
  } catch (error) {
    if (signal.aborted) await releaseShard(store, shard).catch(() => {});
    else if (await beatShard(store, shard)) throw error;
  } finally {
    clearInterval(heart);
  }
}
