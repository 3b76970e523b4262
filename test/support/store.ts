// Stores for tests: a database of its own with a small synthetic set, and a model trained on it when asked for.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ENGINE_DOORS, openEngine } from '#src/engines/open.js';
import { importRatings } from '#src/loading/import.js';
import { writeSyntheticSet } from '#src/loading/synthetic.js';
import { resolveHyperparameters } from '#src/store/hyperparameterChecks.js';
import { DEFAULT_SPLIT } from '#src/store/hyperparameters.js';
import { loadModel } from '#src/store/models.js';
import type { RunRequest } from '#src/store/runRequest.js';
import { createRun } from '#src/store/runs.js';
import { openStore, type Store } from '#src/store/store.js';
import { runInThread } from '#src/training/runInThread.js';
import { trainRun } from '#src/training/train.js';
import { createTestDatabase } from '../database.js';
import { bitsOf } from './bits.js';

export interface TestStore extends Store {
  /** Closes the store and drops its database. */
  drop(): Promise<void>;
}

export const SET = { users: 120, movies: 80, ratings: 3000, seed: 3 };

/** template: the name of a database that is closed; the empty one if absent. */
export async function openTestStore(template?: string): Promise<TestStore> {
  const database = await createTestDatabase(template);
  const store = await openStore(database.url);
  return {
    ...store,
    async drop() {
      await store.close();
      await database.drop();
    },
  };
}

/** The same store, where asking Prisma is an error. */
export function withoutPrisma(store: Store): Store {
  return {
    ...store,
    get prisma(): never {
      throw new Error('Prisma was asked');
    },
  };
}

export async function importSynthetic(store: Store, set = SET): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'marquee-set-'));
  await writeSyntheticSet(folder, set);
  await importRatings(store, folder, { maxRejects: 0 });
  await rm(folder, { recursive: true });
}

export function aRunRequest(changes: Partial<RunRequest> = {}): RunRequest {
  return {
    preset: 'paper',
    hyperparameters: resolveHyperparameters('paper', { epochs: 2, hiddenLayers: [16], batchSize: 256 }),
    split: { ...DEFAULT_SPLIT },
    seed: 1,
    engine: 'auto',
    promote: true,
    priority: 0,
    idempotencyKey: null,
    codeVersion: 'test',
    ...changes,
  };
}

const ENGINE_SETTINGS = { threads: 2 };
const DOORS = ENGINE_DOORS.filter(({ usesGpu }) => !usesGpu);

/** Records a run and trains it here, by a CPU: a thread of its own would take three times as long, most of it to start. @throws what ends it */
export async function train(store: Store, request = aRunRequest()): Promise<number> {
  const run = await createRun(store, request, 'RUNNING');
  const needs = { ...ENGINE_SETTINGS, shape: request.hyperparameters };
  const engine = await openEngine(request.engine, needs, DOORS);
  await trainRun(store, engine, run);
  return run.id;
}

/** The tensors of the model of a run. */
export async function modelBits(store: Store, runId: number): Promise<string[]> {
  const { id } = await store.prisma.model.findUniqueOrThrow({ where: { runId } });
  return bitsOf((await loadModel(store, id)).parameters);
}

/** As commands and workers train: in a thread, with a log; however it ends. */
export async function trainInThread(store: Store, request = aRunRequest()): Promise<number> {
  const run = await createRun(store, request, 'RUNNING');
  await runInThread(store, run, ENGINE_SETTINGS);
  return run.id;
}
