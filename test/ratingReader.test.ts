// Ratings out of PostgreSQL into typed arrays, through the portal: the same as SQL says, in one snapshot, and whatever
// goes wrong, the connections stay usable.

import pg from 'pg';
import { readPortal } from '#src/store/portal.js';
import { readRatings } from '#src/store/ratingReader.js';
import { readCopy } from '#src/store/rowStream.js';
import { inTransaction, openStore, type Store } from '#src/store/store.js';
import { splitRatings } from '#src/training/split.js';
import { createTestDatabase, type TestDatabase } from './database.js';
import { startProxy, type TestProxy } from './support/proxy.js';
import { openTestStore, type TestStore } from './support/store.js';

const SPLIT = { kind: 'HASH', testFraction: 0.2, seed: 42 } as const;
/** Two batches of 1,000 users and half of one. */
const MANY = 250_000;

let store: TestStore;
let many: TestDatabase | undefined;

beforeEach(async () => {
  store = await openTestStore();
});

afterEach(() => store.drop());

afterAll(() => many?.drop());

test('ratings come ordered by user and movie, as rows of the embeddings', async () => {
  await insertSmallSet();
  const table = await readRatings(store);
  expect(table).toEqual({
    userIndices: Int32Array.of(1, 1, 0),
    movieIndices: Int32Array.of(2, 0, 2),
    ratings: Float32Array.of(3.5, 0.5, 5),
    scale: { minimum: 0.5, maximum: 5, step: 0.5 },
    userIds: Int32Array.of(70, 30),
    movieIds: Int32Array.of(900, 500, 100),
    latestRatedAt: new Date('2001-09-09T01:46:40Z'),
    checksum: expect.stringMatching(/^[0-9a-f]{64}$/),
  });
});

test('a store without ratings gives empty arrays and no time', async () => {
  expect(await readRatings(store)).toMatchObject({
    userIndices: new Int32Array(0),
    movieIndices: new Int32Array(0),
    ratings: new Float32Array(0),
    userIds: new Int32Array(0),
    movieIds: new Int32Array(0),
    latestRatedAt: null,
  });
});

test('several batches give the counts, sums and order that SQL gives', async () => {
  await openMany();
  const table = await readRatings(store);
  const { rows } = await store.pool.query(`
    select count(*)::int as count, sum(rating) as total,
      sum((user_id * 7 + movie_id) * place) as ordered
    from (select *, row_number() over (order by user_id, movie_id) - 1 as place from ratings) numbered`);
  expect(rows[0].count).toBe(MANY);
  expect(table.ratings.length).toBe(MANY);
  expect(sumOf(table.ratings)).toBe(rows[0].total);
  expect(orderedSumOf(table)).toBe(BigInt(rows[0].ordered));
});

test('progress counts up by batches to the total', async () => {
  await openMany();
  const seen: [number, number][] = [];
  await readRatings(store, { onProgress: (rows, total) => seen.push([rows, total]) });
  expect(seen).toEqual([
    [100_000, MANY],
    [200_000, MANY],
    [MANY, MANY],
  ]);
});

test('what others write while it reads is not seen', async () => {
  await openMany();
  const writes: Promise<unknown>[] = [];
  const write = () => {
    writes.push(store.pool.query(`update ratings set rating = 0.5`));
    writes.push(
      store.pool.query(`insert into ratings select 1000000, movie_id, 5 from movies where idx < 50`),
    );
    writes.push(store.pool.query(`delete from ratings where user_id = 500`));
  };
  const before = await readRatings(store);
  const during = await readRatings(store, { onProgress: once(write) });
  await Promise.all(writes);
  expect(during.checksum).toBe(before.checksum);
  expect(during.ratings).toEqual(before.ratings);
  expect(await countRatings()).toBe(249_950);
});

test('the checksum changes with any rating, and only then', async () => {
  await insertSmallSet();
  const { checksum } = await readRatings(store);
  expect((await readRatings(store)).checksum).toBe(checksum);
  await store.pool.query('update ratings set rating = 4 where user_id = 70');
  expect((await readRatings(store)).checksum).not.toBe(checksum);
});

