// kill -9 of PostgreSQL itself, on an embedded server of its own. In the middle of an import or a batch scoring: what it comes back with is
// all or nothing, and the next try completes. Under a training run: the run waits for it.

import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { importRatings } from '#src/loading/import.js';
import { writeSyntheticSet } from '#src/loading/synthetic.js';
import { helpScoring } from '#src/scoring/batchScoring.js';
import { openEmbedded } from '#src/store/embedded.js';
import { resolveHyperparameters } from '#src/store/hyperparameterChecks.js';
import { applyMigrations } from '#src/store/migrate.js';
import { createRun } from '#src/store/runs.js';
import { createScoringRun, getScoringRun } from '#src/store/scoringRuns.js';
import { openStore, type Store } from '#src/store/store.js';
import { runInThread } from '#src/training/runInThread.js';
import { aRunRequest, modelBits, train } from './support/store.js';
import { until } from './support/until.js';

const MOMENTS = 10;
const EMPTY = { ratings: 0, users: 0, movies: 0 };
const WHOLE = { ratings: 60_000, users: 600, movies: 400 };
const SHARDS = 120;
const TOP = 5;

let home: string;
let set: string;
let server: Awaited<ReturnType<typeof openEmbedded>>;
let store: Store;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'marquee-server-'));
  chmodSync(home, 0o755); // run by root, the server is another account, which must get through
  set = mkdtempSync(join(tmpdir(), 'marquee-set-'));
  await writeSyntheticSet(set, { ...WHOLE, seed: 5 });
  server = await openEmbedded(home);
  await applyMigrations(server.url);
  store = await openStore(server.url);
  // The disk is not waited for: what a killed process wrote is there all the same.
  await store.pool.query('alter system set fsync = off');
  await store.pool.query('select pg_reload_conf()');
});

afterAll(async () => {
  await store?.close();
  await server?.close();
  for (const folder of [home, set]) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

test('a server that is killed at any of ten moments of an import comes back with all of it or nothing', async () => {
  const begun = performance.now();
  await importSet();
  const lengthMs = performance.now() - begun;
  for (let moment = 0; moment < MOMENTS; moment++) {
    await store.pool.query('truncate ratings, users, movies');
    const importing = importSet().catch(() => {});
    await sleep((lengthMs * (moment + Math.random())) / MOMENTS);
    await killServer();
    await importing;
    expect([EMPTY, WHOLE]).toContainEqual(await counts());
    expect(await tablesLike('staging%')).toEqual([]);
  }
  await importSet();
  expect(await counts()).toEqual(WHOLE);
  expect(await select(`select from imports where status = 'RUNNING'`)).toEqual([]);
}, 180_000);

test('a server that is killed at any of ten moments of a batch scoring shows the lists before or the new ones, and it completes', async () => {
  await importSet();
  const runId = await train(store, aRunRequest({ engine: 'wasm' }));
  const { id: modelId } = await store.prisma.model.findUniqueOrThrow({ where: { runId } });
  const before = await createScoringRun(store, { modelId, top: 1, idempotencyKey: null });
  await score(before.id);
  const run = await createScoringRun(
    store,
    { modelId, top: TOP, idempotencyKey: null },
    WHOLE.users / SHARDS,
  );
  for (let moment = 1; moment <= MOMENTS; moment++) {
    await scoreUntilKilled(run.id, (moment * SHARDS) / MOMENTS - 1);
    expect([WHOLE.users, WHOLE.users * TOP]).toContain(await storedRows());
  }
  await score(run.id);
  expect((await getScoringRun(store, run.id)).status).toBe('SUCCEEDED');
  expect(await storedRows()).toBe(WHOLE.users * TOP);
  expect(await tablesLike('predictions_of_scoring_%')).toEqual([`predictions_of_scoring_${run.id}`]);
}, 180_000);

test('a run whose server is killed while it reads, trains and evaluates succeeds with the bits of an undisturbed one', async () => {
  await importSet();
  const hyperparameters = resolveHyperparameters('paper', { epochs: 40, hiddenLayers: [16] });
  const request = aRunRequest({ engine: 'wasm', hyperparameters });
  const undisturbed = await train(store, request);
  const run = await createRun(store, request, 'RUNNING');
  // Ten, seven of them anywhere in the epochs.
  const epochs = Array.from({ length: 7 }, (_, i) => `epoch ${1 + 5 * i + Math.floor(5 * Math.random())}`);
  const moments = new Set(['reading', 'started', ...epochs, 'evaluating']);
  let killing = Promise.resolve();
  const outcome = await runInThread(store, run, {
    threads: 2,
    onEvent(event) {
      const moment = event.event === 'epoch' ? `epoch ${event.epoch}` : event.event;
      if (moments.delete(moment)) killing = killing.then(killServer);
    },
  });
  await killing;
  expect(outcome).toEqual({ status: 'SUCCEEDED' });
  expect(moments).toEqual(new Set());
  expect(await modelBits(store, run.id)).toEqual(await modelBits(store, undisturbed));
  expect(await select(`select from epoch_metrics where run_id = ${run.id}`)).toHaveLength(40);
}, 180_000);

async function importSet(): Promise<void> {
  await importRatings(store, set, { maxRejects: 0 });
}

/** Whoever died of the shards at hand has been silent for long. */
async function score(scoringRunId: number, onShard?: (shard: number) => void): Promise<void> {
  await store.pool.query(`update scoring_shards set heartbeat_at = heartbeat_at - interval '1 hour'`);
  const { signal } = new AbortController();
  await helpScoring(store, scoringRunId, { threads: 1, signal, onShard: ({ shard }) => onShard?.(shard) });
}

/** Kills the server once the shard has been taken, somewhere in it or in what follows. */
async function scoreUntilKilled(scoringRunId: number, last: number): Promise<void> {
  let killing: Promise<void> | null = null;
  const scoring = score(scoringRunId, (shard) => {
    if (shard >= last) killing ??= sleep(Math.random() * 20).then(killServer);
  });
  await scoring.catch(() => {});
  await (killing ?? killServer());
}

/** It comes back under the same URL: the lease that `server` is starts it again. */
async function killServer(): Promise<void> {
  const killed = postmasterPid()!;
  process.kill(killed, 'SIGKILL');
  await until(async () => ![null, killed].includes(postmasterPid()) && (await answers()));
}

function postmasterPid(): number | null {
  try {
    const [pid] = readFileSync(join(home, 'postgres', 'data', 'postmaster.pid'), 'utf8').split('\n');
    return Number(pid);
  } catch {
    return null;
  }
}

async function answers(): Promise<boolean> {
  const client = new pg.Client({ connectionString: server.url });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query('select 1');
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}

async function counts(): Promise<object> {
  const [row] = await select(
    `select (select count(*)::int from ratings) as ratings, (select count(*)::int from users) as users,
       (select count(*)::int from movies) as movies`,
  );
  return row;
}

async function storedRows(): Promise<number> {
  const [{ rows }] = await select('select count(*)::int as rows from predictions');
  return rows;
}

async function tablesLike(pattern: string): Promise<string[]> {
  const tables = await select(
    `select relname from pg_class where relkind = 'r' and relname like '${pattern}'`,
  );
  return tables.map(({ relname }) => relname);
}

async function select(text: string) {
  return (await store.pool.query(text)).rows;
}
