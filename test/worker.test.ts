import { setTimeout as delay } from 'node:timers/promises';
import { startWorker } from '#src/jobs/worker.js';
import { createLogger } from '#src/log.js';
import { openQueue } from '#src/store/queue.js';
import { createRun } from '#src/store/runs.js';
import { startTestApi, type TestApi } from './support/api.js';
import { aRunRequest, importSynthetic, openTestStore, type TestStore } from './support/store.js';
import { until } from './support/until.js';

const START = `mutation ($input: StartTrainingRunInput!) { startTrainingRun(input: $input) {
  trainingRun { id status engine threads } userErrors { field message code } } }`;
const SMALL = { hyperparameters: { epochs: 2, hiddenLayers: [16], batchSize: 256 } };
const log = createLogger({ logLevel: 'silent' });

let store: TestStore;
let api: TestApi;
beforeAll(async () => {
  store = await openTestStore();
  await importSynthetic(store);
  api = await startTestApi(store);
});
afterAll(async () => {
  await api.close();
  await store.drop();
});

test('a run that is started by mutation waits, is taken by a worker, and its model answers', async () => {
  const { data } = await api.query(START, { input: SMALL });
  expect(data.startTrainingRun).toMatchObject({
    trainingRun: { status: 'QUEUED', engine: 'auto', threads: null },
    userErrors: [],
  });
  const worker = await startWorker(store, api.queue, log, { threads: 2 });
  const run = await untilEnded(data.startTrainingRun.trainingRun.id);
  await worker.close();
  expect(run).toMatchObject({
    status: 'SUCCEEDED',
    // As auto has it: wasm where there is no compiler.
    engine: expect.stringMatching(/^(native|wasm)$/),
    threads: 2,
    error: null,
    model: { active: true },
  });
  expect(run.epochs.length).toBe(2);
  const answer = await api.query('{ predictedRating(userId: 1, movieId: 1) { source model { version } } }');
  expect(answer.data.predictedRating.source).toBe('MODEL');
});

test('the API answers while a run trains in the same process, and stopping the worker puts the run back', async () => {
  const queue = await openQueue(store, log);
  const worker = await startWorker(store, queue, log, { threads: 2 });
  const { data } = await api.query(START, { input: { hyperparameters: { epochs: 1000 } } });
  const { id } = data.startTrainingRun.trainingRun;
  await until(async () => (await statusOf(id)).progress !== null);
  const { data: during } = await api.query(
    '{ movies(first: 1) { nodes { title } } trainingRuns(first: 1) { nodes { status } } }',
  );
  expect(during.trainingRuns.nodes[0].status).toBe('RUNNING');
  await worker.close();
  await queue.close();
  expect(await statusOf(id)).toMatchObject({ status: 'QUEUED', progress: null, error: null });
  await store.pool.query(`update training_runs set status = 'CANCELLED' where status = 'QUEUED'`);
});

test('a run that was recorded but never queued is taken when a worker starts', async () => {
  const run = await createRun(store, aRunRequest());
  const queue = await openQueue(store, log);
  const worker = await startWorker(store, queue, log, { threads: 2 });
  await until(
    async () =>
      (await store.prisma.trainingRun.findUnique({ where: { id: run.id } }))!.status === 'SUCCEEDED',
  );
  await worker.close();
  await queue.close();
});

test('a worker that is closed needs the store no more, also when it was just looking after the runs', async () => {
  const queue = await openQueue(store, log);
  const holder = await store.pool.connect();
  await holder.query('begin; lock table training_runs');
  const worker = await startWorker(store, queue, log, { threads: 2 });
  await until(async () => {
    const { rowCount } = await store.pool.query(
      `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like '%lost%'`,
    );
    return rowCount! > 0;
  });
  let isReleased = false;
  const release = async () => {
    isReleased = true;
    await holder.query('commit');
    holder.release();
  };
  const released = delay(1500).then(release);
  await worker.close();
  const isOver = isReleased;
  await released;
  await queue.close();
  expect(isOver).toBe(true);
});

test('a run whose job got lost is queued again when it is asked for with the same key', async () => {
  const run = await createRun(store, aRunRequest({ idempotencyKey: 'lost' }));
  const worker = await startWorker(store, api.queue, log, { threads: 2 });
  await api.query(START, { input: { idempotencyKey: 'lost' } });
  await until(
    async () =>
      (await store.prisma.trainingRun.findUnique({ where: { id: run.id } }))!.status === 'SUCCEEDED',
  );
  await worker.close();
});

