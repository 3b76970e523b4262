// Ratings held out to tell the best epoch: what is kept, when training stops, and that being interrupted changes nothing.
// And runs that lose their way: they end with advice.

import { findEpochs } from '#src/store/evaluations.js';
import { resolveHyperparameters } from '#src/store/hyperparameterChecks.js';
import { keptEpoch } from '#src/store/hyperparameters.js';
import { haveSameModel } from '#src/store/runRecord.js';
import type { RunRequest } from '#src/store/runRequest.js';
import { claimRun, createRun, getRun } from '#src/store/runs.js';
import { checkLoss } from '#src/training/divergence.js';
import { validationSides } from '#src/training/holdOut.js';
import { runInThread } from '#src/training/runInThread.js';
import { handBackAfter } from './support/held.js';
import {
  aRunRequest,
  importSynthetic,
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

/** Without L2 it learns the few ratings by heart, and the validation loss rises again. */
const OVERFITTING = {
  learningRate: 0.02,
  learningRateDecay: 1,
  l2Embeddings: 0,
  l2Biases: 0,
  epochs: 20,
  validationFraction: 0.1,
};

test.each(['native', 'wasm', 'tfjs:wasm'])(
  'on %s a run with a hold-out keeps the epoch with the lowest validation loss: the model of a run that ends there',
  async (engine) => {
    const whole = await train(store, overfitting({ engine }));
    const [epochs] = await findEpochs(store, [whole]);
    expect(epochs.length).toBe(20);
    const best = Math.min(...epochs.map(({ validationLoss }) => validationLoss));
    const kept = epochs.findIndex(({ validationLoss }) => validationLoss === best) + 1;
    expect(kept).toBeLessThan(20);
    const short = await train(store, overfitting({ engine }, { epochs: kept }));
    expect(await haveSameModel(store, whole, short)).toBe(true);
    const [a, b] = [await rmseOf(whole), await rmseOf(short)];
    expect(a).toBeCloseTo(b, 6);
  },
);

test('with patience training stops when so many epochs have brought nothing better, and the same model comes of it', async () => {
  const whole = await train(store, overfitting({ engine: 'native' }));
  const patient = await train(store, overfitting({ engine: 'native' }, { patience: 3 }));
  const [[...all], stopped] = await findEpochs(store, [whole, patient]);
  const kept = keptEpoch(resolveHyperparameters('mf', OVERFITTING), all)!;
  expect(stopped.length).toBe(kept + 3);
  expect(await haveSameModel(store, whole, patient)).toBe(true);
});

const CHAIN = {
  ...{ embeddingWidth: 8, epochs: 300, burnIn: 10 },
  ...{ validationFraction: 0.1, patience: 5 },
};
test('sweeps are judged from the end of the burn-in, and stop when the mean gets no better', async () => {
  const hyperparameters = resolveHyperparameters('fast', CHAIN);
  const runId = await train(store, aRunRequest({ preset: 'fast', engine: 'native', hyperparameters }));
  const [epochs] = await findEpochs(store, [runId]);
  const kept = keptEpoch(hyperparameters, epochs)!;
  expect(kept).toBeGreaterThan(10);
  expect(epochs.length).toBe(kept + 5);
  expect(epochs.length).toBeLessThan(300);
});

test('the hold-out comes out of the training ratings, and the test ratings stay as they are', async () => {
  const plain = await getRun(
    store,
    await train(store, overfitting({}, { validationFraction: 0, epochs: 1 })),
  );
  const held = await getRun(
    store,
    await train(store, overfitting({}, { validationFraction: 0.1, epochs: 1 })),
  );
  expect(held.testRatings).toBe(plain.testRatings);
  expect(held.trainRatings! / plain.trainRatings!).toBeCloseTo(0.9, 1);
  const set = { userIndices: Int32Array.of(0, 0, 1, 2), movieIndices: Int32Array.of(0, 1, 1, 2) };
  const halves = { train: { ...set, ratings: Float32Array.of(1, 2, 3, 4) }, test: emptySet() };
  const hyperparameters = resolveHyperparameters('mf', { validationFraction: 0.5 });
  const { train: rest, validation } = validationSides(halves, hyperparameters, 42);
  expect([...rest.ratings, ...validation.ratings].sort()).toEqual([1, 2, 3, 4]);
});

test.each([
  ['steps', 'mf', { embeddingWidth: 8, ...OVERFITTING }],
  ['sweeps', 'fast', CHAIN],
])(
  '%s that are stopped in the middle and resumed keep the same epoch, with the same bits',
  async (_kind, preset, changes) => {
    const hyperparameters = resolveHyperparameters(preset, changes);
    const request = aRunRequest({ preset, engine: 'native', hyperparameters });
    const undisturbed = await train(store, request);
    const kept = keptEpoch(hyperparameters, (await findEpochs(store, [undisturbed]))[0])!;
    const run = await createRun(store, request, 'RUNNING');
    expect((await handBackAfter(store, run, kept + 1)).status).toBe('QUEUED');
    const kepts: number[] = [];
    await runInThread(store, (await claimRun(store, run.id))!, {
      threads: 2,
      onEvent: (event) => event.event === 'kept' && kepts.push(event.epoch),
    });
    expect(kepts).toEqual([kept]);
    expect(await haveSameModel(store, undisturbed, run.id)).toBe(true);
    expect(await rmseOf(run.id)).toBe(await rmseOf(undisturbed));
  },
);

test('a run whose hold-out is empty fails and says so', async () => {
  const runId = await trainInThread(store, overfitting({}, { validationFraction: 1e-9 }));
  expect(await getRun(store, runId)).toMatchObject({
    status: 'FAILED',
    errorCode: 'RUN_NO_RATINGS',
    errorMessage: expect.stringContaining(' 0 to judge epochs by,'),
  });
});

test('a loss that explodes ends the run FAILED, with settings to try instead', async () => {
  const hyperparameters = resolveHyperparameters('paper', { learningRate: 10, momentum: 0.99, epochs: 50 });
  const runId = await trainInThread(store, aRunRequest({ hyperparameters }));
  expect(await getRun(store, runId)).toMatchObject({
    status: 'FAILED',
    errorCode: 'RUN_DIVERGED',
    errorMessage: expect.stringMatching(
      /^the loss after epoch 1 is .+, and guessing the mean has 1\.22: sgd with a learning rate of 10 and momentum 0.99 is too fast here; try 1 and momentum 0.9$/,
    ),
  });
});

test('a loss of more than ten times that of guessing the mean is divergence, except of a chain', () => {
  const adam = resolveHyperparameters('mf', { learningRate: 0.5 });
  expect(() => checkLoss(3, 9.9, 1, adam)).not.toThrow();
  expect(() => checkLoss(3, 12.34, 1.1, adam)).toThrow(
    'the loss after epoch 3 is 12.3, and guessing the mean has 1.10: adam with a learning rate of 0.5 is too fast here; try 0.05',
  );
  const chain = resolveHyperparameters('fast', {});
  expect(() => checkLoss(1, 50, 1, chain)).not.toThrow();
  expect(() => checkLoss(1, Number.NaN, 1, chain)).toThrow(
    'the loss became NaN in epoch 1: try another seed',
  );
});

test('ratings that are all alike can be trained on, though guessing their mean has no error at all', async () => {
  const alike = await openTestStore();
  await importSynthetic(alike);
  await alike.pool.query('update ratings set rating = 4');
  for (const preset of ['paper', 'mf']) {
    const hyperparameters = resolveHyperparameters(preset, { epochs: 2 });
    const run = await getRun(alike, await train(alike, aRunRequest({ hyperparameters })));
    expect([run.status, run.errorMessage]).toEqual(['SUCCEEDED', null]);
  }
  await alike.drop();
});

function overfitting(
  request: Partial<RunRequest>,
  changes: Partial<RunRequest['hyperparameters']> = {},
): RunRequest {
  const hyperparameters = resolveHyperparameters('mf', { embeddingWidth: 8, ...OVERFITTING, ...changes });
  return aRunRequest({ preset: 'mf', hyperparameters, ...request });
}

function emptySet() {
  return { userIndices: new Int32Array(0), movieIndices: new Int32Array(0), ratings: new Float32Array(0) };
}

async function rmseOf(runId: number): Promise<number> {
  return (await store.prisma.evaluation.findUniqueOrThrow({ where: { runId } })).rmse;
}
