import { openEngine, resolveEngineName } from '#src/engines/open.js';
import {
  findAucs,
  findCalibrations,
  findConfusions,
  findEpochs,
  findEvaluations,
  findStarConfusions,
} from '#src/store/evaluations.js';
import { resolveHyperparameters } from '#src/store/hyperparameterChecks.js';
import { findActiveModel, listModels, loadModel } from '#src/store/models.js';
import { promoteModel } from '#src/store/promotion.js';
import { claimRun, createRun, getRun } from '#src/store/runs.js';
import type { TrainingEvent } from '#src/training/events.js';
import { runInThread } from '#src/training/runInThread.js';
import { trainRun } from '#src/training/train.js';
import {
  aRunRequest,
  importSynthetic,
  openTestStore,
  type TestStore,
  train,
  trainInThread,
  withoutPrisma,
} from './support/store.js';

let store: TestStore;
beforeAll(async () => {
  store = await openTestStore();
  await importSynthetic(store);
});
afterAll(() => store.drop());

test('a run leaves its record, epochs, evaluation, baselines, test predictions and an active model', async () => {
  const runId = await trainInThread(store);
  const run = await getRun(store, runId);
  expect(run).toMatchObject({
    status: 'SUCCEEDED',
    engine: await resolveEngineName('auto', { threads: 2 }),
    threads: 2,
    snapshotRatings: 3000,
    errorCode: null,
    codeVersion: 'test',
  });
  expect(run.trainRatings! + run.testRatings!).toBe(3000);
  expect(run.snapshotChecksum).toMatch(/^[0-9a-f]{64}$/);
  const [epochs] = await findEpochs(store, [runId]);
  expect(epochs.map((metric) => metric.epoch)).toEqual([1, 2]);
  const [evaluation] = await findEvaluations(store, [runId]);
  expect(evaluation!.testRatings).toBe(run.testRatings);
  expect(evaluation!.rmse ** 2).toBeCloseTo(evaluation!.mse, 9);
  expect(evaluation!.baselines.map((baseline) => baseline.name).sort()).toEqual([
    'global mean',
    'movie mean',
    'user mean',
    'user+movie bias',
  ]);
  expect((await findActiveModel(store))!.runId).toBe(runId);
});

test('a run trains without Prisma, for which its thread would have to wait', async () => {
  const run = await createRun(store, aRunRequest(), 'RUNNING');
  await trainRun(withoutPrisma(store), await openEngine('wasm', { threads: 1 }), run);
  expect((await getRun(store, run.id)).status).toBe('SUCCEEDED');
});

test('the stored errors are those of the stored test predictions', async () => {
  const runId = await train(store);
  const [evaluation] = await findEvaluations(store, [runId]);
  const { rows } = await store.pool.query(
    `select count(*)::int as ratings, avg((actual - predicted) ^ 2) as mse, avg(abs(actual - predicted)) as mae, avg(actual) as mean
     from test_predictions where run_id = $1`,
    [runId],
  );
  expect(rows[0].ratings).toBe(evaluation!.testRatings);
  expect(rows[0].mse).toBeCloseTo(evaluation!.mse, 5);
  expect(rows[0].mae).toBeCloseTo(evaluation!.mae, 5);
  expect(rows[0].mean).toBeCloseTo(evaluation!.threshold, 5);
});

test('the confusion matrix adds up to the test ratings, at the mean, at any threshold, and by star', async () => {
  const runId = await train(store);
  const [evaluation] = await findEvaluations(store, [runId]);
  const [anew, atFour] = await findConfusions(store, [
    { runId, threshold: evaluation!.threshold },
    { runId, threshold: 4 },
  ]);
  expect(anew).toEqual({
    threshold: evaluation!.threshold,
    truePositives: evaluation!.truePositives,
    falsePositives: evaluation!.falsePositives,
    trueNegatives: evaluation!.trueNegatives,
    falseNegatives: evaluation!.falseNegatives,
  });
  const { truePositives, falsePositives, trueNegatives, falseNegatives } = atFour;
  expect(truePositives + falsePositives + trueNegatives + falseNegatives).toBe(evaluation!.testRatings);
  const [stars] = await findStarConfusions(store, [runId]);
  expect(stars.length).toBe(10);
  expect(stars.flat().reduce((sum, count) => sum + count)).toBe(evaluation!.testRatings);
});