test('the same ratings are split the same, whatever the order they were stored in', async () => {
  await openMany();
  const first = splitRatings(await readRatings(store), SPLIT);
  await store.pool.query(
    'create temp table shuffled as select * from ratings order by md5(user_id || movie_id::text)',
  );
  await store.pool.query('truncate ratings');
  await store.pool.query('insert into ratings select * from shuffled');
  const second = splitRatings(await readRatings(store), SPLIT);
  expect(second).toEqual(first);
  expect(first.test.ratings.length / MANY).toBeCloseTo(0.2, 2);
});

test.each([
  ['user', 'users'],
  ['movie', 'movies'],
])('a rating whose %s is not in %s is an error, never somebody else', async (kind, table) => {
  await insertSmallSet();
  await store.pool.query(`delete from ${table} where idx = 0`);
  await expect(readRatings(store)).rejects.toThrow(
    new RegExp(`^${kind} \\d+ has ratings but no row in ${table}$`),
  );
  await expectUsable(store);
});

test('an abort between two batches ends the reading with the reason of the signal', async () => {
  await openMany();
  const stop = new AbortController();
  const seen: number[] = [];
  const onProgress = (rows: number) => {
    seen.push(rows);
    stop.abort(new Error('enough'));
  };
  await expect(readRatings(store, { signal: stop.signal, onProgress })).rejects.toThrow('enough');
  expect(seen).toEqual([100_000]);
  await expectUsable(store);
});

test('an error of the statement has the message and the code of the server', async () => {
  const reading = inTransaction(store.pool, (client) =>
    readPortal(client, 'select nothing from nowhere', { onRow() {} }),
  );
  await expect(reading).rejects.toMatchObject({
    message: 'relation "nowhere" does not exist',
    code: '42P01',
    severity: 'ERROR',
  });
  await expectUsable(store);
});

test('an error in the middle of the rows is reported after those that came before it', async () => {
  let rows = 0;
  const reading = inTransaction(store.pool, (client) =>
    readPortal(client, 'select 1 / (150000 - i) from generate_series(1, 200000) as i', {
      onRow: () => rows++,
    }),
  );
  await expect(reading).rejects.toMatchObject({ message: 'division by zero', code: '22012' });
  expect(rows).toBe(149_999);
  await expectUsable(store);
});

test('an error of onRow ends the reading with that error, and no row or batch is handed out after it', async () => {
  const seen: string[] = [];
  const reading = inTransaction(store.pool, (client) =>
    readPortal(client, 'select i from generate_series(1, 300000) as i', {
      onRow() {
        seen.push('row');
        throw new Error('cannot keep this row');
      },
      onBatch: () => seen.push('batch'),
    }),
  );
  await expect(reading).rejects.toThrow('cannot keep this row');
  expect(seen).toEqual(['row']);
  await expectUsable(store);
});

test('an error of onBatch ends the reading with that error', async () => {
  const reading = inTransaction(store.pool, (client) =>
    readPortal(client, 'select i from generate_series(1, 300000) as i', {
      onRow() {},
      onBatch() {
        throw new Error('cannot go on');
      },
    }),
  );
  await expect(reading).rejects.toThrow('cannot go on');
  await expectUsable(store);
});

test('the next batch is asked for only when the last one has been dealt with', async () => {
  let rows = 0;
  let goOn = (): void => {};
  const held = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const reading = inTransaction(store.pool, (client) =>
    readPortal(client, 'select i from generate_series(1, 5) as i', {
      onRow: () => rows++,
      onBatch: () => held,
      batchRows: 2,
    }),
  );
  await store.pool.query('select pg_sleep(0.1)');
  expect(rows).toBe(2);
  goOn();
  await reading;
  expect(rows).toBe(5);
});

