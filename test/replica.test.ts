// The API with a streaming replica: who answers what, how old it may be, and what happens when one of the two servers is away.

import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { applyMigrations } from '#src/store/migrate.js';
import { openReads } from '#src/store/replica.js';
import { openStore, type Store } from '#src/store/store.js';
import { startTestApi, type TestApi } from './support/api.js';
import { type ReplicatedServers, startReplicated } from './support/replica.js';
import { aRunRequest, importSynthetic, openTestStore, train } from './support/store.js';
import { until } from './support/until.js';

const RATE = `mutation ($rating: Float!) { rateMovie(input: { userId: 1, movieId: 2, rating: $rating }) {
  rating { rating } user { ratingCount } userErrors { message } } }`;
const COUNT = '{ user(userId: 1) { ratingCount } }';

let servers: ReplicatedServers;
let store: Store;
let api: TestApi;
/** After each test, also when it fails. */
const toDo: (() => Promise<void>)[] = [];
beforeAll(async () => {
  servers = await startReplicated();
  await applyMigrations(servers.primary.url);
  store = await openStore(servers.primary.url);
  await importSynthetic(store);
  await train(store, aRunRequest());
  api = await startTestApi(store, servers.replica.url);
});
beforeEach(() => untilReplicaIs('used'));
afterEach(async () => {
  for (const mend of toDo.splice(0)) await mend();
});
afterAll(async () => {
  await api?.close();
  await store?.close();
  await servers?.close();
});

test('every query is answered by the replica, which is only ever read', async () => {
  await api.query('{ user(userId: 1) { recommendations(first: 1) { nodes { rank } } } }'); // opens the model
  statements();
  const files = readdirSync('docs/examples').map((file) => readFileSync(`docs/examples/${file}`, 'utf8'));
  const queries = files.filter((text) => /^query /m.test(text) && !/^mutation /m.test(text));
  expect(queries.length).toBeGreaterThan(3);
  for (const text of queries) {
    const { errors } = await api.query(text);
    expect(errors).toBeUndefined();
  }
  const { primary, replica } = statements();
  expect(primary).toEqual([]);
  expect(replica.length).toBeGreaterThan(queries.length);
});

test('a mutation is answered by the primary, and sees what it has written', async () => {
  const before = (await api.query(COUNT)).data.user.ratingCount;
  await pauseReplay();
  statements();
  const { data } = await api.query(RATE, { rating: 4 });
  expect(data.rateMovie).toMatchObject({ rating: { rating: 4 }, userErrors: [] });
  expect([before, before + 1]).toContain(data.rateMovie.user.ratingCount);
  expect(statements().replica).toEqual([]);
});

test('a replica that falls behind is not asked until it has caught up', async () => {
  await pauseReplay();
  await api.query(RATE, { rating: 1 });
  await untilReplicaIs('behind');
  const rating = '{ user(userId: 1) { ratings(first: 100) { nodes { rating movie { movieId } } } } }';
  const { data } = await api.query(rating);
  expect(data.user.ratings.nodes).toContainEqual({ rating: 1, movie: { movieId: 2 } });
  expect(await metric('marquee_replica_up')).toBe(0);
  expect(await metric('marquee_replica_lag_seconds')).toBeGreaterThan(1);
  await resumeReplay();
  await untilReplicaIs('used');
  expect(await metric('marquee_replica_up')).toBe(1);
  expect((await api.query(rating)).data).toEqual(data);
});

test('while the replica is away the primary answers, without an error in between', async () => {
  const answers: ReturnType<TestApi['query']>[] = [];
  const stopped = servers.replica.stop();
  toDo.push(() => servers.replica.start());
  for (let isStopped = false; !isStopped; await sleep(5)) {
    answers.push(api.query(COUNT));
    isStopped = await Promise.race([stopped.then(() => true), sleep(0, false)]);
  }
  answers.push(api.query(COUNT));
  for (const { data, errors } of await Promise.all(answers)) {
    expect(errors).toBeUndefined();
    expect(data.user.ratingCount).toEqual(expect.any(Number));
  }
  expect(await untilReplicaIs('away')).toEqual({ status: 'ready', replica: 'away' });
});

test('while the primary is away queries are answered by the replica, and mutations fail', async () => {
  await servers.primary.stop();
  toDo.push(() => servers.primary.start());
  const { data, errors } = await api.query(
    '{ user(userId: 1) { recommendations(first: 3) { nodes { movie { title } } } } }',
  );
  expect(errors).toBeUndefined();
  expect(data.user.recommendations.nodes.length).toBe(3);
  const refused = await api.query(RATE, { rating: 2 });
  expect(refused.errors).toHaveLength(1);
  expect((await api.query(COUNT)).data.user.ratingCount).toEqual(expect.any(Number));
});

test('another database is refused as a replica, and one that is not there yet is waited for', async () => {
  const other = await openTestStore();
  const refused = openReads(store, other.url).finally(() => other.drop());
  await expect(refused).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  const absent = new URL(servers.replica.url);
  absent.port = '1';
  const reads = await openReads(store, absent.href);
  expect(reads.replica()).toMatchObject({ state: 'away' });
  expect(reads.store()).toBe(store);
  await reads.close();
});

/** Since the last call, those of the API's own pools. */
function statements() {
  const isOurs = (line: string) => /^marquee(-reads)? /.test(line);
  return {
    primary: servers.primary.statements().filter(isOurs),
    replica: servers.replica.statements().filter(isOurs),
  };
}

/** Waits until the replica is that; gives what /health/ready says then. */
async function untilReplicaIs(state: 'used' | 'behind' | 'away'): Promise<object | undefined> {
  let health: { replica?: string } = {};
  await until(async () => {
    health = (await (await fetch(`${api.url}/health/ready`)).json()) as typeof health;
    return health.replica === state;
  });
  return health;
}

async function metric(name: string): Promise<number> {
  const lines = (await (await fetch(`${api.url}/metrics`)).text()).split('\n');
  return Number(lines.find((line) => line.startsWith(`${name} `))?.split(' ')[1]);
}

async function pauseReplay(): Promise<void> {
  toDo.push(resumeReplay);
  await atReplica('select pg_wal_replay_pause()');
}

async function resumeReplay(): Promise<void> {
  await atReplica('select pg_wal_replay_resume()');
}

async function atReplica(statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: servers.replica.url });
  await client.connect();
  await client.query(statement);
  await client.end();
}
