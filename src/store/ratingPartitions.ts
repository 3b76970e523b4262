// Divides `ratings` into tables by a hash of the user, or puts them together again. The rows are copied into new tables, which
// take the place of the old ones in one transaction: whatever goes wrong, ratings are as they were.
//
//   lock imports, then writers ─▶ new tables ─▶ copy ─▶ primary key, index ─▶ swap names ─▶ commit
//                                    (readers go on with the old table) ──┘   readers wait ┘

import type pg from 'pg';
import { AppError, messageOf } from '../errors.js';
import { beginAlone } from './importLock.js';
import { LOCK_RATINGS } from './ratingImportSql.js';
import { RATING_COPY_COLUMNS } from './ratingRows.js';
import {
  ADD_INDEX,
  ADD_KEY,
  countPartitions,
  createStagingTable,
  IS_REPLACEABLE,
  swapRatings,
} from './ratingTable.js';
import { explainDatabaseError, openStore, type Store } from './store.js';

const COPY = `insert into staging_ratings (${RATING_COPY_COLUMNS}) select ${RATING_COPY_COLUMNS} from ratings`;

/**
 * partitions: 1 to MAX_PARTITIONS, 1 for a table that is not divided. Gives how many there were; with as many nothing is done.
 * @throws AppError IMPORT_BUSY, PARTITIONS_FAILED, DATABASE_UNREACHABLE
 */
export async function divideRatings(url: string, partitions: number, signal?: AbortSignal): Promise<number> {
  const store = await openStore(url);
  try {
    return await divide(store, partitions, signal);
  } catch (thrown) {
    if (signal?.aborted) throw failed('it was stopped', thrown);
    const error = explainDatabaseError(thrown);
    throw error instanceof AppError ? error : failed(messageOf(error), error);
  } finally {
    await store.close();
  }
}

function failed(reason: string, cause?: unknown): AppError {
  return new AppError('PARTITIONS_FAILED', `ratings are as they were: ${reason}`, { cause });
}

async function divide({ pool }: Store, partitions: number, signal?: AbortSignal): Promise<number> {
  const client = await pool.connect();
  let stop = () => {};
  try {
    const { rows } = await client.query('select pg_backend_pid() as pid');
    stop = () => void pool.query('select pg_terminate_backend($1)', [rows[0].pid]).catch(() => {});
    signal?.addEventListener('abort', stop);
    signal?.throwIfAborted();
    await beginAlone(client);
    const former = await countPartitions(client);
    if (former !== partitions) await replaceTable(client, partitions);
    // Not to be stopped any more: nobody could tell then what has come of it.
    signal?.removeEventListener('abort', stop);
    signal?.throwIfAborted();
    await client.query('commit');
    return former;
  } finally {
    signal?.removeEventListener('abort', stop);
    // Ends the transaction, if it is not committed.
    client.release(true);
  }
}

async function replaceTable(client: pg.PoolClient, partitions: number): Promise<void> {
  await client.query(LOCK_RATINGS);
  const { is_replaceable } = (await client.query(IS_REPLACEABLE)).rows[0];
  if (!is_replaceable) {
    throw failed(
      'the table has something of its own that would be lost: a view, trigger, policy, publication, index, partition, grant on a column, owner or storage setting',
    );
  }
  await createStagingTable(client, partitions);
  for (const statement of [COPY, ADD_KEY, ADD_INDEX, 'analyze staging_ratings'])
    await client.query(statement);
  await swapRatings(client);
}
