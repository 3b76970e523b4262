import { randomUUID } from 'node:crypto';
import { createLogger } from '#src/log.js';
import { StatementPool } from '#src/store/pool.js';
import { openQueue } from '#src/store/queue.js';
import { explainDatabaseError, inTransaction, toStore } from '#src/store/store.js';
import { openTestStore, type TestStore } from './support/store.js';

let store: TestStore;
beforeAll(async () => {
  store = await openTestStore();
});
afterAll(() => store.drop());

test('a transaction that throws leaves nothing behind, and the pool goes on', async () => {
  const failing = inTransaction(store.pool, async (client) => {
    await client.query(`insert into users (user_id, idx) values (1, 0)`);
    throw new Error('changed my mind');
  });
  await expect(failing).rejects.toThrow('changed my mind');
  expect((await store.pool.query('select * from users')).rows).toEqual([]);
});

test('a connection that the server ends inside a transaction is an error of the call, not the end of the process', async () => {
  const cut = inTransaction(store.pool, async (client) => {
    const { rows } = await client.query('select pg_backend_pid() as pid');
    await store.pool.query('select pg_terminate_backend($1)', [rows[0].pid]);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await client.query('select 1');
  });
  await expect(cut).rejects.toThrow();
  expect((await store.pool.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
});

test('a write by Prisma whose connection the server ends says that the database went away', async () => {
  await store.pool.query(`insert into movies (movie_id, idx, title) values (1, 0, 'Solaris')`);
  const write = await inTransaction(store.pool, async (client) => {
    await client.query('select from movies where movie_id = 1 for update');
    const waiting = store.prisma.movie.updateMany({ where: { movieId: 1 }, data: { title: 'Stalker' } });
    const failed = waiting.then(
      () => null,
      (error: unknown) => explainDatabaseError(error),
    );
    const END_WHO_WAITS = `
      select pg_terminate_backend(pid)
      from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`;
    while ((await store.pool.query(END_WHO_WAITS)).rowCount === 0);
    return failed;
  });
  expect(write).toMatchObject({ code: 'DATABASE_UNREACHABLE' });
});

test('a database that Prisma cannot reach is told in one line, without the call in our code', async () => {
  const url = 'postgresql://nobody@127.0.0.1:1/none';
  const away = toStore(url, new StatementPool({ connectionString: url }));
  const error = await away.prisma.movie.findFirst().catch(explainDatabaseError);
  await away.close();
  expect(error).toMatchObject({
    code: 'DATABASE_UNREACHABLE',
    message: "PostgreSQL went away: Can't reach database server at 127.0.0.1:1",
  });
});

test('a server that takes no more connections is told as such, by pg and by Prisma', async () => {
  const role = `full_${randomUUID().slice(0, 8)}`;
  await store.pool.query(`create role ${role} login password 'x' connection limit 1`);
  const url = new URL(store.url);
  [url.username, url.password] = [role, 'x'];
  const full = toStore(url.href, new StatementPool({ connectionString: url.href }));
  const holder = await full.pool.connect();
  const errors = [
    await full.pool.query('select 1').catch(explainDatabaseError),
    await full.prisma.movie.findFirst().catch(explainDatabaseError),
  ];
  holder.release();
  await full.close();
  await store.pool.query(`drop role ${role}`);
  const told = {
    code: 'DATABASE_UNREACHABLE',
    message: expect.stringMatching(/^PostgreSQL takes no more connections: .*too many connections for role/),
  };
  expect(errors).toEqual([expect.objectContaining(told), expect.objectContaining(told)]);
});

test('several processes may open the queue of a new database at once', async () => {
  const log = createLogger({ logLevel: 'silent' });
  const queues = await Promise.all([1, 2, 3, 4].map(() => openQueue(store, log)));
  await queues[0].sendJob({ name: 'train', runId: 1 });
  await Promise.all(queues.map((queue) => queue.close()));
});

test('a named statement that a pooler has lost, or has already, is asked without a name from then on', async () => {
  const pool = new StatementPool({ connectionString: store.url, max: 1 });
  const ask = () => pool.query({ name: 'one', text: 'select $1::int as one', values: [1] });
  const named = async () => (await pool.query('select name from pg_prepared_statements')).rows;
  await ask();
  const [{ name }] = await named();
  expect(name).toMatch(/^one-[0-9a-f]{12}$/);
  // What this connection knows is gone, as when the next statement comes to another connection of the server.
  await pool.query('deallocate all');
  expect((await ask()).rows).toEqual([{ one: 1 }]);
  expect((await ask()).rows).toEqual([{ one: 1 }]);
  expect(await named()).toEqual([]);
  await pool.end();
  // And a connection that another client has used already.
  const later = new StatementPool({ connectionString: store.url, max: 1 });
  await later.query(`prepare "${name}" as select $1::int as one`);
  const again = await later.query({ name: 'one', text: 'select $1::int as one', values: [1] });
  expect(again.rows).toEqual([{ one: 1 }]);
  await later.end();
});
