// Reads and single-row writes of ratings. A write keeps the statistics of its user and movie exact in the same
// transaction; bulk writes go through store/ratingImport.ts.

import type pg from 'pg';
import { AppError } from '../errors.js';
import type { KeysetOrder, KeysetValues } from './keyset.js';
import { fetchPages } from './pages.js';
import { readScale } from './ratingScale.js';
import { isOnScale, type RatingScale } from './scale.js';
import { inTransaction, type Store } from './store.js';
import { NEXT_USER_IDX } from './users.js';

/** Advisory lock of the next free idx of a user. */
const NEW_USER_LOCK = 7_267_803;

export interface RatingRow {
  userId: number;
  movieId: number;
  rating: number;
  ratedAt: Date | null;
}

export type RatingPage = (RatingRow & { key: string[] })[];

const BY_MOVIE = { expression: 'movie_id', type: 'int' } as const;
export const RATING_ORDERS = {
  MOVIE_ID: [BY_MOVIE],
  RATING_DESC: [{ expression: 'rating::float8', type: 'float8', descending: true }, BY_MOVIE],
  RATED_AT_DESC: [
    { expression: `coalesce(rated_at, 'epoch')`, type: 'timestamptz', descending: true },
    BY_MOVIE,
  ],
} as const satisfies Record<string, KeysetOrder>;
export type RatingOrder = keyof typeof RATING_ORDERS;

const MOVIE_RATINGS_ORDER = [{ expression: 'user_id', type: 'int' }] as const satisfies KeysetOrder;

const COLUMNS = 'user_id as "userId", movie_id as "movieId", rating, rated_at as "ratedAt"';

/** One page for each user, all in one statement. */
export function ratingPagesOfUsers(
  store: Store,
  userIds: readonly number[],
  order: RatingOrder,
  first: number,
  after: KeysetValues | null,
): Promise<RatingPage[]> {
  return fetchPages(store, {
    ...{ table: 'ratings', parent: 'user_id', parentIds: userIds, columns: COLUMNS },
    ...{ order: RATING_ORDERS[order], first, after },
  });
}

/** One page for each movie, all in one statement, by userId. */
export function ratingPagesOfMovies(
  store: Store,
  movieIds: readonly number[],
  first: number,
  after: KeysetValues | null,
): Promise<RatingPage[]> {
  return fetchPages(store, {
    ...{ table: 'ratings', parent: 'movie_id', parentIds: movieIds, columns: COLUMNS },
    ...{ order: MOVIE_RATINGS_ORDER, first, after },
  });
}

/** One entry for each pair, null where the user has not rated the movie. */
export async function findRatings(
  store: Store,
  pairs: readonly { userId: number; movieId: number }[],
): Promise<(RatingRow | null)[]> {
  const { rows } = await store.pool.query<RatingRow>({
    name: 'ratings-by-pair',
    text: `select ${COLUMNS}
           from unnest($1::int[], $2::int[]) as pair (u, m)
           join ratings on user_id = u and movie_id = m`,
    values: [pairs.map((pair) => pair.userId), pairs.map((pair) => pair.movieId)],
  });
  const byPair = new Map(rows.map((row) => [`${row.userId}:${row.movieId}`, row]));
  return pairs.map(({ userId, movieId }) => byPair.get(`${userId}:${movieId}`) ?? null);
}

/** Embedding rows of the movies that each user has rated. */
export function ratedMovieIndices(store: Store, userIds: readonly number[]): Promise<Int32Array[]> {
  return integersOfUsers(
    store,
    userIds,
    'rated-movie-indices',
    'idx',
    'ratings join movies using (movie_id)',
  );
}

/** The same as movie ids, for many users at once: a join would look through all movies each time. */
export function ratedMovieIds(store: Store, userIds: readonly number[]): Promise<Int32Array[]> {
  return integersOfUsers(store, userIds, 'rated-movie-ids', 'movie_id', 'ratings');
}

/** All of a column for each user. `name` is the statement's. */
async function integersOfUsers(
  store: Store,
  userIds: readonly number[],
  name: string,
  column: string,
  tables: string,
): Promise<Int32Array[]> {
  // As bytes: an array would come as text.
  const { rows } = await store.pool.query<{ userId: number; bytes: Buffer }>({
    name,
    text: `select user_id as "userId", string_agg(int4send(${column}), '') as bytes
           from ${tables}
           where user_id = any($1::int[])
           group by user_id`,
    values: [userIds],
  });
  const byUser = new Map(rows.map(({ userId, bytes }) => [userId, toIntegers(bytes)]));
  return userIds.map((userId) => byUser.get(userId) ?? new Int32Array(0));
}

