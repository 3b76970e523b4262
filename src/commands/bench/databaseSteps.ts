// What the benches of PostgreSQL share: the set they are about, processes of their own to measure in, and what is said of the server.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AppError } from '../../errors.js';
import { type SyntheticOptions, writeSyntheticSet } from '../../loading/synthetic.js';
import { settle, stopped, withBenchDatabase } from '../../store/benchDatabase.js';
import type { Store } from '../../store/store.js';
import type { DatabaseAnswer, DatabaseRequest } from './databaseProcess.js';
import { type BenchSettings, SHAPES, type ShapeName } from './settings.js';
import { toTiming } from './timing.js';

const PROCESS = fileURLToPath(new URL('./databaseProcess.js', import.meta.url));
export const SEED = 1;

export async function askProcess(request: DatabaseRequest): Promise<DatabaseAnswer> {
  const child = fork(PROCESS, { execArgv: [] });
  const answered = once(child, 'message');
  const ended = once(child, 'exit');
  child.send(request);
  const [answer] = await Promise.race([answered, ended]);
  if (typeof answer !== 'object' || answer === null) {
    throw new AppError('IMPORT_FAILED', `the process that imports or reads ended with ${answer}`);
  }
  await ended;
  return answer as DatabaseAnswer;
}

/** @throws AppError RUN_CANCELLED; `work` ends by the signal of its own accord, so that nothing is written there afterwards */
export async function withFolder<T>(signal: AbortSignal, work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'marquee-bench-'));
  try {
    return await work(folder);
  } catch (error) {
    throw signal.aborted ? stopped(error) : error;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** With the synthetic set imported, as on another day. @throws AppError RUN_CANCELLED */
export function withFilledDatabase<T>(
  url: string,
  set: SyntheticOptions,
  signal: AbortSignal,
  work: (store: Store) => Promise<T>,
  partitions = 1,
): Promise<T> {
  return withFolder(signal, async (folder) => {
    await writeSyntheticSet(folder, set, { signal });
    const filled = async (store: Store) => {
      await askProcess({ url: store.url, import: folder });
      await settle(store);
      return work(store);
    };
    return withBenchDatabase(url, signal, filled, partitions);
  });
}

/** At most every other pair is rated. */
export function synthetic(shapeName: ShapeName): SyntheticOptions {
  const { users, movies, ratings } = SHAPES[shapeName];
  return { users, movies, ratings: Math.min(ratings, Math.floor((users * movies) / 2)), seed: SEED };
}

export function aboutServer(version: string, settings: BenchSettings, set: SyntheticOptions) {
  const server = { engine: 'postgres', device: `PostgreSQL ${version}`, threads: 1 };
  const { users, movies, ratings } = set;
  const { shapeName, partitions, repeats } = settings;
  return { ...server, shape: shapeName, users, movies, ratings, partitions, repeats };
}

export function median(values: number[]): number {
  return toTiming(values, 1).median;
}

export function check(found: number, expected: number): void {
  if (found === expected) return;
  throw new AppError('BENCH_WRONG_RESULT', `PostgreSQL gave ${found} where ${expected} was expected`);
}
