// Batch scoring: the lists of every user in the table predictions, whole or not at all, whoever dies meanwhile.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { startWorker } from '#src/jobs/worker.js';
import { createLogger } from '#src/log.js';
import { helpScoring } from '#src/scoring/batchScoring.js';
import { dropLeftovers } from '#src/store/predictions.js';
import { cancelScoringRun, createScoringRun, getScoringRun } from '#src/store/scoringRuns.js';
import { claimShard, saveShard } from '#src/store/scoringShards.js';
import { startTestApi, type TestApi } from './support/api.js';
import { importSynthetic, openTestStore, type TestStore, train } from './support/store.js';
import { until } from './support/until.js';

const CANCEL =
  'mutation ($id: ID!) { cancelBatchScoring(input: { scoringRunId: $id }) { scoringRun { status } userErrors { field code } } }';
const START = `mutation ($input: StartBatchScoringInput!) { startBatchScoring(input: $input) {
  scoringRun { id status top users progress { shards shardsDone usersDone rowsWritten } model { version } }
  userErrors { field code } } }`;
const TOP = 5;
const USERS = 120;
const SETTINGS = { threads: 1, signal: new AbortController().signal };
const log = createLogger({ logLevel: 'silent' });

let store: TestStore;
let api: TestApi;
let modelId: number;
beforeAll(async () => {
  store = await openTestStore();
  await importSynthetic(store);
  await train(store);
  modelId = (await store.prisma.model.findFirstOrThrow()).id;
  api = await startTestApi(store);
});
afterAll(async () => {
  await api.close();
  await store.drop();
});
const spawned: ChildProcess[] = [];
afterEach(() => {
  for (const child of spawned.splice(0)) child.kill('SIGKILL');
});
beforeEach(async () => {
  await store.pool.query('delete from scoring_runs');
  await dropLeftovers(store);
});

test('a scoring started by mutation stores for every user what their recommendations are', async () => {
  const { data } = await api.query(START, { input: { top: TOP } });
  expect(data.startBatchScoring).toMatchObject({
    scoringRun: {
      ...{ status: 'QUEUED', top: TOP, users: USERS, model: { version: 1 } },
      progress: { shards: 1, shardsDone: 0, usersDone: 0, rowsWritten: 0 },
    },
    userErrors: [],
  });
  const worker = await startWorker(store, api.queue, log, { threads: 2 });
  const { id } = data.startBatchScoring.scoringRun;
  await until(async () => (await scoringOf(id)).status === 'SUCCEEDED');
  await worker.close();
  expect((await scoringOf(id)).progress).toMatchObject({ shardsDone: 1, usersDone: USERS, rowsWritten: 600 });
  const { rows } = await store.pool.query(
    'select user_id, array_agg(movie_id order by rank) as movies, array_agg(predicted order by rank) as ratings from predictions group by user_id',
  );
  expect(rows.length).toBe(USERS);
  for (const { user_id, movies, ratings } of rows)
    expect([movies, ratings.map(Math.fround)]).toEqual(await recommended(user_id));
});

test('nothing is seen before the last shard is written, then all at once, instead of the lists before', async () => {
  await scoreAll(TOP);
  const run = await createScoringRun(store, { modelId, top: 3, idempotencyKey: null }, 50);
  const seen: number[] = [];
  await helpScoring(store, run.id, { ...SETTINGS, onShard: async () => seen.push(await storedRows()) });
  expect(seen).toEqual([USERS * TOP, USERS * TOP, USERS * TOP]);
  expect(await storedRows()).toBe(USERS * 3);
  expect(await tables()).toEqual([`predictions_of_scoring_${run.id}`]);
});

test('workers at the same time share the shards, each takes some, and every shard is written once', async () => {
  const run = await createScoringRun(store, { modelId, top: TOP, idempotencyKey: null }, 4);
  const taken: number[] = [];
  const help = () => helpScoring(store, run.id, { ...SETTINGS, onShard: ({ shard }) => taken.push(shard) });
  await Promise.all([help(), help(), help()]);
  expect(taken.sort((a, b) => a - b)).toEqual([...Array(30).keys()]);
  expect((await getScoringRun(store, run.id)).status).toBe('SUCCEEDED');
  expect(await storedRows()).toBe(USERS * TOP);
});

