// The record of each import, outside its transaction, so that a failed one can be looked up.
// RUNNING belongs to whoever holds the import lock; a RUNNING record without the lock was interrupted.
// What an import writes here is plain SQL: the first use of Prisma takes 75 MB, as much as all the rest of an import.

import type pg from 'pg';
import type { KeysetOrder, KeysetValues } from './keyset.js';
import { fetchPages } from './pages.js';
import type { Import } from './prisma/client.js';
import type { Store } from './store.js';

const ROWS_PER_INSERT = 10_000;

export interface RejectedLine {
  file: string;
  /** 1-based; the header is line 1. */
  line: number;
  raw: string;
  reason: string;
}

export interface ImportCounts {
  linesRead: number;
  inserted: number;
  updated: number;
  unchanged: number;
  duplicates: number;
  rejected: number;
  usersAdded: number;
  moviesAdded: number;
}

/** To be called under the import lock: whatever still says RUNNING has died. */
export async function startImportRecord(store: Store, source: string): Promise<number> {
  await store.pool.query(
    `update imports
     set status = 'FAILED', error = 'interrupted', finished_at = clock_timestamp()
     where status = 'RUNNING'`,
  );
  const { rows } = await store.pool.query('insert into imports (source) values ($1) returning id', [source]);
  return rows[0].id;
}

/** Leaves a record alone that no longer says RUNNING. */
export async function failImportRecord(store: Store, id: number, error: string): Promise<void> {
  await store.pool.query(
    `update imports
     set status = 'FAILED', error = $2, finished_at = clock_timestamp()
     where id = $1 and status = 'RUNNING'`,
    [id, error],
  );
}

export async function saveRejects(
  database: pg.Pool | pg.PoolClient,
  importId: number,
  rejects: readonly RejectedLine[],
): Promise<void> {
  for (const part of inParts(rejects)) {
    await database.query(
      `insert into import_rejects (import_id, file, line, raw, reason)
       select $1, reject.*
       from unnest($2::text[], $3::int[], $4::text[], $5::text[]) as reject`,
      [importId, ...columnsOf(part, ['file', 'line', 'raw', 'reason'])],
    );
  }
}

/** Newest first; `before` is an import's id or null. */
export async function listImports(store: Store, first: number, before: number | null): Promise<Import[]> {
  return store.prisma.import.findMany({
    where: before === null ? {} : { id: { lt: before } },
    orderBy: { id: 'desc' },
    take: first,
  });
}

export async function findImport(store: Store, id: number): Promise<Import | null> {
  return store.prisma.import.findUnique({ where: { id } });
}

const REJECT_ORDER = [
  { expression: 'file', type: 'text' },
  { expression: 'line', type: 'int' },
] as const satisfies KeysetOrder;

/** One page for each import, in file order, all in one statement. */
export function rejectPages(
  store: Store,
  importIds: readonly number[],
  first: number,
  after: KeysetValues | null,
): Promise<(RejectedLine & { key: string[] })[][]> {
  return fetchPages(store, {
    ...{ table: 'import_rejects', parent: 'import_id', parentIds: importIds },
    ...{ columns: 'file, line, raw, reason', order: REJECT_ORDER, first, after },
  });
}

/** Rows → one array per column, for `unnest`. */
export function columnsOf<Row>(rows: readonly Row[], names: readonly (keyof Row)[]): unknown[][] {
  return names.map((name) => rows.map((row) => row[name]));
}

/** Parts that fit one statement. */
export function* inParts<Row>(rows: readonly Row[]): Generator<readonly Row[]> {
  for (let at = 0; at < rows.length; at += ROWS_PER_INSERT) yield rows.slice(at, at + ROWS_PER_INSERT);
}
