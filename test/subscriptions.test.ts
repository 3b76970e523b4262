// Runs followed over graphql-ws: from another replica than the one that trains, late, and across a lost connection.

import { type Client, createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { startWorker } from '#src/jobs/worker.js';
import { createLogger } from '#src/log.js';
import { resolveHyperparameters } from '#src/store/hyperparameterChecks.js';
import { openQueue } from '#src/store/queue.js';
import { createRunFeed } from '#src/store/runFeed.js';
import { beat } from '#src/store/runProgress.js';
import { cancelRun, createRun, endRun, getRun } from '#src/store/runs.js';
import { openStore, type Store } from '#src/store/store.js';
import { startTestApi, type TestApi } from './support/api.js';
import { startProxy } from './support/proxy.js';
import { aRunRequest, importSynthetic, openTestStore, type TestStore, train } from './support/store.js';
import { until } from './support/until.js';

const WATCH = `subscription ($id: ID!) { trainingRunProgress(runId: $id) {
  status progress { epoch epochs step trainLoss samplesPerSecond etaSeconds } epochs { epoch } model { version } } }`;
const EPOCHS = 30;
const log = createLogger({ logLevel: 'silent' });

let store: TestStore;
let api: TestApi;
/** Closed after each test, the newest first, also when it fails. */
const toClose: { close(): Promise<void> }[] = [];
beforeAll(async () => {
  store = await openTestStore();
  await importSynthetic(store);
  api = await startTestApi(store);
});
afterEach(async () => {
  for (const it of toClose.splice(0).reverse()) await it.close();
});
afterAll(async () => {
  await api.close();
  await store.drop();
});

test('a run that another process trains is followed from waiting to its model, over any replica', async () => {
  const id = await queued();
  const watches = [watch(api, id), watch(await anotherApi(), id)];
  await until(() => watches.every(({ results }) => results.length > 0));
  const queue = await openQueue(store, log);
  const worker = await startWorker(store, queue, log, { threads: 1 });
  toClose.push(worker, queue);
  for (const { ended } of watches) {
    const runs = (await ended).map(({ data }) => data.trainingRunProgress);
    expect(runs[0]).toMatchObject({ status: 'QUEUED', progress: null });
    const last = runs.at(-1);
    expect(last).toMatchObject({
      status: 'SUCCEEDED',
      progress: null,
      model: { version: expect.any(Number) },
    });
    expect(last.epochs.length).toBe(EPOCHS);
  }
});

test('what a run says of its progress reaches all who follow it, over any replica', async () => {
  const run = await createRun(store, aRunRequest(), 'RUNNING');
  const watches = [watch(api, run.id), watch(await anotherApi(), run.id)];
  for (const step of [10, 20, 30]) {
    const progress = {
      epoch: 2,
      epochs: 5,
      step,
      trainLoss: 1 / step,
      samplesPerSecond: 900,
      etaSeconds: 40 - step,
    };
    expect(await beat(store, run, { ...progress, steps: 30 })).toBe(true);
    await until(() => watches.every(({ results }) => latest(results).progress?.step === step));
    for (const { results } of watches) expect(latest(results)).toMatchObject({ status: 'RUNNING', progress });
  }
  await endRun(store, run, 'CANCELLED', { code: 'RUN_ENDED', message: 'cancelled' });
  for (const { ended } of watches)
    expect(latest(await ended)).toMatchObject({ status: 'CANCELLED', progress: null });
});

test('who comes late gets the state that there is, and the end of what has ended', async () => {
  const runId = await train(store);
  const states = await watch(api, runId).ended;
  expect(states.map(({ data }) => data.trainingRunProgress.status)).toEqual(['SUCCEEDED']);
});

test('the end of a run is not missed when the database went away meanwhile', async () => {
  const proxy = await startProxy(store.url);
  const distant = await openStore(proxy.url);
  toClose.push(proxy, distant);
  const { results, ended } = watch(await anotherApi(distant), await queued());
  await until(() => results.length > 0);
  proxy.interrupt(300);
  await store.pool.query(
    `update training_runs set status = 'CANCELLED', finished_at = now() where status = 'QUEUED'`,
  );
  expect(latest(await ended).status).toBe('CANCELLED');
});

test('a run that is not there, a wrong id and a query too large are refused with code and hint', async () => {
  const refusal = async (document: string, variables: Record<string, unknown>) => {
    const [{ errors }] = await collect(api, document, variables).ended;
    return errors[0].extensions.code;
  };
  expect(await refusal(WATCH, { id: nodeId(999_999) })).toBe('RUN_NOT_FOUND');
  expect(await refusal(WATCH, { id: 'nonsense' })).toBe('BAD_INPUT');
  const large =
    '{ users(first: 100) { nodes { ratings(first: 100) { nodes { movie { ratings(first: 100) { nodes { rating } } } } } } } }';
  expect(await refusal(large, {})).toBe('QUERY_TOO_LARGE');
});

test('a document with a syntax error is refused alone, and what goes on over the connection goes on', async () => {
  const { results, ended, client } = watch(api, await queued());
  await until(() => results.length > 0);
  const refused = await subscribe(client, '{ users(', {}).ended;
  expect(refused[0].errors[0].message).toContain('Syntax Error');
  await store.pool.query(
    `update training_runs set status = 'CANCELLED', finished_at = now() where status = 'QUEUED'`,
  );
  expect(latest(await ended).status).toBe('CANCELLED');
});

test('who leaves is forgotten at once, also where the run does not change', async () => {
  const feed = createRunFeed(store, log);
  toClose.push(feed);
  const states = feed.watch(await queued());
  expect((await states.next()).value.status).toBe('QUEUED');
  const next = states.next();
  expect(await states.return(undefined)).toEqual({ value: undefined, done: true });
  expect(await next).toEqual({ value: undefined, done: true });
});

test('a page of another site cannot open a connection', async () => {
  const socket = new WebSocket(`${api.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', {
    origin: 'https://elsewhere.example',
  });
  const message = await new Promise((resolve) => socket.once('error', ({ message }) => resolve(message)));
  expect(message).toContain('401');
});

test('closing the server ends what is being followed', async () => {
  const replica = await startTestApi(store);
  const id = await queued();
  const { results, ended } = watch(replica, id);
  await until(() => results.length > 0);
  await replica.close();
  expect((await ended).length).toBe(1);
  expect((await getRun(store, id)).status).toBe('QUEUED');
});

test('who follows a run on a server that closes goes on with another server', async () => {
  const replica = await startTestApi(store);
  let from = replica;
  const url = () => `${from.url.replace('http', 'ws')}/graphql`;
  const client = createClient({ url, webSocketImpl: WebSocket, retryWait: async () => {} });
  toClose.push({ close: async () => client.dispose() });
  const id = await queued();
  const { results, ended } = subscribe(client, WATCH, { id: nodeId(id) });
  await until(() => results.length > 0);
  from = api;
  await replica.close();
  await cancelRun(store, id);
  await ended;
  expect(latest(results).status).toBe('CANCELLED');
});

async function anotherApi(on: Store = store): Promise<TestApi> {
  const replica = await startTestApi(on);
  toClose.push(replica);
  return replica;
}

async function queued(): Promise<number> {
  const hyperparameters = resolveHyperparameters('paper', { epochs: EPOCHS, hiddenLayers: [16] });
  return (await createRun(store, aRunRequest({ engine: 'auto', hyperparameters }))).id;
}

// biome-ignore lint/suspicious/noExplicitAny: answers are as free as the queries of the tests
type Result = Record<string, any>;

function latest(results: Result[]) {
  return results.at(-1)?.data.trainingRunProgress ?? {};
}

function watch(from: TestApi, runId: number) {
  return collect(from, WATCH, { id: nodeId(runId) });
}

/** Results as they come; `ended` when the server says that there are no more, or the connection is closed. */
function collect(from: TestApi, query: string, variables: Record<string, unknown>) {
  const url = `${from.url.replace('http', 'ws')}/graphql`;
  const client = createClient({ url, webSocketImpl: WebSocket, retryAttempts: 0 });
  toClose.push({ close: async () => client.dispose() });
  return { client, ...subscribe(client, query, variables) };
}

function subscribe(client: Client, query: string, variables: Record<string, unknown>) {
  const results: Result[] = [];
  const ended = new Promise<Result[]>((resolve) => {
    client.subscribe(
      { query, variables },
      {
        next: (result) => results.push(result),
        complete: () => resolve(results),
        error(errors) {
          if (Array.isArray(errors)) results.push({ errors });
          resolve(results);
        },
      },
    );
  });
  return { results, ended };
}

function nodeId(key: number): string {
  return Buffer.from(`TrainingRun:${key}`).toString('base64url');
}