test('killed at any of ten moments, nothing is half visible, and the same command completes it', async () => {
  await scoreAll(1);
  const run = await createScoringRun(store, { modelId, top: TOP, idempotencyKey: null }, 1);
  for (let moment = 1; moment <= 10; moment++) {
    const killed = spawnScore();
    const ended = once(killed, 'exit');
    // From the first shard in hand to the last ones written and shown.
    await until(async () => (await shardsDone(run.id)) >= moment * 12 - Math.ceil(Math.random() * 12));
    killed.kill('SIGKILL');
    await ended;
    expect([USERS, USERS * TOP]).toContain(await storedRows());
    await forgetHeartbeats();
  }
  const [code] = await once(spawnScore(), 'exit');
  expect(code).toBe(0);
  expect((await getScoringRun(store, run.id)).status).toBe('SUCCEEDED');
  expect(await storedRows()).toBe(USERS * TOP);
}, 240_000);

test('one shard is taken at a time, whatever PostgreSQL takes the tables to be like', async () => {
  const small = await createScoringRun(store, { modelId, top: TOP, idempotencyKey: null }, USERS);
  // As autovacuum finds them between two scorings: hardly anything is there, so that an index would not pay.
  await store.pool.query('analyze scoring_runs, scoring_shards');
  await cancelScoringRun(store, small.id);
  const { id } = await createScoringRun(store, { modelId, top: TOP, idempotencyKey: null }, 10);
  for (let taken = 1; taken <= 3; taken++) {
    expect(await claimShard(store, id)).toMatchObject({ shard: taken - 1, attempt: 1 });
    const { rows } = await store.pool.query(
      `select count(*)::int as running from scoring_shards where scoring_run_id = $1 and status = 'RUNNING'`,
      [id],
    );
    expect(rows).toEqual([{ running: taken }]);
  }
});

test('a worker that was taken for dead writes nothing any more', async () => {
  const run = await createScoringRun(store, { modelId, top: TOP, idempotencyKey: null });
  const stale = (await claimShard(store, run.id))!;
  expect(await claimShard(store, run.id)).toBeNull();
  await forgetHeartbeats();
  const shard = await claimShard(store, run.id);
  expect(shard).toMatchObject({ shard: 0, attempt: 2 });
  await expect(saveShard(store, stale, noLists())).rejects.toMatchObject({ code: 'SCORING_LOST' });
  await saveShard(store, shard!, noLists());
});

test('a shard that no worker survives fails the scoring, and its table goes', async () => {
  const run = await createScoringRun(store, { modelId, top: TOP, idempotencyKey: null });
  await store.pool.query('update scoring_shards set attempt = 10');
  await helpScoring(store, run.id, SETTINGS);
  expect(await getScoringRun(store, run.id)).toMatchObject({
    status: 'FAILED',
    errorCode: 'SCORING_LOST',
    errorMessage: 'shard 0 was begun 10 times, and no worker came back',
  });
  expect(await tables()).toEqual([]);
});

test('a worker that is stopped gives its shard back', async () => {
  const run = await createScoringRun(store, { modelId, top: TOP, idempotencyKey: null }, 10);
  const stop = new AbortController();
  const help = helpScoring(store, run.id, { threads: 1, signal: stop.signal, onShard: () => stop.abort() });
  await expect(help).rejects.toThrow('aborted');
  const { rows } = await store.pool.query('select status, count(*)::int from scoring_shards group by status');
  expect(rows).toEqual([{ status: 'QUEUED', count: 12 }]);
});

test('a cancelled scoring stops its workers and leaves the lists before', async () => {
  await scoreAll(1);
  const { id } = await createScoringRun(store, { modelId, top: TOP, idempotencyKey: null }, 1);
  let cancelling: Promise<unknown> | null = null;
  const onShard = ({ shard }: { shard: number }) => {
    if (shard === 20) cancelling = cancelScoringRun(store, id);
  };
  await helpScoring(store, id, { ...SETTINGS, onShard });
  await cancelling;
  expect(await getScoringRun(store, id)).toMatchObject({ status: 'CANCELLED', errorCode: 'RUN_CANCELLED' });
  expect(await storedRows()).toBe(USERS);
  await until(async () => (await tables()).length === 1);
});

test('a scoring is cancelled once, as a run is', async () => {
  const { id } = await createScoringRun(store, { modelId, top: TOP, idempotencyKey: null });
  const cancel = async (key: number) =>
    (await api.query(CANCEL, { id: nodeId('ScoringRun', key) })).data.cancelBatchScoring;
  const refusal = (code: string) => ({
    scoringRun: null,
    userErrors: [{ field: ['input', 'scoringRunId'], code }],
  });
  expect(await cancel(id)).toEqual({ scoringRun: { status: 'CANCELLED' }, userErrors: [] });
  expect(await cancel(id)).toEqual(refusal('SCORING_ENDED'));
  expect(await cancel(id + 1)).toEqual(refusal('SCORING_NOT_FOUND'));
});

