// /metrics, and the ids of requests.

import { startTestApi, type TestApi } from './support/api.js';
import { aRunRequest, importSynthetic, openTestStore, type TestStore, train } from './support/store.js';

let store: TestStore;
let api: TestApi;
beforeAll(async () => {
  store = await openTestStore();
  await importSynthetic(store);
  await train(store, aRunRequest());
  api = await startTestApi(store);
});
afterAll(async () => {
  await api.close();
  await store.drop();
});

test('requests are counted by operation, errors by code, scoring by method', async () => {
  await api.query('query Pick { user(userId: 1) { recommendations(first: 1) { nodes { rank } } } }');
  await api.query('{ predictedRating(userId: 0, movieId: 1) { rating } }');
  const lines = await scrape();
  expect(lines).toContain('marquee_graphql_request_seconds_count{operation="Pick"} 1');
  expect(lines).toContain('marquee_graphql_request_seconds_count{operation="unnamed"} 1');
  expect(lines).toContain('marquee_graphql_errors_total{code="BAD_INPUT"} 1');
  expect(lines).toContain('marquee_scoring_seconds_count{method="recommend"} 1');
});

test('a client that makes up names of operations makes no more than a hundred series', async () => {
  for (let i = 0; i < 120; i++) await api.query(`query Q${i} { ratingScale { minimum } }`);
  const series = (await scrape()).filter((line) => line.startsWith('marquee_graphql_request_seconds_count'));
  expect(series.length).toBe(101);
  expect(series.some((line) => line.includes('operation="other"'))).toBe(true);
});

test('runs, jobs, the active model, connections and the process are told', async () => {
  const lines = await scrape();
  expect(lines).toContain('marquee_training_runs{status="SUCCEEDED"} 1');
  expect(lines).toContain('marquee_training_samples_per_second 0');
  expect(lines).toContain('marquee_active_model_version 1');
  expect(lines).toContain('marquee_database_up 1');
  expect(lines.some((line) => line.startsWith('marquee_pool_connections{status="idle"}'))).toBe(true);
  expect(lines.some((line) => line.startsWith('nodejs_eventloop_lag_p99_seconds'))).toBe(true);
  expect(lines.some((line) => line.startsWith('process_resident_memory_bytes'))).toBe(true);
  await api.queue.sendJob({ name: 'train', runId: 999 });
  expect(await scrape()).toContain('marquee_queue_jobs{status="created"} 1');
});

test("an answer carries the client's request id, or a new one", async () => {
  expect(await requestId('shop-17')).toBe('shop-17');
  expect(await requestId('a "forged" id')).toMatch(/^[0-9a-f-]{36}$/);
  expect(await requestId(null)).toMatch(/^[0-9a-f-]{36}$/);
});

async function scrape(): Promise<string[]> {
  const response = await fetch(`${api.url}/metrics`);
  expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  return (await response.text()).split('\n');
}

async function requestId(id: string | null): Promise<string | null> {
  const response = await fetch(`${api.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(id === null ? {} : { 'x-request-id': id }) },
    body: JSON.stringify({ query: '{ __typename }' }),
  });
  return response.headers.get('x-request-id');
}
