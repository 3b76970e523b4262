// Reads of users: single ones by id for loaders, pages by keyset.

import { afterCondition, type KeysetOrder, type KeysetValues, keyColumn, orderBy } from './keyset.js';
import type { Store } from './store.js';

export interface UserRow {
  userId: number;
  /** Row of the user embedding. */
  idx: number;
  ratingCount: number;
  meanRating: number | null;
  gender: string | null;
  /** In years, or the lowest of an age group. */
  age: number | null;
  occupation: string | null;
  zipCode: string | null;
  /** When one of their ratings was last added, replaced or removed; null since the first import. */
  ratingsChangedAt: Date | null;
}

export const USER_ORDERS = {
  USER_ID: [{ expression: 'user_id', type: 'int' }],
  RATING_COUNT_DESC: [
    { expression: 'rating_count', type: 'int', descending: true },
    { expression: 'user_id', type: 'int' },
  ],
  MEAN_RATING_DESC: [
    { expression: "coalesce(mean_rating, '-infinity')", type: 'float8', descending: true },
    { expression: 'user_id', type: 'int' },
  ],
} as const satisfies Record<string, KeysetOrder>;

export type UserOrder = keyof typeof USER_ORDERS;

const COLUMNS = `user_id as "userId", idx, rating_count as "ratingCount", mean_rating as "meanRating",
  gender, age, occupation, zip_code as "zipCode", ratings_changed_at as "ratingsChangedAt"`;

/** The next row of the embedding, as an expression: callers keep other writers out. */
export const NEXT_USER_IDX = `(select 1 + greatest(
  (select coalesce(max(idx), -1) from users), (select coalesce(max(idx), -1) from deleted_user_rows)))`;

/** One entry for each id, null where there is no such user. */
export async function findUsers(store: Store, userIds: readonly number[]): Promise<(UserRow | null)[]> {
  const { rows } = await store.pool.query<UserRow>({
    name: 'users-by-id',
    text: `select ${COLUMNS} from users where user_id = any($1::int[])`,
    values: [userIds],
  });
  const byId = new Map(rows.map((row) => [row.userId, row]));
  return userIds.map((userId) => byId.get(userId) ?? null);
}

export async function pageOfUsers(
  store: Store,
  order: UserOrder,
  first: number,
  after: KeysetValues | null,
): Promise<(UserRow & { key: string[] })[]> {
  const terms = USER_ORDERS[order];
  const condition = after ? afterCondition(terms, 2) : 'true';
  const { rows } = await store.pool.query(
    `select ${COLUMNS}, ${keyColumn(terms)} from users where ${condition} order by ${orderBy(terms)} limit $1`,
    [first, ...(after ?? [])],
  );
  return rows;
}

export async function countUsers(store: Store): Promise<number> {
  const { rows } = await store.pool.query('select count(*)::int as count from users');
  return rows[0].count;
}

/** The users of the embedding rows from `first` to before `end`, in their order. */
export async function usersByIndex(store: Store, first: number, end: number): Promise<UserRow[]> {
  const { rows } = await store.pool.query<UserRow>(
    `select ${COLUMNS} from users where idx >= $1 and idx < $2 order by idx`,
    [first, end],
  );
  return rows;
}

/** One entry for each row of the embedding, null where there is no user. */
export async function usersAtIndices(store: Store, indices: readonly number[]): Promise<(UserRow | null)[]> {
  const { rows } = await store.pool.query<UserRow>(
    `select ${COLUMNS} from users where idx = any($1::int[])`,
    [indices],
  );
  const byIndex = new Map(rows.map((row) => [row.idx, row]));
  return indices.map((index) => byIndex.get(index) ?? null);
}

/** userId of each row of the embedding. */
export async function userIdsByIndex(store: Store): Promise<Int32Array> {
  return idsByIndex(store, 'users', 'user_id');
}

/** The ids of a table by idx; 0 where a row is gone. */
export async function idsByIndex(store: Store, table: string, id: string): Promise<Int32Array> {
  const { rows } = await store.pool.query<{ idx: number; id: number }>(
    `select idx, ${id} as id from ${table}`,
  );
  const ids = new Int32Array(rows.reduce((most, { idx }) => Math.max(most, idx + 1), 0));
  for (const { idx, id } of rows) ids[idx] = id;
  return ids;
}