test('asking again gives the scoring under way; lists of another length are refused meanwhile', async () => {
  const ask = async (input: object) => (await api.query(START, { input })).data.startBatchScoring;
  const first = await ask({ top: TOP, idempotencyKey: 'nightly' });
  expect((await ask({ top: TOP })).scoringRun.id).toBe(first.scoringRun.id);
  expect((await ask({ top: 7, idempotencyKey: 'nightly' })).scoringRun.id).toBe(first.scoringRun.id);
  expect((await ask({ top: 7 })).userErrors).toEqual([{ field: ['input'], code: 'SCORING_BUSY' }]);
  expect((await ask({ top: 0 })).userErrors).toEqual([{ field: ['input', 'top'], code: 'SCORING_INVALID' }]);
  expect((await ask({ modelId: nodeId('Model', 99) })).userErrors).toEqual([
    { field: ['input', 'modelId'], code: 'MODEL_NOT_FOUND' },
  ]);
});

test('the same key at once for two models gives one scoring', async () => {
  const other = await store.prisma.model.findUniqueOrThrow({ where: { runId: await train(store) } });
  for (let round = 0; round < 5; round++) {
    const ask = (id: number) =>
      createScoringRun(store, { modelId: id, top: round + 1, idempotencyKey: `both ${round}` });
    const [first, second] = await Promise.all([ask(modelId), ask(other.id)]);
    expect(second.id).toBe(first.id);
    await cancelScoringRun(store, first.id);
  }
});

test('the lists of a model that is deleted go with it', async () => {
  const runId = await train(store);
  const model = await store.prisma.model.findUniqueOrThrow({ where: { runId } });
  const run = await createScoringRun(store, { modelId: model.id, top: 2, idempotencyKey: null });
  await helpScoring(store, run.id, SETTINGS);
  expect(await storedRows(model.id)).toBe(USERS * 2);
  await store.prisma.model.update({ where: { id: modelId }, data: { active: null } });
  await store.prisma.model.delete({ where: { id: model.id } });
  await store.prisma.model.update({ where: { id: modelId }, data: { active: true } });
  await dropLeftovers(store);
  expect(await storedRows(model.id)).toBe(0);
});

async function scoreAll(top: number): Promise<void> {
  const run = await createScoringRun(store, { modelId, top, idempotencyKey: null });
  await helpScoring(store, run.id, SETTINGS);
}

async function* noLists() {}

async function recommended(userId: number): Promise<[number[], number[]]> {
  const { data } = await api.query(
    `query ($userId: Int!) { user(userId: $userId) { recommendations(first: ${TOP}) { nodes { movie { movieId } predictedRating } } } }`,
    { userId },
  );
  const { nodes } = data.user.recommendations;
  return [
    nodes.map(({ movie }: { movie: { movieId: number } }) => movie.movieId),
    nodes.map(({ predictedRating }: { predictedRating: number }) => Math.fround(predictedRating)),
  ];
}

async function scoringOf(id: string) {
  const { data } = await api.query(
    'query ($id: ID!) { scoringRun(id: $id) { status progress { shardsDone usersDone rowsWritten } } }',
    { id },
  );
  return data.scoringRun;
}

async function storedRows(model = modelId): Promise<number> {
  const { rows } = await store.pool.query(
    'select count(*)::int as rows from predictions where model_id = $1',
    [model],
  );
  return rows[0].rows;
}

async function tables(): Promise<string[]> {
  const { rows } = await store.pool.query(
    `select relname from pg_class where relkind = 'r' and relname like 'predictions_of_scoring_%'`,
  );
  return rows.map(({ relname }) => relname);
}

async function shardsDone(id: number): Promise<number> {
  const { rows } = await store.pool.query(
    `select count(*)::int as done from scoring_shards where scoring_run_id = $1 and status = 'SUCCEEDED'`,
    [id],
  );
  return rows[0].done;
}

async function forgetHeartbeats(): Promise<void> {
  await store.pool.query(`update scoring_shards set heartbeat_at = heartbeat_at - interval '1 hour'`);
}

function spawnScore(): ChildProcess {
  const env = { PATH: process.env.PATH, DATABASE_URL: store.url };
  const args = ['dist/main.js', 'score', '--top', String(TOP)];
  const child = spawn(process.execPath, args, { env, stdio: 'ignore' });
  spawned.push(child);
  return child;
}

function nodeId(type: string, key: number): string {
  return Buffer.from(`${type}:${key}`).toString('base64url');
}
