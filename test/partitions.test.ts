// Ratings divided by user into several tables: everything gives what it gives with one table, and dividing loses nothing.

import { execFile } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { importRatings } from '#src/loading/import.js';
import { writeSyntheticSet } from '#src/loading/synthetic.js';
import { deleteUser } from '#src/store/deleteUser.js';
import { loadModel } from '#src/store/models.js';
import { divideRatings } from '#src/store/ratingPartitions.js';
import { readRatings } from '#src/store/ratingReader.js';
import { rateMovie, ratingPagesOfMovies, ratingPagesOfUsers, removeRating } from '#src/store/ratings.js';
import type { Store } from '#src/store/store.js';
import { RATING_TABLES, readTables } from '#src/store/tableExport.js';
import { aFolder } from './support/folder.js';
import { aRunRequest, importSynthetic, openTestStore, type TestStore, train } from './support/store.js';

const HEADER = 'userId,movieId,rating,timestamp\n';
const FIRST = { users: 300, movies: 120, ratings: 9000, seed: 7 };
/** Half of its pairs are in the first one, too, with other ratings, and earlier or later. */
const LATER = { users: 340, movies: 130, ratings: 11_000, seed: 8 };

let store: TestStore;
let plain: TestStore;
beforeEach(async () => {
  [store, plain] = [await openTestStore(), await openTestStore()];
});
afterEach(async () => {
  for (const each of [store, plain]) await each.drop();
});

test('divided ratings are imported, merged, changed, read, trained on and exported as those of one table', async () => {
  await divideRatings(store.url, 5);
  const models: object[] = [];
  for (const each of [store, plain]) {
    await importSynthetic(each, FIRST);
    const folder = aFolder();
    await writeSyntheticSet(folder, LATER);
    const { counts } = await importRatings(each, folder, { maxRejects: 0 });
    expect(counts).toMatchObject({ inserted: 8011, updated: 1588, unchanged: 1401, usersAdded: 40 });
    await rateMovie(each, 1, 5, 4.5, new Date(0));
    await rateMovie(each, 9999, 5, 0.5, new Date(0));
    await removeRating(each, 9999, 5);
    await deleteUser(each, 17);
    const runId = await train(each, aRunRequest({ engine: 'wasm' }));
    const model = await each.prisma.model.findUniqueOrThrow({ where: { runId } });
    models.push((await loadModel(each, model.id)).parameters);
  }
  expect(models[0]).toEqual(models[1]);
  expect(await contents(store)).toEqual(await contents(plain));
  const [divided, whole] = [
    await readRatings(store, { withTimes: true }),
    await readRatings(plain, { withTimes: true }),
  ];
  expect(divided).toEqual(whole);
  expect(await exported(store)).toBe(await exported(plain));
  expect(await pages(store)).toEqual(await pages(plain));
  expect(await partitions(store)).toHaveLength(5);
  expect((await store.pool.query('select from ratings_p3')).rowCount).toBeGreaterThan(1000);
});

test('a table with ratings is divided, divided otherwise and put together, and nothing else changes', async () => {
  await importSynthetic(store, FIRST);
  await store.pool.query('grant select on ratings to pg_monitor');
  const before = { ...(await contents(store)), ...(await describeRatings()) };
  const steps: number[][] = [];
  for (const wanted of [4, 4, 3, 1]) {
    const former = await divideRatings(store.url, wanted);
    steps.push([former, wanted, (await partitions(store)).length]);
    expect({ ...(await contents(store)), ...(await describeRatings()) }).toEqual(before);
  }
  expect(steps).toEqual([
    [1, 4, 4],
    [4, 4, 4],
    [4, 3, 3],
    [3, 1, 0],
  ]);
  expect(await strayTables()).toEqual([]);
});

test('the first import fills partitions without indexes, which it builds afterwards, by the names of the migrations', async () => {
  await divideRatings(store.url, 2);
  const before = await describeRatings();
  const [{ oid }] = await select(`select 'ratings'::regclass::int as oid`);
  await importSynthetic(store, FIRST);
  expect((await select(`select 'ratings'::regclass::int as oid`))[0].oid).not.toBe(oid);
  expect(await describeRatings()).toEqual(before);
  expect(await select(`select indexname from pg_indexes where tablename like 'ratings%' order by 1`)).toEqual(
    [
      'ratings_movie_id_user_id_idx',
      'ratings_p0_movie_id_user_id_idx',
      'ratings_p0_pkey',
      'ratings_p1_movie_id_user_id_idx',
      'ratings_p1_pkey',
      'ratings_pkey',
    ].map((indexname) => ({ indexname })),
  );
  expect(await strayTables()).toEqual([]);
});

test('of repeated pairs the last line stays in the most partitions there can be, whether lines have times or not', async () => {
  await divideRatings(store.url, 32);
  const lines: string[] = [];
  const times = ['1000', ''];
  // Each pair three times, far apart: with a time or without, and the last line of either kind tells.
  for (const rating of ['1.0', '2.0', '4.5'])
    for (let pair = 0; pair < 60_000; pair++)
      lines.push(`${(pair % 600) + 1},${Math.floor(pair / 600) + 1},${rating},${times[(pair >> 3) % 2]}\n`);
  const { counts } = await importRatings(store, aFolder({ 'ratings.csv': HEADER + lines.join('') }), {
    maxRejects: 0,
  });
  expect(counts).toMatchObject({ inserted: 60_000, duplicates: 120_000 });
  expect(await select('select rating, count(*)::int from ratings group by rating')).toEqual([
    { rating: 4.5, count: 60_000 },
  ]);
});