test('AUC and calibration of the run are those of the stored test predictions', async () => {
  const runId = await train(store);
  const [evaluation] = await findEvaluations(store, [runId]);
  const [atMean, none] = await findAucs(store, [
    { runId, threshold: evaluation!.threshold },
    { runId, threshold: 5 },
  ]);
  expect(atMean).toBeCloseTo(evaluation!.auc!, 12);
  expect(none).toBeNull();
  const [bins] = await findCalibrations(store, [runId]);
  expect(bins.reduce((sum, { ratings }) => sum + ratings, 0)).toBe(evaluation!.testRatings);
});

test('lists of five lengths are measured beside popularity and biases', async () => {
  const [evaluation] = await findEvaluations(store, [await train(store)]);
  const tens = evaluation!.rankings.filter(({ k }) => k === 10);
  expect(tens.map(({ name }) => name).sort()).toEqual(['popularity', 'this model', 'user+movie bias']);
  expect(evaluation!.rankings.length).toBe(15);
});

test('a temporal run is tested on the newest ratings, and says so when there are no times', async () => {
  await store.pool.query(
    "update ratings set rated_at = timestamptz '2020-01-01' + user_id * interval '1 hour' + movie_id * interval '1 second'",
  );
  const split = { ...aRunRequest().split, kind: 'TEMPORAL' } as const;
  const runId = await train(store, aRunRequest({ split }));
  const { rows } = await store.pool.query(
    `select count(*)::int as held, min(rated_at) > (
       select max(rated_at) from ratings where (user_id, movie_id) not in (select user_id, movie_id from test_predictions where run_id = $1)
     ) as newest
     from test_predictions join ratings using (user_id, movie_id) where run_id = $1`,
    [runId],
  );
  expect(rows).toEqual([{ held: 600, newest: true }]);
  await store.pool.query('update ratings set rated_at = null where user_id = 1');
  const untimed = await trainInThread(store, aRunRequest({ split }));
  expect(await getRun(store, untimed)).toMatchObject({ status: 'FAILED', errorCode: 'RUN_NO_TIMES' });
});

test('the same seed gives the same model to the last bit; another seed gives another', async () => {
  const [first, second, other] = [
    await train(store),
    await train(store),
    await train(store, aRunRequest({ seed: 2 })),
  ];
  const [a, b, c] = await Promise.all([first, second, other].map(parametersOf));
  expect(a).toBe(b);
  expect(a).not.toBe(c);
});

test('a model that is loaded is the one that was stored: shapes, mean and how often each row was trained', async () => {
  await train(store);
  const model = (await findActiveModel(store))!;
  const content = await loadModel(store, model.id);
  expect(content.parameters.map(({ name, shape }) => [name, shape])).toEqual([
    ['user_embeddings', [120, 10]],
    ['movie_embeddings', [80, 10]],
    ['hidden_1_weights', [20, 16]],
    ['hidden_1_biases', [16]],
    ['output_weights', [16, 1]],
    ['output_biases', [1]],
  ]);
  const trained = (await getRun(store, model.runId)).trainRatings;
  expect(content.userRatingCounts.reduce((sum, count) => sum + count)).toBe(trained);
  expect(content.movieRatingCounts.reduce((sum, count) => sum + count)).toBe(trained);
  expect(Number(model.parameters)).toBe(120 * 10 + 80 * 10 + 20 * 16 + 16 + 16 + 1);
});

test('training learns: after some epochs the model beats the global mean on ratings it has not seen', async () => {
  const hyperparameters = resolveHyperparameters('paper', { epochs: 30, hiddenLayers: [32], batchSize: 64 });
  const runId = await train(store, aRunRequest({ hyperparameters }));
  const [evaluation] = await findEvaluations(store, [runId]);
  const globalMean = evaluation!.baselines.find((baseline) => baseline.name === 'global mean')!;
  expect(evaluation!.rmse).toBeLessThan(globalMean.rmse * 0.95);
});

test('paper-deep trains three hidden layers', async () => {
  const hyperparameters = resolveHyperparameters('paper-deep', { epochs: 1, batchSize: 512 });
  const runId = await train(store, aRunRequest({ preset: 'paper-deep', hyperparameters }));
  expect((await getRun(store, runId)).status).toBe('SUCCEEDED');
  const [model] = await listModels(store, 1, null);
  expect(model.shape).toMatchObject({ hiddenLayers: [1024, 400, 400] });
});

test('mf trains a model without hidden layers, which is stored with its parts', async () => {
  const hyperparameters = resolveHyperparameters('mf', { epochs: 2, embeddingWidth: 8 });
  const runId = await train(store, aRunRequest({ preset: 'mf', hyperparameters }));
  const [model] = await listModels(store, 1, null);
  expect(model.runId).toBe(runId);
  const { shape, parameters } = await loadModel(store, model.id);
  expect(shape).toMatchObject({ embeddingWidth: 8, hiddenLayers: [], biases: true, dotProduct: true });
  expect(parameters.map(({ name }) => name)).toEqual([
    'user_embeddings',
    'movie_embeddings',
    'user_biases',
    'movie_biases',
    'output_biases',
  ]);
});

