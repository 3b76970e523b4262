// The life of a run: who may write, what a dead worker leaves, cancelling, resuming, and the same bits at the end.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkEngine, listEngines } from '#src/engines/open.js';
import { startWorker } from '#src/jobs/worker.js';
import { createLogger } from '#src/log.js';
import { findCheckpoint, saveCheckpoint } from '#src/store/checkpoints.js';
import { findEpochs } from '#src/store/evaluations.js';
import { resolveHyperparameters } from '#src/store/hyperparameterChecks.js';
import { openQueue } from '#src/store/queue.js';
import { rateMovie } from '#src/store/ratings.js';
import { beat, saveEpoch } from '#src/store/runProgress.js';
import type { RunRequest } from '#src/store/runRequest.js';
import {
  cancelRun,
  claimRun,
  createRun,
  endRun,
  getRun,
  resumeRun,
  takeBackLostRuns,
} from '#src/store/runs.js';
import { openStore, type Store } from '#src/store/store.js';
import { runInThread } from '#src/training/runInThread.js';
import { startTestApi } from './support/api.js';
import { handBackAfter } from './support/held.js';
import { startProxy } from './support/proxy.js';
import {
  aRunRequest,
  importSynthetic,
  modelBits,
  openTestStore,
  type TestStore,
  train,
  trainInThread,
} from './support/store.js';
import { until } from './support/until.js';

const log = createLogger({ logLevel: 'silent' });
const EPOCH = { trainLoss: 1, validationLoss: 1, seconds: 1, samplesPerSecond: 1, noise: null };
/** About two seconds of training with native, so that there is something to interrupt. */
const LONG = { preset: 'paper', engine: 'auto', ...paper({ epochs: 400, hiddenLayers: [256] }) };

let store: TestStore;
beforeAll(async () => {
  store = await openTestStore();
  await importSynthetic(store);
});
afterAll(() => store.drop());

const KINDS: [string, Partial<RunRequest>][] = [
  ['steps of sgd', paper({ epochs: 6, hiddenLayers: [16], batchSize: 256 })],
  ['steps of adam', paper({ epochs: 6, hiddenLayers: [16], batchSize: 256, optimizer: 'adam' })],
  ['sweeps', { preset: 'fast', hyperparameters: resolveHyperparameters('fast', { epochs: 6, burnIn: 2 }) }],
  [
    'sweeps with side information',
    {
      preset: 'maximum',
      hyperparameters: resolveHyperparameters('maximum', { epochs: 6, burnIn: 2, embeddingWidth: 8 }),
    },
  ],
];
// TensorFlow.js' WebGPU backend adds in no fixed order: other bits each time.
const engines = (await listEngines({ threads: 2 })).filter(
  ({ name, available }) => available && name !== 'tfjs:webgpu',
);
describe.each(engines.map(({ name }) => name))('on %s', (engine) => {
  test.each(KINDS.filter(([, { hyperparameters }]) => canTrain(engine, hyperparameters!)))(
    '%s that were stopped and resumed end with the bits of those that were not',
    async (_name, request) => {
      const undisturbed = await trainInThread(store, aRunRequest({ engine, ...request }));
      const run = await createRun(store, aRunRequest({ engine, ...request }), 'RUNNING');
      expect((await handBackAfter(store, run, 2)).status).toBe('QUEUED');
      const { epoch } = (await getRun(store, run.id)).checkpoint as { epoch: number };
      expect([2, 3]).toContain(epoch);
      const events: string[] = [];
      const again = (await claimRun(store, run.id))!;
      await runInThread(store, again, { threads: 2, onEvent: ({ event }) => events.push(event) });
      expect(events).toContain('resumed');
      expect(await modelBits(store, run.id)).toEqual(await modelBits(store, undisturbed));
      expect(await lossesOf(run.id)).toEqual(await lossesOf(undisturbed));
      expect(await findCheckpoint(store, await getRun(store, run.id))).toBeNull();
    },
  );
});

test('a run that is handed back in its last epoch goes on from there', async () => {
  const run = await createRun(store, aRunRequest(paper({ epochs: 1, hiddenLayers: [16] })), 'RUNNING');
  const handedBack = { threads: 1, signal: AbortSignal.abort(), onStop: 'requeue' as const };
  expect((await runInThread(store, run, handedBack)).status).toBe('QUEUED');
  expect((await getRun(store, run.id)).checkpoint).toMatchObject({ epoch: 1 });
  const again = (await claimRun(store, run.id))!;
  expect(await runInThread(store, again, { threads: 1 })).toEqual({ status: 'SUCCEEDED' });
  expect((await lossesOf(run.id)).length).toBe(1);
});