test('what asks for one user looks into one partition, and a merge joins partition by partition', async () => {
  await divideRatings(store.url, 4);
  await importSynthetic(store, FIRST);
  expect(await tablesIn('select from ratings where user_id = 7')).toHaveLength(1);
  expect(await tablesIn('delete from ratings where user_id = 7')).toHaveLength(1);
  expect(await tablesIn('select from ratings where movie_id = 7')).toHaveLength(4);
});

test.each([
  ['a view', 'create view mine as select count(*)::int from ratings'],
  ['another index', 'create index mine on ratings (rated_at)'],
  [
    'another kind of partitions',
    'drop table ratings; create table ratings (user_id int, movie_id int, rating real) partition by range (user_id)',
  ],
])('a table that has %s of its own is not divided, and stays as it was', async (_name, ddl) => {
  await store.pool.query(ddl);
  const before = await describeRatings();
  await expect(divideRatings(store.url, 4)).rejects.toMatchObject({
    code: 'PARTITIONS_FAILED',
    message: expect.stringContaining('ratings are as they were: the table has something of its own'),
  });
  expect(await describeRatings()).toEqual(before);
  expect(await strayTables()).toEqual([]);
});

test('a table is not divided while an import is under way, nor when it is stopped', async () => {
  const client = await store.pool.connect();
  await client.query('begin; select pg_advisory_xact_lock(7267801)');
  await expect(divideRatings(store.url, 4)).rejects.toMatchObject({ code: 'IMPORT_BUSY' });
  await client.query('rollback; begin; lock table ratings in row exclusive mode');
  const stop = new AbortController();
  const dividing = divideRatings(store.url, 4, stop.signal);
  const refused = expect(dividing).rejects.toMatchObject({
    code: 'PARTITIONS_FAILED',
    message: 'ratings are as they were: it was stopped',
  });
  while ((await select(`select from pg_locks where not granted`)).length === 0);
  stop.abort();
  await refused;
  await client.query('rollback');
  client.release();
  expect(await partitions(store)).toEqual([]);
});

test('marquee migrate --partitions divides the ratings, says so, and does nothing the second time', async () => {
  const migrate = (...args: string[]) => {
    const { NODE_OPTIONS, ...env } = process.env;
    return promisify(execFile)(process.execPath, ['dist/main.js', 'migrate', ...args], {
      env: { ...env, DATABASE_URL: store.url },
    });
  };
  expect((await migrate('--partitions', '3')).stdout).toContain(
    'ratings are divided into 3 tables now (1 before)',
  );
  const { stdout } = await migrate('--partitions', '3', '--json');
  expect(JSON.parse(stdout.trim().split('\n').at(-1)!)).toEqual({
    event: 'divided',
    partitions: 3,
    former: 3,
  });
  await expect(migrate('--partitions', '33')).rejects.toMatchObject({ code: 2 });
  await migrate();
  expect(await partitions(store)).toEqual(['ratings_p0', 'ratings_p1', 'ratings_p2']);
});

/** All that does not tell when it was written. */
async function contents(of: Store): Promise<object> {
  const { rows } = await of.pool.query(
    `select
       (select md5(string_agg(ratings::text, ';' order by user_id, movie_id)) from ratings) as ratings,
       (select md5(string_agg(row(user_id, idx, rating_count, mean_rating)::text, ';' order by user_id)) from users) as users,
       (select md5(string_agg(movies::text, ';' order by movie_id)) from movies) as movies,
       (select md5(string_agg(feature::text, ';' order by user_id)) from user_features(now()) feature) as features`,
  );
  return rows[0];
}

async function describeRatings(): Promise<object> {
  const indexes = await select(
    `select replace(indexdef, 'ON ONLY', 'ON') as definition from pg_indexes where tablename = 'ratings' order by 1`,
  );
  const constraints = await select(
    `select conname, pg_get_constraintdef(oid) as definition
     from pg_constraint
     where conrelid = 'ratings'::regclass and contype <> 'n'
     order by 1`,
  );
  const [{ grants }] = await select(
    `select relacl::text as grants from pg_class where oid = 'ratings'::regclass`,
  );
  return { indexes, constraints, grants };
}

async function partitions(of: Store): Promise<string[]> {
  const { rows } = await of.pool.query(
    `select inhrelid::regclass::text as name from pg_inherits where inhparent = 'ratings'::regclass order by 1`,
  );
  return rows.map(({ name }) => name);
}

function strayTables() {
  return select(`select relname from pg_class where relname like 'staging%'`);
}

/** Those that the plan names. */
async function tablesIn(statement: string): Promise<string[]> {
  const plan = (await select(`explain ${statement}`)).map((row) => row['QUERY PLAN']).join('\n');
  return [...new Set(plan.match(/ratings_p\d+(?= |\n|$)/g))];
}

function exported(of: Store): Promise<string> {
  return readTables(of, (reader) => text(reader.csv(RATING_TABLES[0])));
}

async function pages(of: Store) {
  return [
    await ratingPagesOfUsers(of, [3, 300], 'RATING_DESC', 10, null),
    await ratingPagesOfMovies(of, [1, 2], 50, null),
    await ratingPagesOfMovies(of, [1, 2], 50, [100]),
  ];
}

async function select(statement: string) {
  return (await store.pool.query(statement)).rows;
}
