// The transaction of whoever may replace the table of ratings: one at a time, an import or a new division of the table.

import type pg from 'pg';
import { AppError } from '../errors.js';

const LOCK_NOT_AVAILABLE = '55P03';

// One import at a time. A killed import holds the lock until the server notices that its client is gone: it looks twice a
// second (Windows cannot), and who comes next waits that long. The lock's number is any that nothing else here uses.
const BEGIN = `
  begin;
  set local lock_timeout = '2s';
  select set_config('client_connection_check_interval', '500ms', true)
  where version() !~* 'windows|mingw|visual c|msvc';
  select pg_advisory_xact_lock(7267801);
  set local lock_timeout to default;
  set local work_mem = '64MB'`;

/** Begins the transaction. @throws AppError IMPORT_BUSY when an import or a division holds the lock */
export async function beginAlone(client: pg.PoolClient): Promise<void> {
  try {
    await client.query(BEGIN);
  } catch (error) {
    const isBusy = (error as pg.DatabaseError).code === LOCK_NOT_AVAILABLE;
    throw isBusy ? new AppError('IMPORT_BUSY', 'another import is running on this database') : error;
  }
}
