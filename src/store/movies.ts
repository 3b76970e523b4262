// Reads of movies: single ones for loaders, pages by keyset, filters, and the popular ones.

import { AppError } from '../errors.js';
import { afterCondition, type KeysetOrder, type KeysetValues, keyColumn, orderBy } from './keyset.js';
import type { Store } from './store.js';
import { idsByIndex } from './users.js';

export interface MovieRow {
  movieId: number;
  /** Row of the movie embedding. */
  idx: number;
  title: string;
  year: number | null;
  genres: string[];
  ratingCount: number;
  meanRating: number | null;
}

/** Absent, null and empty fields do not filter. */
export interface MovieFilter {
  /** Part of the title, any case. */
  search?: string | null;
  genresAny?: string[] | null;
  genresAll?: string[] | null;
  yearFrom?: number | null;
  yearTo?: number | null;
  minRatingCount?: number | null;
}

/** Every title is compared with the search, and the genres of every movie with those asked for: a request of 1 MiB would keep PostgreSQL busy for two minutes. */
const SEARCH_MAX = 200;
const GENRES_MAX = 100;

const BY_ID = { expression: 'movie_id', type: 'int' } as const;
export const MOVIE_ORDERS = {
  MOVIE_ID: [BY_ID],
  TITLE: [{ expression: 'title', type: 'text' }, BY_ID],
  YEAR_DESC: [{ expression: 'coalesce(year, 0)', type: 'int', descending: true }, BY_ID],
  RATING_COUNT_DESC: [{ expression: 'rating_count', type: 'int', descending: true }, BY_ID],
  MEAN_RATING_DESC: [
    { expression: "coalesce(mean_rating, '-infinity')", type: 'float8', descending: true },
    BY_ID,
  ],
} as const satisfies Record<string, KeysetOrder>;

export type MovieOrder = keyof typeof MOVIE_ORDERS;

const COLUMNS = `movie_id as "movieId", idx, title, year, genres, rating_count as "ratingCount", mean_rating as "meanRating"`;

/** One entry for each id, null where there is no such movie. */
export async function findMovies(store: Store, movieIds: readonly number[]): Promise<(MovieRow | null)[]> {
  const { rows } = await store.pool.query<MovieRow>({
    name: 'movies-by-id',
    text: `select ${COLUMNS} from movies where movie_id = any($1::int[])`,
    values: [movieIds],
  });
  const byId = new Map(rows.map((row) => [row.movieId, row]));
  return movieIds.map((movieId) => byId.get(movieId) ?? null);
}

/** In the order of `indices`; every index must exist. */
export async function moviesByIndex(store: Store, indices: readonly number[]): Promise<MovieRow[]> {
  const { rows } = await store.pool.query<MovieRow>({
    name: 'movies-by-index',
    text: `select ${COLUMNS} from movies where idx = any($1::int[])`,
    values: [indices],
  });
  const byIndex = new Map(rows.map((row) => [row.idx, row]));
  return indices.map((index) => byIndex.get(index)!);
}

/** movieId of each row of the embedding. */
export async function movieIdsByIndex(store: Store): Promise<Int32Array> {
  return idsByIndex(store, 'movies', 'movie_id');
}

export async function pageOfMovies(
  store: Store,
  filter: MovieFilter,
  order: MovieOrder,
  first: number,
  after: KeysetValues | null,
): Promise<(MovieRow & { key: string[] })[]> {
  const terms = MOVIE_ORDERS[order];
  const { condition, values } = movieCondition(filter, 2);
  const continued = after ? afterCondition(terms, 2 + values.length) : 'true';
  const { rows } = await store.pool.query(
    `select ${COLUMNS}, ${keyColumn(terms)}
     from movies
     where ${condition} and ${continued}
     order by ${orderBy(terms)}
     limit $1`,
    [first, ...values, ...(after ?? [])],
  );
  return rows;
}

export async function countMovies(store: Store, filter: MovieFilter): Promise<number> {
  const { condition, values } = movieCondition(filter, 1);
  const { rows } = await store.pool.query(
    `select count(*)::int as count from movies where ${condition}`,
    values,
  );
  return rows[0].count;
}

/** Embedding rows of the movies that pass the filter. */
export async function filterMovieIndices(store: Store, filter: MovieFilter): Promise<number[]> {
  const { condition, values } = movieCondition(filter, 1);
  const { rows } = await store.pool.query({
    text: `select idx from movies where ${condition}`,
    values,
    rowMode: 'array',
  });
  return rows.map((row) => row[0]);
}

/** A condition whose parameters begin at $firstParameter. @throws AppError BAD_INPUT */
function movieCondition(
  filter: MovieFilter,
  firstParameter: number,
): { condition: string; values: unknown[] } {
  checkLength('search', filter.search, SEARCH_MAX, 'characters');
  checkLength('genresAny', filter.genresAny, GENRES_MAX, 'genres');
  checkLength('genresAll', filter.genresAll, GENRES_MAX, 'genres');
  const values: unknown[] = [];
  const conditions: string[] = [];
  const add = (value: unknown, toSql: (parameter: string) => string) => {
    if (value === undefined || value === null || isEmpty(value)) return;
    values.push(value);
    conditions.push(toSql(`$${firstParameter + values.length - 1}`));
  };
  add(filter.search ? `%${filter.search.replace(/[\\%_]/g, '\\$&')}%` : null, (p) => `title ilike ${p}`);
  add(filter.genresAny, (p) => `genres && ${p}::text[]`);
  add(filter.genresAll, (p) => `genres @> ${p}::text[]`);
  add(filter.yearFrom, (p) => `year >= ${p}`);
  add(filter.yearTo, (p) => `year <= ${p}`);
  add(filter.minRatingCount, (p) => `rating_count >= ${p}`);
  return { condition: conditions.length === 0 ? 'true' : conditions.join(' and '), values };
}

function isEmpty(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

function checkLength(
  name: string,
  value: string | string[] | null | undefined,
  max: number,
  unit: string,
): void {
  if (!value || value.length <= max) return;
  throw new AppError('BAD_INPUT', `${name} has ${value.length} ${unit}: expected at most ${max}`, {
    argumentPath: ['filter', name],
  });
}
