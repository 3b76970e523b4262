// kill -9 of PostgreSQL itself in the middle of an import, on an embedded server of its own: what it comes back with is all of
// the import or nothing, and the next import completes.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { importRatings } from '#src/loading/import.js';
import { writeSyntheticSet } from '#src/loading/synthetic.js';
import { openEmbedded } from '#src/store/embedded.js';
import { applyMigrations } from '#src/store/migrate.js';
import { openStore } from '#src/store/store.js';

const MOMENTS = 10;
const EMPTY = { ratings: 0, users: 0, movies: 0 };
const WHOLE = { ratings: 60_000, users: 600, movies: 400 };

let home: string;
let set: string;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'marquee-server-'));
  set = mkdtempSync(join(tmpdir(), 'marquee-set-'));
  await writeSyntheticSet(set, { ...WHOLE, seed: 5 });
});

afterAll(() => {
  for (const folder of [home, set]) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

test('a server that is killed at any of ten moments of an import comes back with all of it or nothing', async () => {
  let server = await openEmbedded(home);
  await applyMigrations(server.url);
  const begun = performance.now();
  await importInto(server.url);
  const lengthMs = performance.now() - begun;
  for (let moment = 0; moment < MOMENTS; moment++) {
    await select(server.url, 'truncate ratings, users, movies');
    const importing = importInto(server.url).catch(() => {});
    await sleep((lengthMs * (moment + Math.random())) / MOMENTS);
    process.kill(postmasterPid(), 'SIGKILL');
    await importing;
    await server.close();
    server = await openEmbedded(home);
    expect([EMPTY, WHOLE]).toContainEqual(await counts(server.url));
    expect(await strayTables(server.url)).toEqual([]);
  }
  await importInto(server.url);
  expect(await counts(server.url)).toEqual(WHOLE);
  expect(await select(server.url, `select from imports where status = 'RUNNING'`)).toEqual([]);
  await server.close();
}, 180_000);

function postmasterPid(): number {
  return Number(readFileSync(join(home, 'postgres', 'data', 'postmaster.pid'), 'utf8').split('\n')[0]);
}

async function importInto(url: string): Promise<void> {
  const store = await openStore(url);
  try {
    await importRatings(store, set, { maxRejects: 0 });
  } finally {
    await store.close();
  }
}

async function counts(url: string): Promise<object> {
  const [row] = await select(
    url,
    `select (select count(*)::int from ratings) as ratings, (select count(*)::int from users) as users,
       (select count(*)::int from movies) as movies`,
  );
  return row;
}

function strayTables(url: string): Promise<object[]> {
  return select(url, `select relname from pg_class where relname like 'staging%'`);
}

async function select(url: string, text: string): Promise<object[]> {
  const store = await openStore(url);
  try {
    return (await store.pool.query(text)).rows;
  } finally {
    await store.close();
  }
}
