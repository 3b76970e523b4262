// Tables that leave the store: as CSV straight from PostgreSQL, or row by row. One snapshot for all of an export.

import type { Readable } from 'node:stream';
import type pg from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import { inTransaction, type Store } from './store.js';

const SNAPSHOT = 'begin isolation level repeatable read read only';
const FETCH_ROWS = 20_000;

export type ColumnType = 'INT32' | 'FLOAT' | 'TIMESTAMP' | 'STRING';

export interface ExportTable {
  /** Of the file, without its ending. */
  name: string;
  /** What a row object has, in this order. */
  columns: readonly { name: string; type: ColumnType }[];
  /** Of the rows. */
  from: string;
  /** Of each column, as CSV of MovieLens' layout has it and as a row object has it. */
  csv: readonly string[];
  row: readonly string[];
  orderBy: string;
}

const int = (name: string) => ({ name, type: 'INT32' }) as const;
const text = (name: string) => ({ name, type: 'STRING' }) as const;

const RATINGS: ExportTable = {
  name: 'ratings',
  columns: [
    int('userId'),
    int('movieId'),
    { name: 'rating', type: 'FLOAT' },
    { name: 'timestamp', type: 'TIMESTAMP' },
  ],
  from: 'ratings',
  csv: ['user_id', 'movie_id', 'rating', 'extract(epoch from rated_at)::bigint'],
  row: ['user_id', 'movie_id', 'rating', 'rated_at'],
  orderBy: 'user_id, movie_id',
};

const TITLE = `title || coalesce(' (' || year || ')', '')`;
const GENRES = `case when genres = '{}' then '(no genres listed)' else array_to_string(genres, '|') end`;
const MOVIES: ExportTable = {
  name: 'movies',
  columns: [int('movieId'), text('title'), text('genres')],
  from: 'movies',
  csv: ['movie_id', TITLE, GENRES],
  row: ['movie_id', TITLE, GENRES],
  orderBy: 'movie_id',
};

const LINKS: ExportTable = {
  name: 'links',
  columns: [int('movieId'), int('imdbId'), int('tmdbId')],
  from: 'movies where imdb_id is not null or tmdb_id is not null',
  csv: ['movie_id', `lpad(imdb_id::text, greatest(7, length(imdb_id::text)), '0')`, 'tmdb_id'],
  row: ['movie_id', 'imdb_id', 'tmdb_id'],
  orderBy: 'movie_id',
};

/** In the layout that `marquee import` reads. */
export const RATING_TABLES: readonly ExportTable[] = [RATINGS, MOVIES, LINKS];

/** The stored lists of a model. */
export function predictionTables(modelId: number): readonly ExportTable[] {
  const columns = ['user_id', 'rank', 'movie_id', 'predicted'];
  return [
    {
      name: 'predictions',
      columns: [int('userId'), int('rank'), int('movieId'), { name: 'predicted', type: 'FLOAT' }],
      from: `predictions where model_id = ${Math.trunc(modelId)}`,
      ...{ csv: columns, row: columns, orderBy: 'user_id, rank' },
    },
  ];
}

export interface TableReader {
  count(table: ExportTable): Promise<number>;
  /** A header and a line for each row. */
  csv(table: ExportTable): Readable;
  rows(table: ExportTable): AsyncGenerator<Record<string, unknown>>;
}

export async function readTables<T>(store: Store, work: (reader: TableReader) => Promise<T>): Promise<T> {
  return inTransaction(
    store.pool,
    (client) =>
      work({
        async count({ from }) {
          const { rows } = await client.query(`select count(*)::int as count from ${from}`);
          return rows[0].count;
        },
        csv: (table) => copyOut(client, selectOf(table, 'csv')),
        rows: (table) => fetchRows(client, table),
      }),
    SNAPSHOT,
  );
}

/** A reader that stops early ends the connection: the server would go on sending, nobody would read, and no other statement have its turn. */
function copyOut(client: pg.PoolClient, select: string): Readable {
  const rows = client.query(copyTo(`copy (${select}) to stdout (format csv, header)`));
  return rows.once('close', () => {
    if (!rows.readableEnded) (client as unknown as pg.Client).end().catch(() => {});
  });
}

function selectOf({ columns, from, orderBy, ...of }: ExportTable, form: 'csv' | 'row'): string {
  const fields = columns.map(({ name }, i) => `${of[form][i]} as "${name}"`);
  return `select ${fields.join(', ')} from ${from} order by ${orderBy}`;
}

async function* fetchRows(
  client: pg.PoolClient,
  table: ExportTable,
): AsyncGenerator<Record<string, unknown>> {
  await client.query(`declare exported no scroll cursor for ${selectOf(table, 'row')}`);
  for (;;) {
    const { rows } = await client.query(`fetch ${FETCH_ROWS} from exported`);
    yield* rows;
    if (rows.length < FETCH_ROWS) break;
  }
  await client.query('close exported');
}
