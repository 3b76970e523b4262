// The registry of models: the gate of promotion, rolling back, pruning, naming a model, and switching under load.

import { setTimeout as sleep } from 'node:timers/promises';
import { saveCheckpoint } from '#src/store/checkpoints.js';
import { resolveHyperparameters } from '#src/store/hyperparameterChecks.js';
import { getActiveModel, getModel, getModelOfVersion, listModels } from '#src/store/models.js';
import { promoteModel, pruneModels, rollBack } from '#src/store/promotion.js';
import { rateMovie } from '#src/store/ratings.js';
import { cancelRun, createRun, getRun } from '#src/store/runs.js';
import { startTestApi, type TestApi } from './support/api.js';
import { aRunRequest, importSynthetic, openTestStore, type TestStore, train } from './support/store.js';

const GOOD = {
  preset: 'fast',
  engine: 'auto',
  hyperparameters: resolveHyperparameters('fast', { epochs: 20, burnIn: 5 }),
};
const PROMOTE = `mutation ($id: ID!, $force: Boolean) { promoteModel(input: { modelId: $id, force: $force }) {
  model { version active } userErrors { field code message } } }`;

let store: TestStore;
let api: TestApi;
/** API ids of versions 1 and 2: the better and the worse one. */
let good: string;
let poor: string;
beforeAll(async () => {
  store = await openTestStore();
  await importSynthetic(store);
  api = await startTestApi(store);
  await train(store, aRunRequest(GOOD));
  await train(store);
  const { data } = await api.query('{ models(first: 2) { nodes { id } } }');
  [poor, good] = data.models.nodes.map((model: { id: string }) => model.id);
});
afterAll(async () => {
  await api.close();
  await store.drop();
});
beforeEach(async () => {
  const { id } = await getModelOfVersion(store, 1);
  await promoteModel(store, id, { force: true });
});

test('a run whose model is worse than the active one succeeds, and says why it was not promoted', async () => {
  const { data } = await api.query(
    '{ activeModel { version } trainingRuns(first: 2) { nodes { status note model { version } } } }',
  );
  expect(data.activeModel.version).toBe(1);
  expect(data.trainingRuns.nodes).toEqual([
    {
      status: 'SUCCEEDED',
      note: expect.stringMatching(
        /^not promoted: model 2 has RMSE \d\.\d{5} on \d+ test ratings, worse than \d\.\d{5} of the active model 1$/,
      ),
      model: { version: 2 },
    },
    { status: 'SUCCEEDED', note: null, model: { version: 1 } },
  ]);
});

test('promoting a worse model is refused as data, unless forced', async () => {
  const refused = (await api.query(PROMOTE, { id: poor })).data.promoteModel;
  expect(refused).toEqual({
    model: null,
    userErrors: [{ field: ['input', 'modelId'], code: 'MODEL_WORSE', message: expect.any(String) }],
  });
  expect((await getActiveModel(store)).version).toBe(1);
  const forced = (await api.query(PROMOTE, { id: poor, force: true })).data.promoteModel;
  expect(forced).toEqual({ model: { version: 2, active: true }, userErrors: [] });
  // And a better one needs no force.
  const back = (await api.query(PROMOTE, { id: good })).data.promoteModel;
  expect(back).toEqual({ model: { version: 1, active: true }, userErrors: [] });
});

test('promoting the active model again changes nothing, and an unknown one is refused', async () => {
  const { id } = await getActiveModel(store);
  expect(await promoteModel(store, id)).toMatchObject({ id, active: true });
  await expect(promoteModel(store, 999)).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
  expect((await getActiveModel(store)).id).toBe(id);
});

test('rolling back makes the former model active, twice is back again', async () => {
  const { id } = await getModelOfVersion(store, 2);
  await promoteModel(store, id, { force: true });
  expect((await rollBack(store)).version).toBe(1);
  expect((await rollBack(store)).version).toBe(2);
});

test('any query may name a model, and one that names none is answered by the active one alone', async () => {
  const { data } = await api.query(
    `query ($id: ID!) {
      user(userId: 1) {
        predictedRating(movieId: 2) { model { version } }
        named: predictedRating(movieId: 2, modelId: $id) { rating model { version } }
        recommendations(first: 3) { nodes { predictedRating } }
        others: recommendations(first: 3, modelId: $id) { nodes { predictedRating } }
      }
      movie(movieId: 2) { predictedRating(userId: 1, modelId: $id) { rating model { version } } }
    }`,
    { id: poor },
  );
  const { user, movie } = data;
  expect(user.predictedRating.model.version).toBe(1);
  expect(user.named.model.version).toBe(2);
  expect(movie.predictedRating).toEqual(user.named);
  expect(user.others).not.toEqual(user.recommendations);
});

test('a model that does not exist is an error wherever it is named', async () => {
  const { errors } = await api.query(
    `query ($id: ID!) { user(userId: 1) { recommendations(first: 1, modelId: $id) { nodes { rank } } } }`,
    { id: Buffer.from('Model:999').toString('base64url') },
  );
  expect(errors![0].extensions.code).toMatch(/^(MODEL_NOT_FOUND|BAD_INPUT)$/);
});

