// One run at a time on the GPU of each machine. No GPU is needed: a door plays one, and the engines train on the CPU.

import { hostname } from 'node:os';
import type { EngineDoor } from '#src/engines/engine.js';
import { ENGINE_DOORS, needsGpu } from '#src/engines/open.js';
import { type JobWorker, startWorker } from '#src/jobs/worker.js';
import { createLogger } from '#src/log.js';
import { type JobQueue, openQueue } from '#src/store/queue.js';
import { cancelRun, claimRun, createRun, getRun, requeueRun } from '#src/store/runs.js';
import { takeRun } from '#src/training/takeRun.js';
import { aRunRequest, importSynthetic, openTestStore, type TestStore } from './support/store.js';
import { until } from './support/until.js';

const SETTINGS = { threads: 2 };
const log = createLogger({ logLevel: 'silent' });

/** First in the order of auto. */
const DOORS = [aDoor('GPU of a kind'), ...ENGINE_DOORS];

let store: TestStore;
let queue: JobQueue | null = null;
let worker: JobWorker | null = null;
beforeAll(async () => {
  store = await openTestStore();
  await importSynthetic(store);
});
afterEach(async () => {
  await worker?.close();
  await queue?.close();
  [worker, queue] = [null, null];
  await store.pool.query(
    `update training_runs set status = 'CANCELLED' where status in ('QUEUED', 'RUNNING')`,
  );
});
afterAll(() => store.drop());

test('a run has its GPU to itself: the next waits until it has ended, is cancelled or handed back', async () => {
  const [first, second] = [await waiting(), await waiting()];
  const claim = (await takeRun(store, first, SETTINGS, DOORS))!;
  expect(claim).toMatchObject({ status: 'RUNNING', gpuOf: hostname() });
  await expect(takeRun(store, second, SETTINGS, DOORS)).rejects.toMatchObject({ code: 'GPU_BUSY' });
  expect(await getRun(store, second)).toMatchObject({ status: 'QUEUED', attempt: 0 });
  await requeueRun(store, claim);
  expect(await takeRun(store, second, SETTINGS, DOORS)).toMatchObject({ status: 'RUNNING' });
  await expect(takeRun(store, first, SETTINGS, DOORS)).rejects.toMatchObject({ code: 'GPU_BUSY' });
  await cancelRun(store, second);
  expect(await takeRun(store, first, SETTINGS, DOORS)).toMatchObject({ status: 'RUNNING', attempt: 2 });
});

test('of many that want the GPU at once, one gets it', async () => {
  const ids = [await waiting(), await waiting(), await waiting(), await waiting()];
  const outcomes = await Promise.allSettled(ids.map((id) => takeRun(store, id, SETTINGS, DOORS)));
  expect(outcomes.map(({ status }) => status).sort()).toEqual([
    'fulfilled',
    'rejected',
    'rejected',
    'rejected',
  ]);
});

test('the GPU of another machine and the CPU are free, the GPU by another engine is not', async () => {
  const ids = [
    await waiting(),
    await waiting(),
    await waiting(),
    await waiting('native'),
    await waiting('wasm'),
  ];
  await takeRun(store, ids[0], SETTINGS, DOORS);
  const another = takeRun(store, ids[1], SETTINGS, [aDoor('the same, by another name')]);
  await expect(another).rejects.toMatchObject({ code: 'GPU_BUSY' });
  expect(await claimRun(store, ids[2], 'elsewhere')).toMatchObject({ status: 'RUNNING' });
  for (const id of ids.slice(3))
    expect(await takeRun(store, id, SETTINGS, DOORS)).toMatchObject({ status: 'RUNNING', gpuOf: null });
});

test('a driver that only plays a GPU is none', async () => {
  expect(await needsGpu(['gpu'], SETTINGS, [aDoor('llvmpipe', { isSoftware: true })])).toBe(false);
  expect(await needsGpu(['gpu'], SETTINGS, [aDoor('a GPU')])).toBe(true);
  expect(await needsGpu(['absent', 'gpu'], SETTINGS, [aDoor('a GPU')])).toBe(true);
  expect(await needsGpu(['absent'], SETTINGS, [aDoor('a GPU')])).toBe(false);
});

test('a worker leaves a run that waits for the GPU, trains others meanwhile, and takes it when the GPU is free', async () => {
  const [holder, waits, other] = [await waiting(), await waiting('auto', 5), await waiting('wasm')];
  const claim = (await takeRun(store, holder, SETTINGS, DOORS))!;
  // Nobody trains it: it must not be taken for lost.
  await store.pool.query(
    `update training_runs set heartbeat_at = clock_timestamp() + interval '1 hour' where id = $1`,
    [claim.id],
  );
  queue = await openQueue(store, log);
  worker = await startWorker(store, queue, log, SETTINGS, DOORS);
  await until(async () => (await getRun(store, other)).status === 'SUCCEEDED');
  expect(await getRun(store, waits)).toMatchObject({ status: 'QUEUED', attempt: 0, startedAt: null });
  await cancelRun(store, holder);
  await until(async () => (await getRun(store, waits)).status === 'SUCCEEDED');
  expect(await getRun(store, waits)).toMatchObject({ attempt: 1, gpuOf: hostname() });
});

async function waiting(engine = 'auto', priority = 0): Promise<number> {
  return (await createRun(store, aRunRequest({ engine, priority }))).id;
}

/** Of an engine that says it has a GPU. */
function aDoor(device: string, { isSoftware = false } = {}): EngineDoor {
  return {
    name: 'gpu',
    usesGpu: true,
    refusalOf: () => null,
    probe: async () => ({ name: 'gpu', available: true, device, reason: null, isSoftware }),
    open: () => Promise.reject(new Error('a door of a test')),
  };
}
