// Runs followed over graphql-ws: from another replica than the one that trains, late, and across a lost connection.

import { type Client, createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { startWorker } from '#src/jobs/worker.js';
import { createLogger } from '#src/log.js';
import { resolveHyperparameters } from '#src/store/hyperparameters.js';
import { openQueue } from '#src/store/queue.js';
import { createRun, getRun } from '#src/store/runs.js';
import { openStore } from '#src/store/store.js';
import { startTestApi, type TestApi } from './support/api.js';
import { startProxy } from './support/proxy.js';
import { aRunRequest, importSynthetic, openTestStore, type TestStore, train } from './support/store.js';

const WATCH = `subscription ($id: ID!) { trainingRunProgress(runId: $id) {
  status progress { epoch epochs step trainLoss samplesPerSecond etaSeconds } epochs { epoch } model { version } } }`;
const log = createLogger({ logLevel: 'silent' });

let store: TestStore;
let api: TestApi;
const clients: Client[] = [];
beforeAll(async () => {
  store = await openTestStore();
  await importSynthetic(store);
  api = await startTestApi(store);
});
afterEach(async () => {
  for (const client of clients.splice(0)) await client.dispose();
});
afterAll(async () => {
  await api.close();
  await store.drop();
});

test('a run that another process trains is followed from waiting to its model, over any replica', async () => {
  const id = await queued();
  const replica = await startTestApi(store);
  const watches = [watch(api, id), watch(replica, id)];
  const queue = await openQueue(store, log);
  const worker = await startWorker(store, queue, log, { threads: 1 });
  for (const states of await Promise.all(watches)) {
    const runs = states.map(({ data }) => data.trainingRunProgress);
    expect(runs[0]).toMatchObject({ status: 'QUEUED', progress: null });
    const during = runs.filter(({ status, progress }) => status === 'RUNNING' && progress !== null);
    expect(during.length).toBeGreaterThan(1);
    expect(during.at(-1).progress).toMatchObject({ epochs: 900, trainLoss: expect.any(Number) });
    const last = runs.at(-1);
    expect(last).toMatchObject({
      status: 'SUCCEEDED',
      progress: null,
      model: { version: expect.any(Number) },
    });
    expect(last.epochs.length).toBe(900);
  }
  await worker.close();
  await queue.close();
  await replica.close();
});

test('who comes late gets the state that there is, and the end of what has ended', async () => {
  const runId = await train(store);
  const states = await watch(api, runId);
  expect(states.map(({ data }) => data.trainingRunProgress.status)).toEqual(['SUCCEEDED']);
});

test('the end of a run is not missed when the database went away meanwhile', async () => {
  const proxy = await startProxy(store.url);
  const distant = await openStore(proxy.url);
  const replica = await startTestApi(distant);
  const id = await queued();
  const begun = signal();
  const watching = watch(replica, id, begun.give);
  await begun.given;
  proxy.interrupt(300);
  await train(store);
  await store.pool.query(`update training_runs set status = 'CANCELLED', finished_at = now() where id = $1`, [
    id,
  ]);
  const states = await watching;
  expect(states.at(-1)?.data.trainingRunProgress.status).toBe('CANCELLED');
  await replica.close();
  await distant.close();
  await proxy.close();
});

test('a run that is not there, a wrong id and a query too large are refused with code and hint', async () => {
  const refusal = async (document: string, variables: Record<string, unknown>) => {
    const [{ errors }] = await collect(api, document, variables);
    return errors[0].extensions.code;
  };
  expect(await refusal(WATCH, { id: nodeId(999_999) })).toBe('RUN_NOT_FOUND');
  expect(await refusal(WATCH, { id: 'nonsense' })).toBe('BAD_INPUT');
  const large =
    '{ users(first: 100) { nodes { ratings(first: 100) { nodes { movie { ratings(first: 100) { nodes { rating } } } } } } } }';
  expect(await refusal(large, {})).toBe('QUERY_TOO_LARGE');
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
  const begun = signal();
  const watching = watch(replica, id, begun.give);
  await begun.given;
  await replica.close();
  expect((await watching).length).toBeLessThanOrEqual(1);
  expect((await getRun(store, id)).status).toBe('QUEUED');
});

async function queued(): Promise<number> {
  const hyperparameters = resolveHyperparameters('paper', { epochs: 900, hiddenLayers: [256] });
  return (await createRun(store, aRunRequest({ engine: 'auto', hyperparameters }))).id;
}

// biome-ignore lint/suspicious/noExplicitAny: answers are as free as the queries of the tests
type Result = Record<string, any>;

function watch(from: TestApi, runId: number, onState?: () => void): Promise<Result[]> {
  return collect(from, WATCH, { id: nodeId(runId) }, onState);
}

/** All results until the server says that there are no more, or the connection is closed. */
function collect(
  from: TestApi,
  query: string,
  variables: Record<string, unknown>,
  onResult = () => {},
): Promise<Result[]> {
  const url = `${from.url.replace('http', 'ws')}/graphql`;
  const client = createClient({ url, webSocketImpl: WebSocket, retryAttempts: 0 });
  clients.push(client);
  const results: Result[] = [];
  return new Promise((resolve) => {
    client.subscribe(
      { query, variables },
      {
        next(result) {
          results.push(result);
          onResult();
        },
        complete: () => resolve(results),
        error(errors) {
          if (Array.isArray(errors)) results.push({ errors });
          resolve(results);
        },
      },
    );
  });
}

function signal() {
  let give = () => {};
  const given = new Promise<void>((resolve) => {
    give = resolve;
  });
  return { give, given };
}

function nodeId(key: number): string {
  return Buffer.from(`TrainingRun:${key}`).toString('base64url');
}