test('after the set has grown, models are compared on the test ratings that both held out', async () => {
  await rateMovie(store, 1, 1, 5, new Date());
  await rateMovie(store, 1, 2, 0.5, new Date());
  const worse = await train(store);
  expect((await getRun(store, worse)).note).toMatch(/^not promoted: model 3 .* worse than .* model 1$/);
});

test('models that share no test ratings are not compared: promoting one needs force', async () => {
  const worse = await getModelOfVersion(store, 3);
  await store.pool.query('delete from test_predictions where run_id = $1', [worse.runId]);
  await expect(promoteModel(store, worse.id)).rejects.toMatchObject({ code: 'MODEL_INCOMPARABLE' });
});

test('promoting and rolling back under 200 requests a second fails none and mixes no two models', async () => {
  const { rating: expected } = await ratings(good);
  const { rating: other } = await ratings(poor);
  expect(other).not.toBe(expected);
  const query = `{ user(userId: 1) { a: predictedRating(movieId: 2) { rating model { version } }
    recommendations(first: 2) { nodes { rank } } } movie(movieId: 2) { predictedRating(userId: 1) { rating model { version } } } }`;
  const answers: Promise<Awaited<ReturnType<TestApi['query']>>>[] = [];
  const { id } = await getModelOfVersion(store, 2);
  for (let tick = 0; tick < 60; tick++) {
    for (let i = 0; i < 10; i++) answers.push(api.query(query));
    if (tick % 10 === 5) await promoteModel(store, id, { force: true });
    if (tick % 10 === 0 && tick > 0) await rollBack(store);
    await sleep(50);
  }
  const versions = new Set<number>();
  for (const { data, errors } of await Promise.all(answers)) {
    expect(errors).toBeUndefined();
    const { version } = data.user.a.model;
    versions.add(version);
    expect(data.user.a).toEqual({ rating: version === 1 ? expected : other, model: { version } });
    expect(data.movie.predictedRating).toEqual(data.user.a);
    expect(data.user.recommendations.nodes.length).toBe(2);
  }
  expect([...versions].sort()).toEqual([1, 2]);
});

test('pruning keeps the newest, the active one and the one before it; the runs stay', async () => {
  await train(store, aRunRequest({ promote: false }));
  await train(store, aRunRequest({ promote: false, seed: 7 }));
  const gone = await getModelOfVersion(store, 3);
  expect(await pruneModels(store, 1)).toEqual({ versions: [3, 4], testPredictions: 592, checkpoints: 0 });
  const left = await listModels(store, 10, null);
  expect(left.map(({ version }) => version)).toEqual([5, 2, 1]);
  expect(await getRun(store, gone.runId)).toMatchObject({ status: 'SUCCEEDED' });
  await expect(getModel(store, gone.id)).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
  expect(await pruneModels(store, 1)).toEqual({ versions: [], testPredictions: 0, checkpoints: 0 });
  expect(await store.prisma.testPrediction.count({ where: { runId: gone.runId } })).toBe(0);
  expect(await store.prisma.testPrediction.count({ where: { runId: left[0].runId } })).toBe(592);
});

test('of a pruned model the evaluation stays, and what is counted from test predictions is refused', async () => {
  const { data, errors } = await api.query(
    '{ trainingRuns(first: 3) { nodes { model { version } evaluation { rmse confusion { accuracy } calibration { ratings } } } } }',
  );
  expect(errors).toBeUndefined();
  const pruned = data.trainingRuns.nodes.find((run: { model: object | null }) => run.model === null);
  expect(pruned.evaluation).toEqual({
    ...{ rmse: expect.any(Number), confusion: { accuracy: expect.any(Number) }, calibration: [] },
  });
  const refused = await api.query(
    '{ trainingRuns(first: 3) { nodes { evaluation { confusion(threshold: 3) { accuracy } } } } }',
  );
  expect(refused.errors![0].extensions.code).toBe('RUN_PRUNED');
});

test('pruning keeps the newest checkpoints of runs that failed or were cancelled', async () => {
  const ids = [
    await cancelledWithCheckpoint(),
    await cancelledWithCheckpoint(),
    await cancelledWithCheckpoint(),
  ];
  expect(await pruneModels(store, 2)).toMatchObject({ checkpoints: 1 });
  const runs = await Promise.all(ids.map((id) => getRun(store, id)));
  expect(runs.map(({ checkpoint }) => checkpoint !== null)).toEqual([false, true, true]);
  const left = await store.prisma.checkpoint.findMany({ distinct: ['runId'], orderBy: { runId: 'asc' } });
  expect(left.map(({ runId }) => runId)).toEqual(ids.slice(1));
});

async function cancelledWithCheckpoint(): Promise<number> {
  const run = await createRun(store, aRunRequest(), 'RUNNING');
  const arrays = [{ name: 'a', shape: [1], values: Float32Array.of(1) }];
  await saveCheckpoint(store, run, { epoch: 1, snapshotChecksum: '', count: 1, arrays });
  await cancelRun(store, run.id);
  return run.id;
}

async function ratings(id: string): Promise<{ rating: number }> {
  const { data } = await api.query(
    'query ($id: ID!) { predictedRating(userId: 1, movieId: 2, modelId: $id) { rating } }',
    { id },
  );
  return data.predictedRating;
}
