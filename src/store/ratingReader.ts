// All ratings → typed arrays, through a server-side cursor in one snapshot: whatever is written meanwhile is not seen.
// No row objects; 12 bytes a rating. Ordered by user and movie, so that the same ratings always give the same arrays.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type pg from 'pg';
import { AppError } from '../errors.js';
import { type AttributeTables, readAttributes } from './attributes.js';
import { readScale } from './ratingScale.js';
import { readRows } from './rowStream.js';
import type { RatingScale } from './scale.js';
import { inTransaction, type Store } from './store.js';

/** A row a user: 1.2 times as fast as a row a rating, and a third of the bytes (10 million ratings). */
const SELECT_BY_USER = `
  select user_id, array_agg(movie_id order by movie_id), array_agg(rating order by movie_id)
  from ratings
  group by user_id
  order by user_id`;
const SELECT_TIMES_BY_USER = `
  select user_id, array_agg(extract(epoch from rated_at)::int8 order by movie_id)
  from ratings
  group by user_id
  order by user_id`;
const USERS_PER_BATCH = 1000;

// A field is its length and its bytes. An array's bytes are: dimensions, has nulls, type of the elements, their number, first
// subscript; then length and bytes of each (PostgreSQL's array_send).
const FIRST_FIELD = 4;
const ARRAY_LENGTH = 4 + 3 * 4;
const FIRST_ELEMENT = 4 + 5 * 4 + 4;
const ELEMENT_BYTES = 8;
const TIME_BYTES = 12;

const SNAPSHOT = 'begin isolation level repeatable read read only';
// A portal that is read in parts gets no parallel workers, so a plan for them would sort for nothing. Of a divided table each
// partition is grouped on its own, and its users, not its ratings, are merged into their order.
const PLAN_FOR_PORTAL = `
  set local max_parallel_workers_per_gather = 0;
  set local enable_partitionwise_aggregate = on`;

export interface RatingTable {
  /** Rows of the embeddings, one for each rating. */
  userIndices: Int32Array;
  movieIndices: Int32Array;
  /** In stars. */
  ratings: Float32Array;
  /** The data set's own numbers by index: userIds[userIndices[i]] rated movieIds[movieIndices[i]]. */
  userIds: Int32Array;
  movieIds: Int32Array;
  scale: RatingScale;
  /** Time of the newest rating, where ratings carry times. */
  latestRatedAt: Date | null;
  /** Seconds since 1970 of each rating, where they were asked for. */
  times?: Float64Array;
  /** Of users and movies, where they were asked for. */
  attributes?: AttributeTables;
  /** SHA-256 over user ids, movie ids and ratings in order, and over the attributes. */
  checksum: string;
}

export interface ReadOptions {
  onProgress?: (rows: number, total: number) => void;
  signal?: AbortSignal;
  /** 8 bytes a rating more. */
  withTimes?: boolean;
  withAttributes?: boolean;
}

/** @throws AppError RUN_NO_TIMES when times are asked for that are not there */
export async function readRatings(store: Store, options: ReadOptions = {}): Promise<RatingTable> {
  return inTransaction(
    store.pool,
    async (client) => {
      const { rows } = await client.query(
        `select count(*)::int as total, max(rated_at) as latest,
           (select array_agg(coalesce(user_id, 0) order by place)
            from generate_series(0, (select max(idx) from users)) as place
            left join users on idx = place) as user_ids,
           (select array_agg(movie_id order by idx) from movies) as movie_ids
         from ratings`,
      );
      const { total, latest, user_ids, movie_ids } = rows[0];
      const pairs = {
        userIds: new Int32Array(total),
        movieIds: new Int32Array(total),
        ratings: new Float32Array(total),
      };
      await readPairs(client, pairs, options);
      const userIds = Int32Array.from(user_ids ?? []);
      const movieIds = Int32Array.from(movie_ids ?? []);
      const scale = await readScale(client);
      const attributes = options.withAttributes ? await readAttributes(client) : undefined;
      const checksum = checksumOf(pairs, attributes);
      return {
        userIndices: toIndices('user', pairs.userIds, userIds),
        movieIndices: toIndices('movie', pairs.movieIds, movieIds),
        ratings: pairs.ratings,
        userIds,
        movieIds,
        scale,
        latestRatedAt: latest,
        ...(options.withTimes ? { times: await readTimes(client, total, options) } : {}),
        ...(attributes ? { attributes } : {}),
        checksum,
      };
    },
    SNAPSHOT,
  );
}