test('a run recorded by an earlier version, with fewer hyperparameters, trains as it would have then', async () => {
  const run = await createRun(store, aRunRequest(), 'RUNNING');
  const { embeddingWidth, hiddenLayers, learningRate, momentum, batchSize, epochs } =
    aRunRequest().hyperparameters;
  const former = { embeddingWidth, hiddenLayers, learningRate, momentum, batchSize, epochs };
  await store.prisma.trainingRun.update({ where: { id: run.id }, data: { hyperparameters: former } });
  await runInThread(store, run, { threads: 2 });
  const [[before], [now]] = await findEpochs(store, [run.id, await train(store)]);
  expect(before.trainLoss).toBe(now.trainLoss);
});

test('progress is told from reading to success', async () => {
  const run = await createRun(store, aRunRequest(), 'RUNNING');
  const events: TrainingEvent['event'][] = [];
  await runInThread(store, run, { threads: 2, onEvent: ({ event }) => events.push(event) });
  expect(events.filter((event) => !['progress', 'reading', 'ranking'].includes(event))).toEqual([
    'started',
    'epoch',
    'epoch',
    'evaluating',
    'succeeded',
  ]);
  expect(events).toContain('progress');
});

test('promote: false keeps the active model, and promoting a former one goes back', async () => {
  await train(store);
  const before = (await findActiveModel(store))!;
  await train(store, aRunRequest({ promote: false }));
  expect((await findActiveModel(store))!.id).toBe(before.id);
  const [newest] = await listModels(store, 1, null);
  await promoteModel(store, newest.id, { force: true });
  expect((await findActiveModel(store))!.id).toBe(newest.id);
  await promoteModel(store, before.id, { force: true });
  expect((await findActiveModel(store))!.id).toBe(before.id);
});

test('a cancelled run ends CANCELLED, quickly, and leaves no model', async () => {
  const hyperparameters = resolveHyperparameters('paper', { epochs: 1000 });
  const run = await createRun(store, aRunRequest({ hyperparameters }), 'RUNNING');
  const cancel = new AbortController();
  const outcome = await runInThread(store, run, {
    ...{ threads: 2, signal: cancel.signal },
    onEvent: ({ event }) => event === 'epoch' && cancel.abort(),
  });
  expect(outcome).toMatchObject({ status: 'CANCELLED', error: { code: 'RUN_CANCELLED' } });
  expect(await getRun(store, run.id)).toMatchObject({ status: 'CANCELLED', errorCode: 'RUN_CANCELLED' });
  expect(await store.prisma.model.findUnique({ where: { runId: run.id } })).toBeNull();
});

test('a run on an engine that is not here ends FAILED and says why', async () => {
  const run = await createRun(store, aRunRequest({ engine: 'tfjs:node-gpu' }), 'RUNNING');
  await runInThread(store, run, { threads: 2 });
  expect(await getRun(store, run.id)).toMatchObject({ status: 'FAILED', errorCode: 'ENGINE_UNAVAILABLE' });
});

test('a run is claimed once, however many ask', async () => {
  const run = await createRun(store, aRunRequest());
  const claims = await Promise.all([1, 2, 3, 4, 5].map(() => claimRun(store, run.id)));
  expect(claims.filter((claim) => claim !== null).length).toBe(1);
  expect(await claimRun(store, run.id)).toBeNull();
});

test.each(['nightly-1', ''])('the same idempotency key gives the same run: "%s"', async (idempotencyKey) => {
  const request = aRunRequest({ idempotencyKey });
  const [first, second] = [await createRun(store, request), await createRun(store, request)];
  expect(second.id).toBe(first.id);
});

test('a store without ratings is a clear failure', async () => {
  const empty = await openTestStore();
  const runId = await trainInThread(empty);
  expect(await getRun(empty, runId)).toMatchObject({ status: 'FAILED', errorCode: 'RUN_NO_RATINGS' });
  await empty.drop();
});

async function parametersOf(runId: number): Promise<string> {
  const { rows } = await store.pool.query(
    `select md5(string_agg(model_tensors.bytes, ''::bytea order by position, chunk)) as digest
     from model_tensors join models on models.id = model_id where run_id = $1`,
    [runId],
  );
  return rows[0].digest;
}
