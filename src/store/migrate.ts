// Applies prisma/migrations at run time without the Prisma CLI, which needs a native engine and is not installed in
// production. Keeps the books of `prisma migrate deploy` (lock, checksum, table _prisma_migrations), so that either
// can take over from the other. Never repairs a failed migration: that is `prisma migrate resolve`.

import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { AppError, messageOf } from '../errors.js';

/** The advisory lock that Prisma Migrate takes. */
const PRISMA_LOCK_ID = 72707369;
const MIGRATIONS_DIR = fileURLToPath(new URL('../../prisma/migrations', import.meta.url));
/** As Prisma's schema engine writes it. */
const CREATE_BOOKS = `
  create table if not exists _prisma_migrations (
    id                  varchar(36) primary key not null,
    checksum            varchar(64) not null,
    finished_at         timestamptz,
    migration_name      varchar(255) not null,
    logs                text,
    rolled_back_at      timestamptz,
    started_at          timestamptz not null default now(),
    applied_steps_count integer not null default 0
  )`;

export interface MigrateOptions {
  /** Called with the name of each migration as it is applied. */
  onApplied?: (name: string) => void;
  migrationsDir?: string;
}

export interface MigrateResult {
  applied: string[];
  /** Applied earlier and changed since: the database has the old text. */
  edited: string[];
}

type Queryable = Pick<pg.ClientBase, 'query'>;

interface Migration {
  name: string;
  sql: string;
  checksum: string;
}

interface BookRow {
  migration_name: string;
  checksum: string;
  logs: string | null;
  started_at: Date;
  finished_at: Date | null;
}

/**
 * Applies what is pending, each migration in one transaction. `target` is a connection of its own or a URL.
 * @throws AppError MIGRATION_FAILED when a migration fails or an earlier one has, DATABASE_UNREACHABLE
 */
export async function applyMigrations(
  target: pg.ClientBase | string,
  options: MigrateOptions = {},
): Promise<MigrateResult> {
  if (typeof target !== 'string') return applyLocked(target, options);
  const client = new pg.Client({ connectionString: target });
  client.on('error', () => {}); // a lost connection also rejects the query in hand
  try {
    await client.connect();
  } catch (cause) {
    throw new AppError('DATABASE_UNREACHABLE', messageOf(cause), { cause });
  }
  try {
    return await applyLocked(client, options);
  } finally {
    await client.end();
  }
}

/** The names that `applyMigrations` would apply now; failed ones among them. Writes nothing. */
export async function listPendingMigrations(
  client: Queryable,
  { migrationsDir = MIGRATIONS_DIR }: MigrateOptions = {},
): Promise<string[]> {
  const { rows } = await client.query(`select to_regclass('_prisma_migrations') is not null as kept`);
  const done = new Set<string>();
  if (rows[0].kept) {
    for (const row of await readBooks(client)) if (row.finished_at) done.add(row.migration_name);
  }
  const migrations = await readMigrations(migrationsDir);
  return migrations.map(({ name }) => name).filter((name) => !done.has(name));
}

async function applyLocked(client: Queryable, options: MigrateOptions): Promise<MigrateResult> {
  const migrations = await readMigrations(options.migrationsDir ?? MIGRATIONS_DIR);
  await client.query('select pg_advisory_lock($1)', [PRISMA_LOCK_ID]);
  try {
    await client.query(CREATE_BOOKS);
    const rows = await readBooks(client);
    refuseFailed(rows);
    const checksums = new Map(rows.map((row) => [row.migration_name, row.checksum]));
    const result: MigrateResult = { applied: [], edited: [] };
    for (const migration of migrations) {
      const checksum = checksums.get(migration.name);
      if (checksum === undefined) {
        await apply(client, migration);
        result.applied.push(migration.name);
        options.onApplied?.(migration.name);
      } else if (!hasChecksum(migration, checksum)) result.edited.push(migration.name);
    }
    return result;
  } finally {
    await client.query('select pg_advisory_unlock($1)', [PRISMA_LOCK_ID]).catch(() => {}); // lost: unlocked already
  }
}

async function readMigrations(folder: string): Promise<Migration[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  return Promise.all(
    names.sort().map(async (name) => {
      const sql = await readFile(join(folder, name, 'migration.sql'), 'utf8');
      return { name, sql, checksum: checksumOf(sql) };
    }),
  );
}

function checksumOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Prisma too takes a file for unchanged when only its line ends differ. */
function hasChecksum({ sql }: Migration, checksum: string): boolean {
  const unix = sql.replaceAll('\r\n', '\n');
  return [sql, unix, unix.replaceAll('\n', '\r\n')].some((text) => checksumOf(text) === checksum);
}

async function readBooks(client: Queryable): Promise<BookRow[]> {
  const { rows } = await client.query<BookRow>(`
    select migration_name, checksum, logs, started_at, finished_at
    from _prisma_migrations
    where rolled_back_at is null
    order by started_at`);
  return rows;
}

function refuseFailed(rows: BookRow[]): void {
  const failed = rows.find((row) => !row.finished_at);
  if (!failed) return;
  const when = failed.started_at.toISOString();
  const logs = failed.logs ?? 'no log: the process that applied it was ended';
  throw new AppError(
    'MIGRATION_FAILED',
    `${failed.migration_name}, started ${when}, failed earlier:\n${logs}`,
  );
}

/** The row comes first, outside the transaction, so that a failure stays on record. */
async function apply(client: Queryable, { name, sql, checksum }: Migration): Promise<void> {
  const id = randomUUID();
  await client.query('insert into _prisma_migrations (id, checksum, migration_name) values ($1, $2, $3)', [
    id,
    checksum,
    name,
  ]);
  try {
    await client.query(sql); // a text without parameters is one implicit transaction
  } catch (cause) {
    const logs = describeFailure(name, sql, cause);
    await recordFailure(client, id, logs);
    throw new AppError('MIGRATION_FAILED', logs, { cause });
  }
  await client.query(
    'update _prisma_migrations set finished_at = now(), applied_steps_count = 1 where id = $1',
    [id],
  );
}

async function recordFailure(client: Queryable, id: string, logs: string): Promise<void> {
  try {
    await client.query('rollback'); // in case the migration began a transaction of its own
    await client.query('update _prisma_migrations set logs = $2 where id = $1', [id, logs]);
  } catch {
    // The connection is lost; the row without logs still says that the migration failed.
  }
}

function describeFailure(name: string, sql: string, error: unknown): string {
  const { code, position } = error as Partial<pg.DatabaseError>;
  const line = position ? ` line ${sql.slice(0, Number(position)).split('\n').length}` : '';
  return `${name}/migration.sql${line}: ${messageOf(error)}${code ? ` (SQLSTATE ${code})` : ''}`;
}