export interface RatingPairs {
  userIds: Int32Array;
  movieIds: Int32Array;
  ratings: Float32Array;
}

/** In the transaction of `client`; the arrays have room for all ratings. */
export async function readPairs(
  client: pg.PoolClient,
  { userIds, movieIds, ratings }: RatingPairs,
  { onProgress, signal }: ReadOptions = {},
): Promise<void> {
  let row = 0;
  // The bits of a float4 are stored as they come.
  const ratingBits = new Int32Array(ratings.buffer);
  await client.query(PLAN_FOR_PORTAL);
  await readRows(client, SELECT_BY_USER, {
    onRow(bytes, at) {
      const userId = bytes.readInt32BE(at + FIRST_FIELD);
      const movies = at + FIRST_FIELD + 4;
      const count = bytes.readInt32BE(movies + ARRAY_LENGTH);
      let movie = movies + FIRST_ELEMENT;
      let rating = movie + count * ELEMENT_BYTES + FIRST_ELEMENT - 4;
      for (let i = 0; i < count; i++, movie += ELEMENT_BYTES, rating += ELEMENT_BYTES) {
        userIds[row] = userId;
        movieIds[row] = bytes.readInt32BE(movie);
        ratingBits[row++] = bytes.readInt32BE(rating);
      }
    },
    onBatch: () => onProgress?.(row, userIds.length),
    batchRows: USERS_PER_BATCH,
    signal,
  });
  onProgress?.(row, userIds.length);
}

/** In the order of the pairs. */
async function readTimes(
  client: pg.PoolClient,
  total: number,
  { signal }: ReadOptions,
): Promise<Float64Array> {
  const { rows } = await client.query('select count(*)::int as untimed from ratings where rated_at is null');
  if (rows[0].untimed > 0) {
    throw new AppError('RUN_NO_TIMES', `${rows[0].untimed} of ${total} ratings in the store have no time`);
  }
  const times = new Float64Array(total);
  let row = 0;
  await client.query(PLAN_FOR_PORTAL);
  await readRows(client, SELECT_TIMES_BY_USER, {
    onRow(bytes, at) {
      const array = at + FIRST_FIELD + 4;
      const count = bytes.readInt32BE(array + ARRAY_LENGTH);
      for (let i = 0; i < count; i++)
        times[row++] = Number(bytes.readBigInt64BE(array + FIRST_ELEMENT + i * TIME_BYTES));
    },
    batchRows: USERS_PER_BATCH,
    signal,
  });
  return times;
}

function checksumOf({ userIds, movieIds, ratings }: RatingPairs, attributes?: AttributeTables): string {
  const hash = createHash('sha256');
  const add = (values: Int32Array | Float32Array) =>
    hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  for (const values of [userIds, movieIds, ratings]) add(values);
  for (const { labels, starts, holders } of attributes ? [attributes.user, attributes.movie] : []) {
    hash.update(JSON.stringify(labels));
    for (const values of [starts, holders]) add(values);
  }
  return hash.digest('hex');
}

/** Replaces ids by their places in `byIndex`, in place. */
function toIndices(kind: 'user' | 'movie', ids: Int32Array, byIndex: Int32Array): Int32Array {
  const indexOf = new Map<number, number>();
  for (const [index, id] of byIndex.entries()) indexOf.set(id, index);
  let [lastId, lastIndex] = [-1, -1];
  for (let i = 0; i < ids.length; i++) {
    // Ratings come ordered by user, so most look-ups repeat the last one.
    if (ids[i] !== lastId) {
      lastId = ids[i];
      const index = indexOf.get(lastId);
      assert(index !== undefined, `${kind} ${lastId} has ratings but no row in ${kind}s`);
      lastIndex = index;
    }
    ids[i] = lastIndex;
  }
  return ids;
}