test('a run that is sent many times waits in the queue once', async () => {
  for (let i = 0; i < 5; i++) await api.queue.sendJob({ name: 'train', runId: 424242 });
  const { rows } = await store.pool.query(
    `select count(*)::int as jobs from pgboss.job where data ->> 'runId' = '424242'`,
  );
  expect(rows).toEqual([{ jobs: 1 }]);
});

test('a wrong preset, hyperparameter, seed or engine is refused as data, with what to do', async () => {
  const refusals = await Promise.all(
    [
      { preset: 'nope' },
      { hyperparameters: { epochs: 0 } },
      { hyperparameters: { hiddenLayers: [] } },
      { seed: -1 },
      { engine: 'abacus' },
      { split: { testFraction: 1.5 } },
    ].map(async (input) => (await api.query(START, { input })).data.startTrainingRun),
  );
  expect(refusals.map(({ trainingRun }) => trainingRun)).toEqual([null, null, null, null, null, null]);
  expect(refusals.map(({ userErrors }) => [userErrors[0].code, userErrors[0].field.join('.')])).toEqual([
    ['PRESET_UNKNOWN', 'input.preset'],
    ['HYPERPARAMETER_INVALID', 'input.hyperparameters.epochs'],
    ['HYPERPARAMETER_INVALID', 'input.hyperparameters.hiddenLayers'],
    ['HYPERPARAMETER_INVALID', 'input.seed'],
    ['ENGINE_UNKNOWN', 'input.engine'],
    ['HYPERPARAMETER_INVALID', 'input.split.testFraction'],
  ]);
  expect(refusals[1].userErrors[0].message).toContain('epochs is 0: expected a whole number from 1 to 1000');
});

test('an engine that has no models of this shape is refused before the run is queued', async () => {
  const input = { engine: 'native', hyperparameters: { hiddenLayers: [64, 32, 16] } };
  const { startTrainingRun } = (await api.query(START, { input })).data;
  expect(startTrainingRun).toMatchObject({
    trainingRun: null,
    userErrors: [{ field: ['input', 'engine'], code: 'ENGINE_UNSUPPORTED' }],
  });
});

test('a run of matrix factorization is asked for by its preset and parts, and tells them', async () => {
  const fields = 'hiddenLayers biases dotProduct optimizer learningRateDecay l2Embeddings l2Biases l2Weights';
  const hyperparameters = {
    biases: false,
    optimizer: 'ADAM',
    learningRateDecay: 0.5,
    l2Weights: 0.1,
    epochs: 1,
  };
  const { data } = await api.query(
    `mutation ($input: StartTrainingRunInput!) { startTrainingRun(input: $input) {
      trainingRun { preset hyperparameters { ${fields} } } userErrors { message } } }`,
    { input: { preset: 'mf', hyperparameters } },
  );
  expect(data.startTrainingRun).toEqual({
    trainingRun: {
      preset: 'mf',
      hyperparameters: {
        ...{ hiddenLayers: [], biases: false, dotProduct: true, optimizer: 'ADAM', learningRateDecay: 0.5 },
        ...{ l2Embeddings: 0.0002, l2Biases: 0.00003, l2Weights: 0.1 },
      },
    },
    userErrors: [],
  });
});

test('null for an optional field of the input means its default', async () => {
  const input = {
    preset: null,
    engine: null,
    seed: null,
    promote: null,
    split: null,
    hyperparameters: { epochs: 1 },
  };
  const { data } = await api.query(
    `mutation ($input: StartTrainingRunInput!) { startTrainingRun(input: $input) {
      trainingRun { preset engine seed split { testFraction seed } } userErrors { message } } }`,
    { input },
  );
  expect(data.startTrainingRun).toEqual({
    trainingRun: { preset: 'paper', engine: 'auto', seed: 42, split: { testFraction: 0.2, seed: 42 } },
    userErrors: [],
  });
});

test('before any model is promoted, a prediction is an error that says what to do', async () => {
  const empty = await openTestStore();
  const emptyApi = await startTestApi(empty);
  const { data, errors } = await emptyApi.query('{ predictedRating(userId: 1, movieId: 1) { rating } }');
  await emptyApi.close();
  await empty.drop();
  expect(data.predictedRating).toBeNull();
  expect(errors![0].extensions).toEqual({
    code: 'NO_ACTIVE_MODEL',
    hint: 'Train one: `marquee train`, or the mutation startTrainingRun.',
  });
});

async function statusOf(id: string) {
  const { data } = await api.query(
    `query ($id: ID!) { trainingRun(id: $id) { status engine threads error { code message } epochs { epoch } progress { step } model { active } } }`,
    { id },
  );
  return data.trainingRun;
}

async function untilEnded(id: string) {
  await until(async () => !['QUEUED', 'RUNNING'].includes((await statusOf(id)).status));
  return statusOf(id);
}
