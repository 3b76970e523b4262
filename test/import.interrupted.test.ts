// An import that is stopped, crowded or cut off from its server: nothing is stored, nothing hangs, and the next one works.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { type ImportOptions, importRatings } from '#src/loading/import.js';
import { writeSyntheticSet } from '#src/loading/synthetic.js';
import { openStore } from '#src/store/store.js';
import { aFolder } from './support/folder.js';
import { startProxy, type TestProxy } from './support/proxy.js';
import { openTestStore, type TestStore } from './support/store.js';
import { zip } from './support/zip.js';

const HEADER = 'userId,movieId,rating,timestamp\n';
const RATINGS = `${HEADER}1,10,4.0,100\n2,20,3.5,200\n`;
const MORE_RATINGS = `${HEADER}1,10,1.0,300\n3,30,2.0,300\n`;
/** What a person takes for "at once". */
const PROMPT_MS = 1500;
/** Sessions that import into this database. */
const IMPORT_LOCKS = `select pid from pg_locks join pg_database on pg_database.oid = database
  where locktype = 'advisory' and granted and datname = current_database()`;

let store: TestStore;
let other: pg.Client;
let proxy: TestProxy | undefined;
let set: string;

beforeEach(async () => {
  store = await openTestStore();
  other = new pg.Client({ connectionString: store.url });
  await other.connect();
  await load(RATINGS);
  set = aFolder();
  await writeSyntheticSet(set, { users: 500, movies: 400, ratings: 50_000, seed: 1 });
});

afterEach(async () => {
  await proxy?.close();
  proxy = undefined;
  await other.end();
  await store.drop();
});

test('an abort while the file is read stops the import, and the store is as it was', async () => {
  const stop = new AbortController();
  const importing = importRatings(store, set, {
    maxRejects: 0,
    signal: stop.signal,
    onProgress: () => stop.abort(),
  });
  await expect(importing).rejects.toMatchObject({
    code: 'IMPORT_INTERRUPTED',
    message: 'the import was cancelled; nothing was imported',
  });
  await expectOnlyTheFirstImport();
  expect(await lastImport()).toMatchObject({
    status: 'FAILED',
    error: expect.stringMatching(/^IMPORT_INTERRUPTED/),
  });
});

test('an abort during the merge ends its statement at once', async () => {
  await other.query('begin; lock table ratings in row exclusive mode');
  const stop = new AbortController();
  const importing = load(MORE_RATINGS, { signal: stop.signal });
  await untilLockIsWaitedFor();
  const aborted = performance.now();
  stop.abort();
  await expect(importing).rejects.toMatchObject({ code: 'IMPORT_INTERRUPTED' });
  expect(performance.now() - aborted).toBeLessThan(PROMPT_MS);
  await other.query('rollback');
  await expectOnlyTheFirstImport();
});

test('an import that was aborted before it began does nothing', async () => {
  await expect(load(MORE_RATINGS, { signal: AbortSignal.abort() })).rejects.toMatchObject({
    code: 'IMPORT_INTERRUPTED',
  });
  await expectOnlyTheFirstImport();
});

test('an abort after the last line of the report cannot undo it', async () => {
  const stop = new AbortController();
  const report = await load(MORE_RATINGS, { signal: stop.signal });
  stop.abort();
  expect(report.counts).toMatchObject({ inserted: 1, updated: 1 });
  expect(await store.pool.query('select 1 as alive')).toMatchObject({ rows: [{ alive: 1 }] });
});

test('the next import after an abort works at once', async () => {
  const stop = new AbortController();
  const importing = importRatings(store, set, {
    maxRejects: 0,
    signal: stop.signal,
    onProgress: () => stop.abort(),
  });
  await expect(importing).rejects.toMatchObject({ code: 'IMPORT_INTERRUPTED' });
  const begun = performance.now();
  expect((await load(MORE_RATINGS)).counts).toMatchObject({ inserted: 1, updated: 1 });
  expect(performance.now() - begun).toBeLessThan(PROMPT_MS);
});