test('messages are put together wherever the network cuts them', async () => {
  const slow = await startProxy(store.url, { fromServer: () => false, pieceBytes: 7 });
  const cut = await openStore(slow.url);
  await insertSmallSet();
  expect(await readRatings(cut)).toEqual(await readRatings(store));
  await cut.close();
  await slow.close();
});

test('a socket that is not of ours, as TLS has, lends its bytes and goes on with its own listeners', async () => {
  const pool = new pg.Pool({ connectionString: store.url });
  try {
    await inTransaction(pool, async (client) => {
      expect(await readInts(client, 'select generate_series(1, 150000)')).toHaveLength(150_000);
      expect((await client.query('select 7 as seven')).rows).toEqual([{ seven: 7 }]);
      await expect(readInts(client, 'select 1 / 0')).rejects.toThrow('division by zero');
    });
  } finally {
    await pool.end();
  }
});

test('by COPY the same rows come in the same bytes, and errors and aborts end it', async () => {
  const text = `select i, array[i, 2 * i]::int[], null::int from generate_series(1, 3000) as i`;
  const collect = (read: typeof readPortal | typeof readCopy) =>
    inTransaction(store.pool, async (client) => {
      const rows: string[] = [];
      await read(client, text, { onRow: (bytes, at) => rows.push(bytes.toString('hex', at, at + 52)) });
      return rows;
    });
  const byCopy = await collect(readCopy);
  expect(byCopy).toHaveLength(3000);
  expect(byCopy).toEqual(await collect(readPortal));
  const failing = inTransaction(store.pool, (client) =>
    readCopy(client, 'select 1 / (100 - i) from generate_series(1, 200) as i', { onRow() {} }),
  );
  await expect(failing).rejects.toMatchObject({ code: '22012' });
  const stop = new AbortController();
  const aborted = inTransaction(store.pool, (client) =>
    readCopy(client, 'select i from generate_series(1, 1000000) as i', {
      onRow: () => stop.abort(new Error('enough')),
      signal: stop.signal,
    }),
  );
  await expect(aborted).rejects.toThrow('enough');
  await expectUsable(store);
});

test('where a portal is refused, ratings are read by COPY, in the same snapshot', async () => {
  await openMany();
  const expected = await readRatings(store);
  // The server is made to refuse the first statement by groups, and its words are changed to those of one without limits.
  let refused = 0;
  const refusing = await startProxy(store.url, {
    fromClient(bytes) {
      const at = bytes.indexOf('group by user_id');
      if (at >= 0 && refused++ === 0) bytes.write('group by nothing', at);
      return false;
    },
    fromServer(bytes) {
      const at = bytes.indexOf('C42703\0');
      if (at >= 0) bytes.write('C0A000\0', at);
      return false;
    },
  });
  const throughProxy = await openStore(refusing.url);
  expect(await readRatings(throughProxy)).toEqual(expected);
  expect(refused).toBe(2);
  await throughProxy.close();
  await refusing.close();
});

test('the connection goes on within its transaction, with other queries and other portals', async () => {
  const answers = await inTransaction(store.pool, async (client) => {
    const first = await readInts(client, 'select i from generate_series(1, 3) as i');
    const plain = await client.query('select 4 as i');
    const none = await readInts(client, 'select i from generate_series(1, 0) as i');
    const both = await Promise.all([readInts(client, 'select 5'), readInts(client, 'select 6')]);
    return { first, plain: plain.rows, none, both };
  });
  expect(answers).toEqual({ first: [1, 2, 3], plain: [{ i: 4 }], none: [], both: [[5], [6]] });
});

test('rows of exactly one batch are all handed out', async () => {
  const rows = await inTransaction(store.pool, (client) =>
    readInts(client, 'select i from generate_series(1, 100000) as i'),
  );
  expect(rows).toHaveLength(100_000);
  expect(rows.at(-1)).toBe(100_000);
});

