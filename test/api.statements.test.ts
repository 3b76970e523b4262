// How many SQL statements a query costs, counted at the connection itself, whoever sends them.

import pg from 'pg';
import { createSearch } from '#src/store/searches.js';
import { resolveSearchRequest } from '#src/store/searchRequest.js';
import { advanceSearch } from '#src/store/searchSteps.js';
import { startTestApi, type TestApi } from './support/api.js';
import { importSynthetic, openTestStore, type TestStore, train } from './support/store.js';

let store: TestStore;
let api: TestApi;
let statements = 0;
const send = pg.Client.prototype.query;
beforeAll(async () => {
  store = await openTestStore();
  await importSynthetic(store);
  await train(store);
  api = await startTestApi(store);
  store.pool.on('connect', count);
  store.pool.on('acquire', count);
});
afterAll(async () => {
  await api.close();
  await store.drop();
});

test('a page of 50 movies with their ratings, users and movies costs four statements, as a page of 2 does', async () => {
  const query = (first: number) => `{ movies(first: ${first}) { nodes { title ratings(first: 10) { nodes {
    rating user { userId meanRating } movie { title } } pageInfo { hasNextPage } } } } }`;
  expect(await statementsOf(query(2))).toBe(4);
  expect(await statementsOf(query(50))).toBe(4);
});

test('recommendations of 50 users cost as many statements as those of one', async () => {
  const query = (first: number) => `{ users(first: ${first}) { nodes { recommendations(first: 5) { nodes {
    rank predictedRating movie { title } } } } } }`;
  await api.query(query(1));
  expect(await statementsOf(query(50))).toBe(await statementsOf(query(1)));
});

test('recommendations of 50 users that pass one filter cost as many statements as those of one user', async () => {
  const query = (first: number) => `{ users(first: ${first}) { nodes {
    recommendations(first: 5, filter: { genresAny: ["Drama"], yearFrom: 1960 }) { nodes { rank movie { title } } } } } }`;
  await api.query(query(1));
  expect(await statementsOf(query(50))).toBe(await statementsOf(query(1)));
});

test('predicted ratings of 50 users cost as many statements as that of one', async () => {
  const query = (first: number) =>
    `{ users(first: ${first}) { nodes { predictedRating(movieId: 3) { rating actual movie { title } } } } }`;
  await api.query(query(1));
  expect(await statementsOf(query(50))).toBe(await statementsOf(query(1)));
});

test('intervals of 50 predicted ratings cost as many statements as that of one', async () => {
  const query = (first: number) =>
    `{ users(first: ${first}) { nodes { predictedRating(movieId: 3) { interval { low high } } } } }`;
  await api.query(query(1));
  expect(await statementsOf(query(50))).toBe(await statementsOf(query(1)));
});

test('movies like 50 movies cost as many statements as those like one', async () => {
  const query = (first: number) =>
    `{ movies(first: ${first}) { nodes { similar(first: 3) { movie { title } } } } }`;
  await api.query(query(1));
  expect(await statementsOf(query(50))).toBe(await statementsOf(query(1)));
});

test('runs with epochs, evaluation and model cost a constant number of statements', async () => {
  const query = (first: number) =>
    `{ trainingRuns(first: ${first}) { nodes { epochs { epoch } evaluation { rmse baselines { name } starConfusion confusion(threshold: 4) { f1 } } model { version run { id } } } } models(first: ${first}) { nodes { run { id } } } }`;
  const one = await statementsOf(query(1));
  await train(store);
  await train(store);
  expect(await statementsOf(query(3))).toBe(one);
});

test('searches with rungs, trials and the best of them cost a constant number of statements', async () => {
  const query = (
    first: number,
  ) => `{ searches(first: ${first}) { nodes { status space { name } rungs { rung succeeded }
    trials(first: 10) { nodes { validationRmse search { id } } } bestTrial { trial } bestRun { model { version } } } } }`;
  const request = resolveSearchRequest({ space: { momentum: { min: 0.5, max: 0.9 } }, trials: 2 }, 'test');
  for (let i = 0; i < 3; i++) {
    const { search, runs } = await createSearch(store, request);
    await store.pool.query(
      `update training_runs set status = 'SUCCEEDED', validation_rmse = trial where search_id = $1`,
      [search.id],
    );
    expect([runs.length, (await advanceSearch(store, search.id)).length]).toEqual([2, 1]);
  }
  expect(await statementsOf(query(3))).toBe(await statementsOf(query(1)));
  const { data } = await api.query(query(3));
  expect(data.searches.nodes[2].bestTrial).toEqual({ trial: 1 });
});

async function statementsOf(document: string): Promise<number> {
  statements = 0;
  const { errors } = await api.query(document);
  expect(errors).toBeUndefined();
  return statements;
}

function count(client: pg.PoolClient & { isCounted?: boolean }): void {
  if (client.isCounted) return;
  client.isCounted = true;
  client.query = ((...args: Parameters<typeof send>) => {
    statements++;
    return send.apply(client, args);
  }) as typeof client.query;
}