test('a second import at the same time is refused, and the first one goes on', async () => {
  await other.query('begin; lock table ratings in row exclusive mode');
  const first = load(MORE_RATINGS);
  await untilLockIsWaitedFor();
  await expect(load(RATINGS)).rejects.toMatchObject({
    code: 'IMPORT_BUSY',
    message: 'another import is running on this database',
  });
  await other.query('rollback');
  expect((await first).counts).toMatchObject({ inserted: 1, updated: 1 });
  expect(await statuses()).toEqual(['SUCCEEDED', 'SUCCEEDED']);
});

test('a second import waits for a first one that is about to end', async () => {
  await other.query('begin; lock table ratings in row exclusive mode');
  const first = load(MORE_RATINGS);
  await untilLockIsWaitedFor();
  const second = load(MORE_RATINGS);
  await other.query('rollback');
  expect((await first).counts).toMatchObject({ inserted: 1, updated: 1 });
  expect((await second).counts).toMatchObject({ unchanged: 2 });
});

test('a record that still says RUNNING although nobody imports is marked as failed by the next import', async () => {
  await store.pool.query(`insert into imports (source) values ('crashed')`);
  await load(MORE_RATINGS);
  const { rows } = await store.pool.query('select source, status, error from imports order by id');
  expect(rows.slice(1)).toEqual([
    { source: 'crashed', status: 'FAILED', error: 'interrupted' },
    { source: expect.any(String), status: 'SUCCEEDED', error: null },
  ]);
});

test('readers see the old state until the import is complete', async () => {
  // The statistics of user 1 wait for this lock: ratings, users and movies are merged by then.
  await other.query('begin; select from users where user_id = 1 for update');
  const importing = load(MORE_RATINGS);
  await untilLockIsWaitedFor();
  await expectOnlyTheFirstImport();
  await other.query('rollback');
  await importing;
  expect(await pairs()).toEqual(['1:10:1', '2:20:3.5', '3:30:2']);
});

test('a rating that is written during the merge waits for it, and none is lost', async () => {
  await other.query('begin; select from users where user_id = 1 for update');
  const importing = load(MORE_RATINGS);
  await untilLockIsWaitedFor();
  const writing = store.pool.query('insert into ratings (user_id, movie_id, rating) values (3, 10, 5)');
  await other.query('rollback');
  await Promise.all([importing, writing]);
  expect(await pairs()).toEqual(['1:10:1', '2:20:3.5', '3:10:5', '3:30:2']);
});

test('a server that ends the connection during the merge fails the import with its words', async () => {
  await other.query('begin; lock table ratings in row exclusive mode');
  const importing = load(MORE_RATINGS);
  importing.catch(() => {});
  await untilLockIsWaitedFor();
  await terminateImport();
  await expect(importing).rejects.toMatchObject({
    code: 'IMPORT_FAILED',
    message: expect.stringContaining(
      'terminating connection due to administrator command; nothing was imported',
    ),
  });
  await other.query('rollback');
  await expectOnlyTheFirstImport();
  expect(await statuses()).toEqual(['SUCCEEDED', 'FAILED']);
});

test('a server that ends the connection during COPY fails the import', async () => {
  let terminated: Promise<void> | undefined;
  const throughProxy = await openThroughProxy({
    fromClient: afterBytes(200_000, () => {
      terminated ??= terminateImport();
      return false;
    }),
  });
  await expect(importRatings(throughProxy, set, { maxRejects: 0 })).rejects.toMatchObject({
    code: 'IMPORT_FAILED',
    message: expect.stringContaining('nothing was imported'),
  });
  await terminated;
  await throughProxy.close();
  await expectOnlyTheFirstImport();
  expect(await statuses()).toEqual(['SUCCEEDED', 'FAILED']);
});

test.each([
  ['a folder', () => set],
  ['an archive, which is not blamed', () => aZip(set)],
])('a connection cut during COPY fails the import of %s', async (_name, makePath) => {
  const throughProxy = await openThroughProxy({ fromClient: afterBytes(200_000, cutOnce()) });
  await expect(importRatings(throughProxy, makePath(), { maxRejects: 0 })).rejects.toMatchObject({
    code: 'IMPORT_FAILED',
  });
  await throughProxy.close();
  await expectOnlyTheFirstImport();
});