test('a worker that was thought dead changes nothing any more', async () => {
  const { id } = await createRun(store, aRunRequest());
  const stale = (await claimRun(store, id))!;
  await forgetHeartbeats();
  expect(await takeBackLostRuns(store)).toEqual([{ id, status: 'QUEUED' }]);
  const claim = (await claimRun(store, id))!;
  expect([stale.attempt, claim.attempt]).toEqual([1, 2]);
  expect([await beat(store, stale, null), await beat(store, claim, null)]).toEqual([false, true]);
  const state = { epoch: 1, snapshotChecksum: '', count: 0, arrays: [] };
  await expect(saveCheckpoint(store, stale, state)).rejects.toMatchObject({ code: 'RUN_LOST' });
  await saveEpoch(store, stale, { epoch: 1, ...EPOCH });
  await endRun(store, stale, 'FAILED', { code: 'INTERNAL', message: '' });
  expect((await getRun(store, id)).status).toBe('RUNNING');
  expect(await findEpochs(store, [id])).toEqual([[]]);
  await cancelRun(store, id);
});

test('a run whose workers die of it goes back three times, then it has failed', async () => {
  const { id } = await createRun(store, aRunRequest());
  const statuses: string[] = [];
  for (let i = 0; i < 4; i++) {
    await claimRun(store, id);
    expect(await takeBackLostRuns(store)).toEqual([]);
    await forgetHeartbeats();
    statuses.push((await takeBackLostRuns(store))[0].status);
  }
  expect(statuses).toEqual(['QUEUED', 'QUEUED', 'QUEUED', 'FAILED']);
  expect(await getRun(store, id)).toMatchObject({
    errorCode: 'RUN_LOST',
    errorMessage: 'no heartbeat for 20 seconds, for the 4th time: its workers die',
  });
});

test('runs killed by SIGKILL at ten moments end with the bits of undisturbed ones', async () => {
  const request = { ...LONG, ...paper({ epochs: 1000, hiddenLayers: [400] }) };
  const undisturbed = await train(store, aRunRequest(request));
  const ids = [await queued(request), await queued(request)];
  for (let moment = 0; moment < 10; moment++) {
    const worker = spawnWorker();
    await untilTraining();
    if (moment % 2 === 1) await until(async () => (await checkpointed()) > 0);
    await sleep(Math.random() * 400);
    worker.kill('SIGKILL');
    await once(worker, 'exit');
    await forgetHeartbeats();
    await store.pool.query('update training_runs set losses = 0');
  }
  expect(await checkpointed()).toBeGreaterThan(0);
  const worker = spawnWorker();
  for (const id of ids) await until(async () => (await getRun(store, id)).status === 'SUCCEEDED');
  worker.kill('SIGTERM');
  expect((await once(worker, 'exit'))[0]).toBe(0);
  for (const id of ids) {
    expect(await modelBits(store, id)).toEqual(await modelBits(store, undisturbed));
    expect(await lossesOf(id)).toEqual(await lossesOf(undisturbed));
  }
});

test('a database that is away for a while does not end a run, and its bits stay the same', async () => {
  const proxy = await startProxy(store.url);
  const distant: Store = await openStore(proxy.url);
  const run = await createRun(store, aRunRequest(LONG), 'RUNNING');
  const outcome = runInThread(distant, run, {
    threads: 2,
    onEvent: (event) => event.event === 'epoch' && event.epoch === 20 && proxy.interrupt(1500),
  });
  expect(await outcome).toEqual({ status: 'SUCCEEDED' });
  await distant.close();
  await proxy.close();
  expect(await modelBits(store, run.id)).toEqual(await undisturbedLong());
});

test('a run is cancelled by mutation wherever it trains, and resumed to the bits of one that was not', async () => {
  const api = await startTestApi(store);
  const worker = await startWorker(store, api.queue, log, { threads: 2 });
  const id = await queued(LONG);
  await until(async () => (await findEpochs(store, [id]))[0].length > 150);
  const ask = async (mutation: string) =>
    (
      await api.query(
        `mutation ($id: ID!) { ${mutation}(input: { runId: $id }) { trainingRun { status } userErrors { field code } } }`,
        { id: nodeId(id) },
      )
    ).data[mutation];
  expect(await ask('cancelTrainingRun')).toEqual({ trainingRun: { status: 'CANCELLED' }, userErrors: [] });
  const refused = { trainingRun: null, userErrors: [{ field: ['input', 'runId'], code: 'RUN_ENDED' }] };
  expect(await ask('cancelTrainingRun')).toEqual(refused);
  // The worker is free again.
  await trained(await queued({}));
  expect(await ask('resumeTrainingRun')).toEqual({ trainingRun: { status: 'QUEUED' }, userErrors: [] });
  await trained(id);
  expect(await ask('resumeTrainingRun')).toEqual(refused);
  await worker.close();
  await api.close();
  expect(await modelBits(store, id)).toEqual(await undisturbedLong());
});

