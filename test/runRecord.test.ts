// The record of a run: train again from it, compare it with others, read what the run told.

import { resolveHyperparameters } from '#src/store/hyperparameterChecks.js';
import { findActiveModel } from '#src/store/models.js';
import { runLogPages } from '#src/store/runLogs.js';
import { compareRuns, haveSameModel, repeatRequest } from '#src/store/runRecord.js';
import { createRun, getRun } from '#src/store/runs.js';
import {
  aRunRequest,
  importSynthetic,
  modelBits,
  openTestStore,
  type TestStore,
  train,
  trainInThread,
} from './support/store.js';

let store: TestStore;
beforeAll(async () => {
  store = await openTestStore();
  await importSynthetic(store);
});
afterAll(() => store.drop());

const SGD = resolveHyperparameters('paper', { epochs: 3, hiddenLayers: [16], batchSize: 256 });

test.each([
  ['native', 'paper', SGD],
  ['wasm', 'paper', SGD],
  ['tfjs:cpu', 'paper', { ...SGD, epochs: 1 }],
  ['native', 'mf', resolveHyperparameters('mf', { epochs: 2, embeddingWidth: 8 })],
  ['wasm', 'fast', resolveHyperparameters('fast', { epochs: 6, embeddingWidth: 4, burnIn: 2 })],
  ['native', 'accurate', resolveHyperparameters('accurate', { epochs: 6, embeddingWidth: 31, burnIn: 2 })],
])(
  'a run of engine %s, preset %s, repeated from its record has identical tensors',
  async (engine, preset, hyperparameters) => {
    const first = await train(store, aRunRequest({ engine, preset, hyperparameters }));
    const second = await train(store, await repeatRequest(store, first, 'test'));
    expect(await getRun(store, second)).toMatchObject({ status: 'SUCCEEDED', repeats: first });
    expect(await modelBits(store, second)).toEqual(await modelBits(store, first));
    expect(await haveSameModel(store, first, second)).toBe(true);
  },
);

test('runs of other seeds do not have the same model, and a run without one cannot tell', async () => {
  const [a, b] = [await train(store), await train(store, aRunRequest({ seed: 2 }))];
  expect(await haveSameModel(store, a, b)).toBe(false);
  const waiting = await createRun(store, aRunRequest());
  expect(await haveSameModel(store, a, waiting.id)).toBeNull();
});

test('a repeated run takes the engine that trained, not the one asked for, and leaves the active model as it is', async () => {
  const first = await train(store, aRunRequest({ engine: 'auto' }));
  const active = await findActiveModel(store);
  const request = await repeatRequest(store, first, 'test');
  expect(request.engine).toBe((await getRun(store, first)).engine);
  expect(request.engine).not.toBe('auto');
  await train(store, request);
  expect((await findActiveModel(store))!.id).toBe(active!.id);
});

test('a run that never began has no record to repeat', async () => {
  const { id } = await createRun(store, aRunRequest());
  await expect(repeatRequest(store, id, 'test')).rejects.toMatchObject({
    code: 'RUN_NOT_REPEATABLE',
    message: `training run ${id} never began: it is QUEUED`,
  });
  await expect(repeatRequest(store, 999_999, 'test')).rejects.toMatchObject({ code: 'RUN_NOT_FOUND' });
});

test('a comparison has one line for each fact, and says which differ', async () => {
  const [a, b] = [await train(store), await train(store, aRunRequest({ seed: 2, hyperparameters: SGD }))];
  const facts = await compareRuns(store, [a, b]);
  const byName = new Map(facts.map((fact) => [fact.name, fact]));
  expect(byName.get('seed')).toEqual({ name: 'seed', values: [1, 2], same: false });
  expect(byName.get('epochs')).toEqual({ name: 'epochs', values: [2, 3], same: false });
  expect(byName.get('hiddenLayers')).toEqual({ name: 'hiddenLayers', values: ['16', '16'], same: true });
  expect(byName.get('split.testFraction')).toEqual({
    name: 'split.testFraction',
    values: [0.2, 0.2],
    same: true,
  });
  expect(byName.get('ratingsChecksum')!.same).toBe(true);
  expect(byName.get('rmse')!.same).toBe(false);
  expect(byName.get('modelDigest')!.same).toBe(false);
  expect(byName.get('seconds.train')!.values.every((seconds) => (seconds as number) > 0)).toBe(true);
  await expect(compareRuns(store, [a, 999_999])).rejects.toMatchObject({ code: 'RUN_NOT_FOUND' });
});

test('a run tells who trains it and what came of it, or why it failed', async () => {
  const succeeded = await trainInThread(store);
  const failed = await trainInThread(store, aRunRequest({ engine: 'tfjs:node-gpu' }));
  const [lines, failure] = await runLogPages(store, [succeeded, failed], 100, null);
  expect(lines.map(({ level }) => level)).toEqual(['INFO', 'INFO', 'INFO']);
  expect(lines[0].message).toMatch(
    /^process \d+ on .+ trains by engine (native|wasm|webgpu) \(.+\) on 24\d\d ratings/,
  );
  expect(lines[2].message).toMatch(/^the run succeeded with a test RMSE of \d\.\d{4}$/);
  expect(failure).toMatchObject([
    { level: 'ERROR', message: expect.stringContaining('ENGINE_UNAVAILABLE: ') },
  ]);
  expect(await runLogPages(store, [succeeded], 1, lines[0].id)).toEqual([[lines[1]]]);
});

test('a run is not repeated on other ratings: it fails and names both checksums', async () => {
  const first = await train(store);
  const { rows } = await store.pool.query('select user_id, movie_id, rating from ratings limit 1');
  const [{ user_id, movie_id, rating }] = rows;
  await store.pool.query('update ratings set rating = $3 where (user_id, movie_id) = ($1, $2)', [
    ...[user_id, movie_id, rating === 5 ? 4 : 5],
  ]);
  const second = await trainInThread(store, await repeatRequest(store, first, 'test'));
  const checksum = (await getRun(store, first)).snapshotChecksum!.slice(0, 12);
  expect(await getRun(store, second)).toMatchObject({
    status: 'FAILED',
    errorCode: 'RUN_OTHER_RATINGS',
    errorMessage: expect.stringContaining(
      `run ${first} was trained on 3000 ratings with the checksum ${checksum}…`,
    ),
  });
});
