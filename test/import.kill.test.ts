// kill -9 in the middle of an import: the database is as it was, and the next import succeeds.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { importRatings } from '#src/loading/import.js';
import { writeSyntheticSet } from '#src/loading/synthetic.js';
import { holdStatements } from './support/held.js';
import { importSynthetic, openTestStore, type TestStore } from './support/store.js';

const BEFORE = { ratings: 3000, users: 120, movies: 80 };
/** Of the 103,000 ratings 610 are of the same user and movie. */
const AFTER_FIRST = { ratings: 100_000, users: 2000, movies: 1000 };
const AFTER = { ratings: 102_390, users: 2000, movies: 1000 };

let folder: string;
let store: TestStore;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'marquee-kill-'));
  await writeSyntheticSet(folder, { users: 2000, movies: 1000, ratings: 100_000, seed: 9 });
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeEach(async () => {
  store = await openTestStore();
  await importSynthetic(store, { users: 120, movies: 80, ratings: 3000, seed: 3 });
});

afterEach(() => store.drop());

test.each([
  ['as soon as it has connected', 'true', 'insert on ratings'],
  ['during COPY', `query like '%copy staging_ratings%'`, 'insert on ratings'],
  ['while ratings are merged', `query like '%insert into ratings%'`, 'insert on ratings'],
  ['while means are computed', `query like '%update movies%mean_rating%'`, 'update of mean_rating on movies'],
])(
  'an import that is killed %s leaves the counts as they were, and the next one succeeds',
  async (_name, moment, held) => {
    const release = await holdStatements(store, held);
    const killed = spawnImport();
    await untilSession(moment);
    killed.kill('SIGKILL');
    expect(await once(killed, 'exit')).toEqual([null, 'SIGKILL']);
    await untilNobodyImports();
    await release();
    expect(await counts()).toEqual(BEFORE);

    await importRatings(store, folder, { maxRejects: 0 });
    expect(await counts()).toEqual(AFTER);
    expect(await runningImports()).toBe(0);
  },
);

test('a first import that is killed at any of ten moments leaves all of it or nothing, and the next one succeeds', async () => {
  await store.pool.query('truncate ratings, users, movies');
  const empty = { ratings: 0, users: 0, movies: 0 };
  const lengthMs = await timeImport();
  for (let moment = 0; moment < 10; moment++) {
    await store.pool.query('truncate ratings, users, movies');
    const killed = spawnImport();
    await untilSession('true');
    await sleep((lengthMs * (moment + Math.random())) / 10);
    killed.kill('SIGKILL');
    if (killed.exitCode === null) await once(killed, 'exit');
    await untilNobodyImports();
    expect([empty, AFTER_FIRST]).toContainEqual(await counts());
    expect(await strayTables()).toEqual([]);
  }
  await importRatings(store, folder, { maxRejects: 0 });
  expect(await counts()).toEqual(AFTER_FIRST);
}, 180_000);

test('SIGTERM is obeyed with exit code 1, the reason on stderr and a failed record', async () => {
  const release = await holdStatements(store, 'insert on ratings');
  const stopped = spawnImport();
  let stderr = '';
  stopped.stderr.on('data', (text) => {
    stderr += text;
  });
  await untilSession(`query like '%copy staging_ratings%'`);
  stopped.kill('SIGTERM');
  expect(await once(stopped, 'close')).toEqual([1, null]);
  expect(stderr).toContain('IMPORT_INTERRUPTED: the import was cancelled; nothing was imported');
  await release();
  expect(await counts()).toEqual(BEFORE);
  expect(await runningImports()).toBe(0);
});

function spawnImport() {
  const { NODE_OPTIONS, ...env } = process.env;
  return spawn(process.execPath, ['dist/main.js', 'import', folder, '--json'], {
    env: { ...env, DATABASE_URL: store.url },
  });
}

/** Until another process' session runs such a statement. */
async function untilSession(condition: string): Promise<void> {
  for (;;) {
    const { rows } = await store.pool.query(
      `select from pg_stat_activity
       where datname = current_database() and state = 'active' and pid <> pg_backend_pid() and ${condition}`,
    );
    if (rows.length > 0) return;
    await sleep(2);
  }
}

async function counts(): Promise<{ ratings: number }> {
  const { rows } = await store.pool.query(`select (select count(*)::int from ratings) as ratings,
    (select count(*)::int from users) as users, (select count(*)::int from movies) as movies`);
  return rows[0];
}

/** Milliseconds from connecting to the end. */
async function timeImport(): Promise<number> {
  const importing = spawnImport();
  await untilSession('true');
  const begun = performance.now();
  await once(importing, 'exit');
  return performance.now() - begun;
}

/** The server notices within half a second that a client is gone, and then ends what it does for it. */
async function untilNobodyImports(): Promise<void> {
  for (;;) {
    const { rows } = await store.pool.query(
      `select from pg_stat_activity
       where datname = current_database() and pid <> pg_backend_pid() and state <> 'idle'`,
    );
    if (rows.length === 0) return;
    await sleep(20);
  }
}

async function strayTables(): Promise<object[]> {
  return (await store.pool.query(`select relname from pg_class where relname like 'staging%'`)).rows;
}

async function runningImports(): Promise<number> {
  const { rows } = await store.pool.query(`select count(*)::int from imports where status = 'RUNNING'`);
  return rows[0].count;
}
