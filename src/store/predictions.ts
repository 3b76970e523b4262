// The tables of stored recommendations: one partition of `predictions` for each model, which is filled out of sight and shown whole.

import type pg from 'pg';
import { type Columns, copyColumns } from './columnCopy.js';
import type { Store } from './store.js';

const COLUMNS = 'model_id, user_id, rank, movie_id, predicted';

/** Parallel arrays, one entry for each movie of a list. */
export interface Lists {
  modelIds: Int32Array;
  userIds: Int32Array;
  /** From 1. */
  ranks: Int32Array;
  movieIds: Int32Array;
  predicted: Float32Array;
}

function hiddenTable(scoringRunId: number): string {
  return `predictions_of_scoring_${Math.trunc(scoringRunId)}`;
}

export async function createHiddenTable(
  client: pg.PoolClient,
  scoringRunId: number,
  modelId: number,
): Promise<void> {
  // With the check PostgreSQL need not look through the rows when the table becomes a partition. Until then nobody vacuums it: that
  // would read again and again what is still being written.
  await client.query(
    `create table ${hiddenTable(scoringRunId)} (like predictions, check (model_id = ${Math.trunc(modelId)}))
     with (autovacuum_enabled = false)`,
  );
}

/** Drops the tables of scorings that failed or were cancelled, and of models that were deleted. */
export async function dropLeftovers(store: Store): Promise<void> {
  const { rows } = await store.pool.query<{ name: string }>(
    `select oid::regclass::text as name
     from pg_class
     where relkind = 'r' and relname ~ '^predictions_of_scoring_[0-9]+$' and pg_table_is_visible(oid)
       and not exists (
         select from scoring_runs
         where relname = 'predictions_of_scoring_' || id and status in ('QUEUED', 'RUNNING', 'SUCCEEDED'))`,
  );
  for (const { name } of rows) await store.pool.query(`drop table if exists ${name}`);
}

/** Inside the caller's transaction. Gives how many rows there were. */
export async function copyLists(
  client: pg.PoolClient,
  scoringRunId: number,
  parts: AsyncIterable<Lists>,
): Promise<number> {
  return copyColumns(client, `${hiddenTable(scoringRunId)} (${COLUMNS})`, columnsOf(parts));
}

async function* columnsOf(parts: AsyncIterable<Lists>): AsyncGenerator<Columns> {
  for await (const { modelIds, userIds, ranks, movieIds, predicted } of parts)
    yield [modelIds, userIds, ranks, movieIds, predicted];
}

/** Makes a filled table the model's partition, instead of the one there is. Inside the caller's transaction. */
export async function attachPartition(
  client: pg.PoolClient,
  scoringRunId: number,
  modelId: number,
): Promise<void> {
  const table = hiddenTable(scoringRunId);
  // The key first: it takes most of the time and locks nobody out. Readers wait only from the drop to the commit.
  await client.query(`alter table ${table} add primary key (user_id, rank, model_id)`);
  await client.query(`analyze ${table}`);
  await client.query(`alter table ${table} reset (autovacuum_enabled)`);
  const former = await client.query<{ name: string }>(
    `select inhrelid::regclass::text as name
     from pg_inherits
     join pg_class on pg_class.oid = inhrelid
     where inhparent = 'predictions'::regclass
       and pg_get_expr(relpartbound, inhrelid) = 'FOR VALUES IN (' || $1::int || ')'`,
    [modelId],
  );
  for (const { name } of former.rows) await client.query(`drop table ${name}`);
  await client.query(
    `alter table predictions attach partition ${table} for values in (${Math.trunc(modelId)})`,
  );
}