test('twenty queued runs are trained once each by two workers, urgent ones first', async () => {
  const ids: number[] = [];
  for (let i = 0; i < 20; i++) ids.push(await queued({ priority: i === 19 ? 5 : 0 }));
  const queues = [await openQueue(store, log), await openQueue(store, log)];
  const workers = await Promise.all(queues.map((queue) => startWorker(store, queue, log, { threads: 1 })));
  try {
    for (const id of ids) await trained(id);
  } finally {
    for (const worker of workers) await worker.close();
    for (const queue of queues) await queue.close();
  }
  const runs = await Promise.all(ids.map((id) => getRun(store, id)));
  expect(runs.map(({ attempt }) => attempt)).toEqual(Array(20).fill(1));
  expect(await store.prisma.model.count({ where: { runId: { in: ids } } })).toBe(20);
  const startedBefore = runs.filter(({ startedAt }) => startedAt! < runs[19].startedAt!).length;
  expect(startedBefore).toBeLessThanOrEqual(2);
}, 300_000);

test('a run whose ratings have changed since its checkpoint begins anew', async () => {
  const request = aRunRequest(paper({ epochs: 6, hiddenLayers: [16] }));
  const run = await createRun(store, request, 'RUNNING');
  await handBackAfter(store, run, 3);
  await rateMovie(store, 1, 1, 5, new Date());
  const again = (await claimRun(store, run.id))!;
  const events: string[] = [];
  await runInThread(store, again, { threads: 2, onEvent: ({ event }) => events.push(event) });
  expect(events).not.toContain('resumed');
  expect(await modelBits(store, run.id)).toEqual(await modelBits(store, await train(store, request)));
});

test('a run that is not there cannot be resumed', async () => {
  await expect(resumeRun(store, 999_999)).rejects.toMatchObject({ code: 'RUN_NOT_FOUND' });
});

function canTrain(engine: string, hyperparameters: RunRequest['hyperparameters']): boolean {
  try {
    checkEngine(engine, hyperparameters);
    return true;
  } catch {
    return false;
  }
}

function paper(changes: object): Pick<RunRequest, 'hyperparameters'> {
  return { hyperparameters: resolveHyperparameters('paper', changes) };
}

async function queued(request: Partial<RunRequest>): Promise<number> {
  return (await createRun(store, aRunRequest(request))).id;
}

async function trained(id: number): Promise<void> {
  await until(async () => (await getRun(store, id)).finishedAt !== null);
  expect(await getRun(store, id)).toMatchObject({ status: 'SUCCEEDED', errorMessage: null });
}

let longBits: Promise<string[]> | undefined;

/** Of the ratings as they are at first: trained once. */
function undisturbedLong() {
  longBits ??= train(store, aRunRequest(LONG)).then((runId) => modelBits(store, runId));
  return longBits;
}

async function lossesOf(runId: number) {
  const [epochs] = await findEpochs(store, [runId]);
  // The training loss is a sum over chunks of steps, whose sizes depend on how fast they are.
  return epochs.map(({ epoch, trainLoss, validationLoss }) => [epoch, trainLoss.toFixed(9), validationLoss]);
}

async function forgetHeartbeats(): Promise<void> {
  await store.pool.query(
    `update training_runs set heartbeat_at = heartbeat_at - interval '1 hour' where status = 'RUNNING'`,
  );
}

function spawnWorker(): ChildProcess {
  const env = { PATH: process.env.PATH, DATABASE_URL: store.url, MARQUEE_LOG_LEVEL: 'silent' };
  return spawn(process.execPath, ['dist/main.js', 'work'], { env, stdio: 'ignore' });
}

/** Runs that have a checkpoint. */
async function checkpointed(): Promise<number> {
  const { rows } = await store.pool.query('select count(distinct run_id)::int as runs from checkpoints');
  return rows[0].runs;
}

async function untilTraining(): Promise<void> {
  await until(
    async () =>
      (await store.prisma.trainingRun.count({ where: { status: 'RUNNING', NOT: { startedAt: null } } })) > 0,
  );
}

function nodeId(key: number): string {
  return Buffer.from(`TrainingRun:${key}`).toString('base64url');
}