test('a server that cannot be reached fails the import', async () => {
  const throughProxy = await openThroughProxy({});
  await proxy!.close();
  await expect(importRatings(throughProxy, set, { maxRejects: 0 })).rejects.toMatchObject({
    code: 'IMPORT_FAILED',
    message: expect.stringMatching(/ECONNREFUSED.*; nothing was imported$/),
  });
  await throughProxy.close();
});

test('a commit whose answer is lost is reported as what it was: a success', async () => {
  const cut = cutOnce();
  const throughProxy = await openThroughProxy({
    fromServer: (bytes) => bytes.includes('COMMIT\0') && cut(),
  });
  const report = await importRatings(throughProxy, aFolder({ 'ratings.csv': MORE_RATINGS }), {
    maxRejects: 0,
  });
  await throughProxy.close();
  expect(report.counts).toMatchObject({ inserted: 1, updated: 1 });
  expect(await pairs()).toEqual(['1:10:1', '2:20:3.5', '3:30:2']);
  expect(await statuses()).toEqual(['SUCCEEDED', 'SUCCEEDED']);
});

test('a client that is gone during the merge frees the import lock within seconds', async () => {
  const throughProxy = await openThroughProxy({});
  await other.query('begin; lock table ratings in row exclusive mode');
  const orphaned = importRatings(throughProxy, aFolder({ 'ratings.csv': MORE_RATINGS }), { maxRejects: 0 });
  orphaned.catch(() => {});
  await untilLockIsWaitedFor();
  await proxy!.close();
  await expect(orphaned).rejects.toMatchObject({ code: 'IMPORT_FAILED' });
  await throughProxy.close();
  await untilTrue(`select not exists (${IMPORT_LOCKS}) as reached`);
  await other.query('rollback');
  expect((await load(MORE_RATINGS)).counts).toMatchObject({ inserted: 1, updated: 1 });
});

function load(ratings: string, options: Partial<ImportOptions> = {}) {
  return importRatings(store, aFolder({ 'ratings.csv': ratings }), { maxRejects: 0, ...options });
}

function aZip(folder: string): string {
  const packed = zip({ 'ratings.csv': readFileSync(join(folder, 'ratings.csv'), 'utf8') });
  return join(aFolder({ 'set.zip': packed }), 'set.zip');
}

async function openThroughProxy(hooks: Parameters<typeof startProxy>[1]) {
  proxy = await startProxy(store.url, hooks);
  return openStore(proxy.url);
}

/** The hook is asked from then on. */
function afterBytes(count: number, hook: () => boolean): (bytes: Buffer) => boolean {
  let seen = 0;
  return (bytes) => {
    seen += bytes.length;
    return seen > count && hook();
  };
}

function cutOnce(): () => boolean {
  let cuts = 0;
  return () => cuts++ === 0;
}

/** Until some statement of this database waits for a lock of another session. */
async function untilLockIsWaitedFor(): Promise<void> {
  await untilTrue(`select exists (
    select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and wait_event <> 'advisory'
  ) as reached`);
}

async function untilTrue(text: string): Promise<void> {
  for (;;) {
    const { rows } = await other.query(text);
    if (rows[0].reached) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function terminateImport(): Promise<void> {
  await other.query(`select pg_terminate_backend(pid) from (${IMPORT_LOCKS}) as import`);
}

async function expectOnlyTheFirstImport(): Promise<void> {
  expect(await pairs()).toEqual(['1:10:4', '2:20:3.5']);
  const { rows } = await store.pool.query(
    'select (select count(*)::int from users) as users, (select count(*)::int from movies) as movies',
  );
  expect(rows).toEqual([{ users: 2, movies: 2 }]);
}

async function pairs(): Promise<string[]> {
  const { rows } = await store.pool.query(
    `select user_id || ':' || movie_id || ':' || rating as pair from ratings order by user_id, movie_id`,
  );
  return rows.map(({ pair }) => pair);
}

async function lastImport(): Promise<object> {
  return (await store.pool.query('select * from imports order by id desc limit 1')).rows[0];
}

async function statuses(): Promise<string[]> {
  const { rows } = await store.pool.query('select status from imports order by id');
  return rows.map(({ status }) => status);
}
