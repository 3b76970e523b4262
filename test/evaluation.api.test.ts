// An evaluation as clients ask for it.

import { toNodeId } from '#src/api/ids.js';
import { startTestApi, type TestApi } from './support/api.js';
import { importSynthetic, openTestStore, type TestStore, train } from './support/store.js';

let store: TestStore;
let api: TestApi;
let id: string;
beforeAll(async () => {
  store = await openTestStore();
  await importSynthetic(store);
  id = toNodeId('TrainingRun', await train(store));
  api = await startTestApi(store);
});
afterAll(async () => {
  await api.close();
  await store.drop();
});

async function evaluationOf(fields: string) {
  const query = `query ($id: ID!) { trainingRun(id: $id) { evaluation { ${fields} } } }`;
  const { data, errors } = await api.query(query, { id });
  return { evaluation: data?.trainingRun?.evaluation, errors };
}

test('ranking has ten places unless asked otherwise, and baselines beside it', async () => {
  const { evaluation } = await evaluationOf(
    'ranking { k users ndcg recall precision map hitRate coverage novelty diversity baselines { name ndcg } } top: ranking(k: 50) { k }',
  );
  expect(evaluation.ranking.k).toBe(10);
  expect(evaluation.ranking.users).toBeGreaterThan(0);
  expect(evaluation.ranking.baselines.map(({ name }: { name: string }) => name).sort()).toEqual([
    'popularity',
    'user+movie bias',
  ]);
  expect(evaluation.top.k).toBe(50);
});

test('lists of a length that was not measured are refused', async () => {
  const { errors } = await evaluationOf('ranking(k: 7) { ndcg }');
  expect(errors![0]).toMatchObject({
    message: expect.stringContaining('k is 7: expected one of 5, 10, 20, 50, 100'),
    extensions: { code: 'BAD_INPUT' },
  });
});

test('AUC at the mean and at any threshold, null where all ratings are on one side; calibration by bins', async () => {
  const { evaluation } = await evaluationOf(
    'testRatings auc atFour: auc(threshold: 4) none: auc(threshold: 5) calibration { predictedFrom ratings meanPredicted meanActual }',
  );
  expect(evaluation.auc).toBeGreaterThan(0);
  expect(evaluation.atFour).toBeGreaterThan(0);
  expect(evaluation.none).toBeNull();
  const counted = evaluation.calibration.reduce(
    (sum: number, { ratings }: { ratings: number }) => sum + ratings,
    0,
  );
  expect(counted).toBe(evaluation.testRatings);
});
