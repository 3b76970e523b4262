// Runs of the kind bayes: the same life as any run, and nothing of the test ratings in the model.

import { findEpochs, findEvaluations } from '#src/store/evaluations.js';
import { resolveHyperparameters } from '#src/store/hyperparameterChecks.js';
import { listModels, loadModel } from '#src/store/models.js';
import { createRun, getRun } from '#src/store/runs.js';
import { runInThread } from '#src/training/runInThread.js';
import { isHeldOut } from '#src/training/split.js';
import { bitsOf } from './support/bits.js';
import { aRunRequest, importSynthetic, openTestStore, type TestStore, train } from './support/store.js';

let store: TestStore;
beforeEach(async () => {
  store = await openTestStore();
  await importSynthetic(store, { users: 200, movies: 100, ratings: 8000, seed: 3 });
});
afterEach(() => store.drop());

function aBayesRequest(preset: string, overrides: object, seed = 1) {
  const hyperparameters = resolveHyperparameters(preset, overrides);
  return aRunRequest({ preset, hyperparameters, engine: 'auto', seed });
}

async function newestParameters() {
  const [model] = await listModels(store, 1, null);
  return loadModel(store, model.id);
}

test('a run of sweeps leaves its record, a figure for each sweep, an evaluation and a model of biases and dot product', async () => {
  const runId = await train(store, aBayesRequest('fast', {}));
  const run = await getRun(store, runId);
  expect(run).toMatchObject({
    status: 'SUCCEEDED',
    preset: 'fast',
    errorCode: null,
    threads: expect.any(Number),
  });
  expect(run.hyperparameters).toMatchObject({ kind: 'bayes', embeddingWidth: 15, epochs: 30, burnIn: 12 });
  const [epochs] = await findEpochs(store, [runId]);
  expect(epochs.map(({ epoch }) => epoch)).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
  expect(epochs[29].validationLoss).toBeLessThan(epochs[0].validationLoss);
  // Ratings deviate by 1.1 in all.
  for (const { noise } of epochs.slice(-10)) {
    expect(noise).toBeGreaterThan(0.2);
    expect(noise).toBeLessThan(1);
  }
  const [evaluation] = await findEvaluations(store, [runId]);
  const bias = evaluation!.baselines.find(({ name }) => name === 'user+movie bias')!;
  expect(evaluation!.rmse).toBeLessThan(bias.rmse);
  const { shape, parameters } = await newestParameters();
  expect(shape).toMatchObject({ embeddingWidth: 15, hiddenLayers: [], biases: true, dotProduct: true });
  expect(parameters.map(({ name }) => name)).toEqual([
    'user_embeddings',
    'movie_embeddings',
    'user_biases',
    'movie_biases',
    'output_biases',
  ]);
});

test('accurate takes its width and sweeps from the number of training ratings, unless others were asked for', async () => {
  const narrow = await train(store, aBayesRequest('accurate', { epochs: 3 }));
  expect((await getRun(store, narrow)).hyperparameters).toMatchObject({ embeddingWidth: 15, epochs: 3 });
  const wide = await train(store, aBayesRequest('accurate', { epochs: 3, embeddingWidth: 20 }));
  expect((await getRun(store, wide)).hyperparameters).toMatchObject({ embeddingWidth: 20, epochs: 3 });
});

test('the same seed gives the same model to the last bit', async () => {
  const models = [];
  for (const seed of [1, 1, 2]) {
    await train(store, aBayesRequest('fast', { epochs: 4 }, seed));
    models.push((await newestParameters()).parameters);
  }
  expect(models[0]).toEqual(models[1]);
  expect(models[0]).not.toEqual(models[2]);
});

test('test ratings leave no trace in the model: neither their stars nor that they exist', async () => {
  const request = aBayesRequest('fast', { epochs: 5, burnIn: 1, sideInformation: true });
  await train(store, request);
  const before = await newestParameters();
  const { rows } = await store.pool.query('select user_id, movie_id from ratings');
  const heldOut = rows.filter(({ user_id, movie_id }) => isHeldOut(request.split, user_id, movie_id));
  expect(heldOut.length).toBeGreaterThan(1000);
  // Other stars for one half of them; the other half was never given; others that were not, are.
  for (const [i, { user_id, movie_id }] of heldOut.entries()) {
    const change = i % 2 === 0 ? 'update ratings set rating = 5.5 - rating' : 'delete from ratings';
    await store.pool.query(`${change} where user_id = $1 and movie_id = $2`, [user_id, movie_id]);
  }
  const added = [...Array(200).keys()]
    .flatMap((u) => [...Array(100).keys()].map((m) => [u + 1, m + 1]))
    .filter(([u, m]) => isHeldOut(request.split, u, m))
    .slice(0, 1000);
  await store.pool.query(
    `insert into ratings (user_id, movie_id, rating)
     select pair.user_id, pair.movie_id, 5 from unnest($1::int[], $2::int[]) as pair (user_id, movie_id)
     join users using (user_id) join movies using (movie_id)
     on conflict do nothing`,
    [added.map(([user]) => user), added.map(([, movie]) => movie)],
  );
  await train(store, request);
  const after = await newestParameters();
  expect(bitsOf(after.parameters)).toEqual(bitsOf(before.parameters));
  // Variances, noises, tastes, and the priors of who comes later: whatever is stored is learned from training ratings alone.
  expect(before.posterior!.length).toBeGreaterThan(8);
  expect(bitsOf(after.posterior!)).toEqual(bitsOf(before.posterior!));
  expect(after.ratingMean).toBe(before.ratingMean);
  expect(after.userRatingCounts).toEqual(before.userRatingCounts);
  expect(after.movieRatingCounts).toEqual(before.movieRatingCounts);
});

test('a run of sweeps is cancelled between two of them', async () => {
  const run = await createRun(store, aBayesRequest('fast', { epochs: 1000 }), 'RUNNING');
  const cancel = new AbortController();
  const outcome = await runInThread(store, run, {
    ...{ threads: 2, signal: cancel.signal },
    onEvent: ({ event }) => event === 'epoch' && cancel.abort(),
  });
  expect(outcome).toMatchObject({ status: 'CANCELLED', error: { code: 'RUN_CANCELLED' } });
});

test('an engine that takes no sweeps ends such a run FAILED', async () => {
  const run = await createRun(store, { ...aBayesRequest('fast', {}), engine: 'tfjs:cpu' }, 'RUNNING');
  await runInThread(store, run, { threads: 2 });
  expect(await getRun(store, run.id)).toMatchObject({ status: 'FAILED', errorCode: 'ENGINE_UNSUPPORTED' });
});
