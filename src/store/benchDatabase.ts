// What benches ask of PostgreSQL: a database of their own on the same server, the plainest load there is, and the other ways
// to read ratings. Apart from what Marquee itself uses, which is only compared with these.

import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { AppError } from '../errors.js';
import { applyMigrations } from './migrate.js';
import { divideRatings } from './ratingPartitions.js';
import { type RatingPairs, readPairs } from './ratingReader.js';
import { readCopy } from './rowStream.js';
import { inTransaction, openStore, type Store } from './store.js';

const READ = 'select user_id, movie_id, rating from ratings order by user_id, movie_id';
const FETCH_ROWS = 10_000;

/** Migrated and empty, ratings divided into so many tables; dropped whatever happens, by the signal at once. */
export async function withBenchDatabase<T>(
  url: string,
  signal: AbortSignal,
  work: (store: Store) => Promise<T>,
  partitions = 1,
): Promise<T> {
  const name = `marquee_bench_${randomUUID().replaceAll('-', '')}`;
  await execute(url, `create database ${name}`);
  try {
    const own = new URL(url);
    own.pathname = `/${name}`;
    await applyMigrations(own.href);
    await divideRatings(own.href, partitions);
    const store = await openStore(own.href);
    try {
      return await orStopped(signal, () => work(store));
    } finally {
      // It would wait for statements, which end with the database.
      const closed = store.close();
      if (signal.aborted) closed.catch(() => {});
      else await closed;
    }
  } finally {
    await execute(url, `drop database ${name} with (force)`);
  }
}

/** What `work` gives; the signal does not wait for it, since the process ends soon after. @throws AppError RUN_CANCELLED */
function orStopped<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(stopped());
    if (signal.aborted) return stop();
    signal.addEventListener('abort', stop, { once: true });
    work().then(resolve, reject);
  });
}

export function stopped(cause?: unknown): AppError {
  return new AppError('RUN_CANCELLED', 'stopped before all was measured', { cause });
}

/** Seconds of what `psql \copy` and `alter table … add primary key` do with the same file. */
export async function timePlainLoad({ pool }: Store, ratingsCsv: string): Promise<number> {
  const client = await pool.connect();
  try {
    await client.query('create table plain (user_id int, movie_id int, rating real, rated_at bigint)');
    const begun = performance.now();
    const sink = client.query(copyFrom('copy plain from stdin (format csv, header)'));
    await pipeline(createReadStream(ratingsCsv, { highWaterMark: 1 << 18 }), sink);
    await client.query('alter table plain add primary key (user_id, movie_id)');
    const seconds = (performance.now() - begun) / 1000;
    await client.query('drop table plain');
    return seconds;
  } finally {
    client.release();
  }
}

/** So that no path pays for what was written before it. */
export async function settle({ pool }: Store): Promise<void> {
  await pool.query('vacuum analyze ratings');
  await pool.query('checkpoint');
}

/** Leaves of a batch scoring that nobody has begun only the shards of the first rows of the user embedding. */
export async function limitScoring({ pool }: Store, scoringRunId: number, users: number): Promise<void> {
  await pool.query('delete from scoring_shards where scoring_run_id = $1 and first_index >= $2', [
    scoringRunId,
    users,
  ]);
}

export async function serverVersion({ pool }: Store): Promise<string> {
  return (await pool.query('show server_version')).rows[0].server_version;
}

/** The ways to read all ratings in order; each fills the arrays. */
export const READERS = {
  portal: (store, into) => inTransaction(store.pool, (client) => readPairs(client, into)),
  copy: (store, into) => inTransaction(store.pool, (client) => readByCopy(client, into)),
  objects: (store, into) => inTransaction(store.pool, (client) => readObjects(client, into)),
} as const satisfies Record<string, (store: Store, into: RatingPairs) => Promise<void>>;

export type ReaderName = keyof typeof READERS;

async function readByCopy(client: pg.PoolClient, { userIds, movieIds, ratings }: RatingPairs): Promise<void> {
  let row = 0;
  await readCopy(client, READ, {
    onRow(bytes, at) {
      userIds[row] = bytes.readInt32BE(at + 4);
      movieIds[row] = bytes.readInt32BE(at + 12);
      ratings[row++] = bytes.readFloatBE(at + 20);
    },
  });
}

/** What pg-cursor gives, too: an object for each row, a batch at a time. */
async function readObjects(client: pg.PoolClient, { userIds, movieIds, ratings }: RatingPairs) {
  await client.query(`declare plain_cursor no scroll cursor for ${READ}`);
  for (let row = 0; ; ) {
    const { rows } = await client.query(`fetch ${FETCH_ROWS} from plain_cursor`);
    if (rows.length === 0) return;
    for (const { user_id, movie_id, rating } of rows) {
      userIds[row] = user_id;
      movieIds[row] = movie_id;
      ratings[row++] = rating;
    }
  }
}

async function execute(url: string, text: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(text);
  } finally {
    await client.end();
  }
}
