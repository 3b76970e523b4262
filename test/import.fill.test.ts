// The first import into a store: its staging table takes the place of the empty one, with all that hangs on it, and readers
// and writers of the empty one get what they asked for.

import { join } from 'node:path';
import pg from 'pg';
import { importRatings } from '#src/loading/import.js';
import { aFolder } from './support/folder.js';
import { openTestStore, type TestStore } from './support/store.js';

const HEADER = 'userId,movieId,rating,timestamp\n';
const FEW = `${HEADER}1,10,4.0,100\n2,10,3.5,200\n2,20,1.0,300\n`;
const USERS = 300;
const MOVIES = 200;
/** Where statistics are not what the ratings say. */
const WRONG_STATISTICS = ['user', 'movie'].map(
  (of) => `
  select ${of}_id
  from ${of}s
  left join (
    select ${of}_id, count(*)::int as rating_count, sum(rating::float8) / count(*) as mean_rating
    from ratings
    group by ${of}_id
  ) right_ones using (${of}_id)
  where (${of}s.rating_count, ${of}s.mean_rating)
    is distinct from (coalesce(right_ones.rating_count, 0), right_ones.mean_rating)`,
);

let store: TestStore;
let other: pg.Client;

beforeEach(async () => {
  store = await openTestStore();
  other = new pg.Client({ connectionString: store.url });
  await other.connect();
});

afterEach(async () => {
  await other.end();
  await store.drop();
});

test('the table that was filled has the key, the index, the check and the grants of the empty one', async () => {
  const before = await describeRatings();
  await load(FEW);
  expect(await oidOfRatings()).not.toBe(before.oid);
  expect(await describeRatings()).toEqual({ ...before, oid: expect.any(Number) });
  expect(before.indexes).toHaveLength(2);
});

test('a grant on ratings is still there after they were filled', async () => {
  await other.query(
    'grant select on ratings to pg_monitor with grant option; grant insert on ratings to public',
  );
  const before = await describeRatings();
  await load(FEW);
  expect((await describeRatings()).grants).toEqual(before.grants);
});

test('of repeated pairs anywhere in a large file the last one stays, and statistics are exact', async () => {
  const { counts } = await load(HEADER + [...allPairs('1.5'), ...allPairs('4.5').slice(0, 500)].join(''));
  expect(counts).toMatchObject({ inserted: USERS * MOVIES, duplicates: 500, unchanged: 500 });
  expect(await select('select count(*)::int from ratings where rating = 4.5')).toEqual([{ count: 500 }]);
  expect(await wrongStatistics()).toEqual([[], []]);
});

test('statistics stay exact over the first import, a merge of new ratings and a merge of changed ones', async () => {
  await load(HEADER + allPairs('3.7').join(''));
  expect(await wrongStatistics()).toEqual([[], []]);
  await load(`${HEADER}1,1,0.9,2000000000\n1,999,2.1,1\n777,1,4.3,1\n`);
  expect(await wrongStatistics()).toEqual([[], []]);
  await load(HEADER + allPairs('1.3').join('').replaceAll(',1000\n', ',2000000001\n'));
  expect(await wrongStatistics()).toEqual([[], []]);
});

test('a rating that is written during the first import is merged with the file', async () => {
  await other.query(
    'begin; insert into users (user_id, idx) values (9, 0); insert into movies (movie_id, idx, title) values (20, 0, $$A$$)',
  );
  await other.query('lock table ratings in row exclusive mode');
  const importing = load(FEW);
  await untilLockIsWaitedFor();
  await other.query(`insert into ratings values (2, 20, 5, to_timestamp(900)); commit`);
  expect((await importing).counts).toMatchObject({ inserted: 2, unchanged: 1 });
  expect(await select('select user_id, movie_id, rating from ratings order by 1, 2')).toEqual([
    { user_id: 1, movie_id: 10, rating: 4 },
    { user_id: 2, movie_id: 10, rating: 3.5 },
    { user_id: 2, movie_id: 20, rating: 5 },
  ]);
  expect(await select(`select to_regclass('staging_ratings') as staging`)).toEqual([{ staging: null }]);
});

test('a transaction that reads the empty table keeps seeing it empty, and the import waits for it', async () => {
  await other.query('begin isolation level repeatable read; select from ratings');
  const importing = load(FEW);
  await untilLockIsWaitedFor();
  expect((await other.query('select from ratings')).rowCount).toBe(0);
  await other.query('commit');
  await importing;
  expect((await other.query('select from ratings')).rowCount).toBe(3);
});

test('a named statement that was prepared on the empty table finds the ratings afterwards', async () => {
  const statement = { name: 'by-user', text: 'select movie_id from ratings where user_id = 1' };
  expect((await other.query(statement)).rows).toEqual([]);
  await load(FEW);
  expect((await other.query(statement)).rows).toEqual([{ movie_id: 10 }]);
});

test.each([
  ['a view', 'create view mine as select count(*)::int from ratings'],
  ['another index', 'create index mine on ratings (rated_at)'],
  ['a rule of who sees what', 'alter table ratings enable row level security'],
])('a table that has %s of its own is not replaced', async (_name, ddl) => {
  await other.query(ddl);
  const before = await oidOfRatings();
  await load(FEW);
  expect(await oidOfRatings()).toBe(before);
  expect((await other.query('select from ratings')).rowCount).toBe(3);
  expect(await wrongStatistics()).toEqual([[], []]);
});

test('a file without ratings leaves the empty table as it is', async () => {
  const before = await oidOfRatings();
  await load(HEADER);
  expect(await oidOfRatings()).toBe(before);
  expect(await select(`select to_regclass('staging_ratings') as staging`)).toEqual([{ staging: null }]);
});

/** Users × movies lines, movies first, so that a user's lines lie apart. */
function allPairs(rating: string): string[] {
  return Array.from(
    { length: USERS * MOVIES },
    (_, i) => `${(i % USERS) + 1},${Math.floor(i / USERS) + 1},${rating},1000\n`,
  );
}

function load(ratings: string) {
  return importRatings(store, join(aFolder({ 'ratings.csv': ratings })), { maxRejects: 0 });
}

async function describeRatings() {
  const [{ oid, owner, grants }] = await select(
    `select oid::int, relowner as owner, relacl::text as grants from pg_class where oid = 'ratings'::regclass`,
  );
  const indexes = await select(`select indexdef from pg_indexes where tablename = 'ratings' order by 1`);
  const constraints = await select(
    `select conname, pg_get_constraintdef(oid) as definition
     from pg_constraint
     where conrelid = 'ratings'::regclass and contype <> 'n'
     order by 1`,
  );
  const columns = await select(
    `select column_name, data_type, is_nullable, ordinal_position
     from information_schema.columns
     where table_name = 'ratings'
     order by ordinal_position`,
  );
  return { oid, owner, grants, indexes, constraints, columns };
}

async function oidOfRatings(): Promise<number> {
  return (await describeRatings()).oid;
}

function wrongStatistics() {
  return Promise.all(WRONG_STATISTICS.map((text) => select(text)));
}

async function select(text: string) {
  return (await store.pool.query(text)).rows;
}

async function untilLockIsWaitedFor(): Promise<void> {
  for (;;) {
    const { rowCount } = await store.pool.query(
      `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    );
    if (rowCount! > 0) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