/** Of big-endian bytes, as PostgreSQL sends them. */
function toIntegers(bytes: Buffer): Int32Array {
  const integers = new Int32Array(bytes.length / 4);
  for (let i = 0; i < integers.length; i++) integers[i] = bytes.readInt32BE(4 * i);
  return integers;
}

/** What a user has rated, by embedding row. */
export interface RatedMovies {
  movieIndices: Int32Array;
  ratings: Float32Array;
}

/** One entry for each user. */
export async function ratedMovies(store: Store, userIds: readonly number[]): Promise<RatedMovies[]> {
  const { rows } = await store.pool.query<{ userId: number; indices: number[]; ratings: number[] }>({
    name: 'rated-movies',
    text: `select user_id as "userId", array_agg(idx order by idx) as indices, array_agg(rating order by idx) as ratings
           from ratings join movies using (movie_id)
           where user_id = any($1::int[])
           group by user_id`,
    values: [userIds],
  });
  const byUser = new Map(rows.map((row) => [row.userId, row]));
  return userIds.map((userId) => {
    const { indices = [], ratings = [] } = byUser.get(userId) ?? {};
    return { movieIndices: Int32Array.from(indices), ratings: Float32Array.from(ratings) };
  });
}

/** Adds or replaces a rating, and the user when it is a new one. @throws AppError RATING_OUT_OF_RANGE, MOVIE_NOT_FOUND */
export async function rateMovie(
  store: Store,
  userId: number,
  movieId: number,
  rating: number,
  at: Date,
): Promise<RatingRow> {
  return inTransaction(store.pool, async (client) => {
    await checkRating(client, rating);
    await lockPair(client, userId, movieId);
    const { rows } = await client.query<RatingRow>(
      `insert into ratings (user_id, movie_id, rating, rated_at)
       values ($1, $2, $3, $4)
       on conflict (user_id, movie_id) do update set rating = excluded.rating, rated_at = excluded.rated_at
       returning ${COLUMNS}`,
      [userId, movieId, rating, at],
    );
    await updateStatistics(client, userId, movieId);
    return rows[0];
  });
}

/** @throws AppError MOVIE_NOT_FOUND, RATING_NOT_FOUND */
export async function removeRating(store: Store, userId: number, movieId: number): Promise<RatingRow> {
  return inTransaction(store.pool, async (client) => {
    await lockPair(client, userId, movieId);
    const { rows } = await client.query<RatingRow>(
      `delete from ratings where user_id = $1 and movie_id = $2 returning ${COLUMNS}`,
      [userId, movieId],
    );
    if (rows.length === 0)
      throw new AppError('RATING_NOT_FOUND', `user ${userId} has not rated movie ${movieId}`);
    await updateStatistics(client, userId, movieId);
    return rows[0];
  });
}

/** An import can only widen the scale meanwhile. */
async function checkRating(client: pg.PoolClient, rating: number): Promise<void> {
  checkOnScale(rating, await readScale(client), ['rating']);
}

/** @throws AppError RATING_OUT_OF_RANGE */
export function checkOnScale(rating: number, scale: RatingScale, argumentPath: string[]): void {
  if (isOnScale(rating, scale)) return;
  const message = `rating ${rating} is outside ${scale.minimum} to ${scale.maximum}`;
  throw new AppError('RATING_OUT_OF_RANGE', message, { argumentPath });
}

/**
 * Locks in one fixed order: ratings against a merge, idx against other new users, then the user's and the movie's row,
 * so that concurrent writes of one movie see each other's ratings in its statistics.
 */
async function lockPair(client: pg.PoolClient, userId: number, movieId: number): Promise<void> {
  await client.query('lock table ratings in row exclusive mode');
  const user = await client.query('select from users where user_id = $1 for update', [userId]);
  if (user.rowCount === 0) await addUser(client, userId);
  const movie = await client.query('select from movies where movie_id = $1 for update', [movieId]);
  if (movie.rowCount === 0)
    throw new AppError('MOVIE_NOT_FOUND', `no movie ${movieId}`, { argumentPath: ['movieId'] });
}

async function addUser(client: pg.PoolClient, userId: number): Promise<void> {
  await client.query('select pg_advisory_xact_lock($1)', [NEW_USER_LOCK]);
  await client.query(
    `insert into users (user_id, idx)
     values ($1, ${NEXT_USER_IDX})
     on conflict (user_id) do nothing`,
    [userId],
  );
}

async function updateStatistics(client: pg.PoolClient, userId: number, movieId: number): Promise<void> {
  await client.query(
    `update users
     set ratings_changed_at = clock_timestamp(),
       (rating_count, mean_rating) = (select count(*), avg(rating) from ratings where user_id = $1)
     where user_id = $1`,
    [userId],
  );
  await client.query(
    `update movies
     set (rating_count, mean_rating) = (select count(*), avg(rating) from ratings where movie_id = $1)
     where movie_id = $1`,
    [movieId],
  );
}