test('a connection that the server ends in the middle is an error with its words', async () => {
  await openMany();
  const terminate = () =>
    void store.pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where query like 'select user_id, movie_id%' and datname = current_database()`,
    );
  const reading = inTransaction(store.pool, (client) =>
    readPortal(client, 'select user_id, movie_id from ratings, generate_series(1, 1000)', {
      onRow() {},
      onBatch: once(terminate),
    }),
  );
  await expect(reading).rejects.toThrow('terminating connection due to administrator command');
  await expectUsable(store);
});

describe('through a network that fails', () => {
  let proxy: TestProxy;
  let throughProxy: Store;

  beforeEach(async () => {
    await openMany();
    let seen = 0;
    let cuts = 0;
    const fromServer = (bytes: Buffer) => {
      seen += bytes.length;
      return seen > 1_000_000 && cuts++ === 0;
    };
    proxy = await startProxy(store.url, { fromServer });
    throughProxy = await openStore(proxy.url);
  });

  afterEach(async () => {
    await throughProxy.close();
    await proxy.close();
  });

  test('a connection that is cut between rows is an error, and the next reading takes a new one', async () => {
    await expect(readRatings(throughProxy)).rejects.toThrow(/Connection terminated|ECONNRESET/);
    expect((await readRatings(throughProxy)).ratings).toHaveLength(MANY);
  });
});

async function readInts(client: Parameters<typeof readPortal>[0], text: string): Promise<number[]> {
  const values: number[] = [];
  await readPortal(client, text, { onRow: (bytes, at) => values.push(bytes.readInt32BE(at + 4)) });
  return values;
}

function once(work: () => void): () => void {
  let calls = 0;
  return () => {
    if (calls++ === 0) work();
  };
}

/** Ids are not in the order of idx. */
async function insertSmallSet(): Promise<void> {
  await store.pool.query('insert into users (user_id, idx) values (70, 0), (30, 1)');
  await store.pool.query(
    `insert into movies (movie_id, idx, title) values (900, 0, 'A'), (500, 1, 'B'), (100, 2, 'C')`,
  );
  await store.pool.query(`insert into ratings (user_id, movie_id, rating, rated_at) values
    (70, 100, 5, null), (30, 900, 0.5, '2001-09-09 01:46:40Z'), (30, 100, 3.5, '2001-01-01Z')`);
}

/** Instead of the empty store: a copy of one that was filled once. */
async function openMany(): Promise<void> {
  await store.drop();
  many ??= await fillMany();
  store = await openTestStore(new URL(many.url).pathname.slice(1));
}

async function fillMany(): Promise<TestDatabase> {
  const database = await createTestDatabase();
  const { pool, close } = await openStore(database.url);
  await pool.query('insert into users (user_id, idx) select i, 2500 - i from generate_series(1, 2500) as i');
  await pool.query(
    `insert into movies (movie_id, idx, title) select i * 3, i - 1, 'Movie' from generate_series(1, 100) as i`,
  );
  await pool.query(
    'insert into ratings (user_id, movie_id, rating) select user_id, movie_id, 0.5 + (user_id + movie_id) % 10 / 2.0 from users, movies',
  );
  await close();
  return database;
}

async function countRatings(): Promise<number> {
  return (await store.pool.query('select count(*)::int from ratings')).rows[0].count;
}

/** Every connection of the pool answers, and none is left in a transaction. */
async function expectUsable({ pool }: Store): Promise<void> {
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, i) => pool.query('select $1::int as i', [i])),
  );
  expect(answers.map(({ rows }) => rows[0].i)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  const { rows } = await pool.query(
    `select count(*)::int from pg_stat_activity where datname = current_database() and state like 'idle in%'`,
  );
  expect(rows).toEqual([{ count: 0 }]);
}

function sumOf(values: Float32Array): number {
  return values.reduce((sum, value) => sum + value, 0);
}

function orderedSumOf({
  userIndices,
  movieIndices,
  userIds,
  movieIds,
}: Awaited<ReturnType<typeof readRatings>>): bigint {
  let sum = 0n;
  for (let i = 0; i < userIndices.length; i++) {
    sum += BigInt((userIds[userIndices[i]] * 7 + movieIds[movieIndices[i]]) * i);
  }
  return sum;
}
