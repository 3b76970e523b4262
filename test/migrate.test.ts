// The run-time migrations beside the Prisma CLI: what either has applied, the other must find applied.
// Each test has an empty database of its own.

import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import pg from 'pg';
import { applyMigrations, listPendingMigrations } from '#src/store/migrate.js';
import { divideRatings } from '#src/store/ratingPartitions.js';
import { aFolder } from './support/folder.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const run = promisify(execFile);

let folder: string;

beforeEach(() => {
  folder = aFolder();
});

describe('applyMigrations', () => {
  it('applies what is pending in the order of the names, once', async () => {
    const url = await createDatabase();
    writeMigration('2_row', 'insert into fruit values (1);');
    writeMigration('1_table', 'create table fruit (id int);');
    const applied: string[] = [];
    const options = { migrationsDir: folder, onApplied: (name: string) => applied.push(name) };

    expect(await applyMigrations(url, options)).toEqual({ applied: ['1_table', '2_row'], edited: [] });
    expect(await applyMigrations(url, options)).toEqual({ applied: [], edited: [] });
    expect(applied).toEqual(['1_table', '2_row']);
    expect(await query(url, 'select id from fruit')).toEqual([{ id: 1 }]);
  });

  it('takes an open connection too, and leaves it open', async () => {
    const client = new pg.Client({ connectionString: await createDatabase() });
    await client.connect();
    writeMigration('1_table', 'create table fruit (id int);');
    await applyMigrations(client, { migrationsDir: folder });
    expect((await client.query('select * from fruit')).rows).toEqual([]);
    await client.end();
  });

  it('lets two processes migrate one database at once', async () => {
    const url = await createDatabase();
    writeMigration('1_table', 'create table fruit (id int); select pg_sleep(0.2);');
    const results = await Promise.all([
      applyMigrations(url, { migrationsDir: folder }),
      applyMigrations(url, { migrationsDir: folder }),
    ]);
    expect(results.flatMap((result) => result.applied)).toEqual(['1_table']);
  });

  it('undoes a failing migration, records it, and refuses to go on until it is resolved', async () => {
    const url = await createDatabase();
    writeMigration('1_bad', 'create table fruit (id int);\ninsert into fruit values (1 / 0);');
    writeMigration('2_next', 'create table never (id int);');
    const failure = '1_bad/migration.sql: division by zero (SQLSTATE 22012)';
    await expect(applyMigrations(url, { migrationsDir: folder })).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      message: failure,
    });
    expect(await query(url, `select to_regclass('fruit') as fruit, to_regclass('never') as never`)).toEqual([
      { fruit: null, never: null },
    ]);
    expect(await query(url, 'select migration_name, logs, finished_at from _prisma_migrations')).toEqual([
      { migration_name: '1_bad', logs: failure, finished_at: null },
    ]);

    writeMigration('1_bad', 'create table fruit (id int);');
    await expect(applyMigrations(url, { migrationsDir: folder })).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      message: expect.stringMatching(/^1_bad, started .*, failed earlier:\n1_bad\/migration\.sql: division/),
    });
    await query(url, 'update _prisma_migrations set rolled_back_at = now()');
    expect((await applyMigrations(url, { migrationsDir: folder })).applied).toEqual(['1_bad', '2_next']);
  });

  it('records a migration that fails within a transaction of its own, and names the line', async () => {
    const url = await createDatabase();
    writeMigration('1_bad', 'begin;\ncreate table fruit (id int);\nselect missing;\ncommit;');
    const failure = '1_bad/migration.sql line 3: column "missing" does not exist (SQLSTATE 42703)';
    await expect(applyMigrations(url, { migrationsDir: folder })).rejects.toThrow(failure);
    expect(await query(url, 'select logs from _prisma_migrations')).toEqual([{ logs: failure }]);
  });

  it('reports a migration that was edited after it was applied, other line ends excepted', async () => {
    const url = await createDatabase();
    writeMigration('1_table', 'create table fruit (\n  id int\n);\n');
    writeMigration('2_row', 'insert into fruit values (1);');
    await applyMigrations(url, { migrationsDir: folder });
    writeMigration('1_table', 'create table fruit (\r\n  id int\r\n);\r\n');
    writeMigration('2_row', 'insert into fruit values (2);');
    expect(await applyMigrations(url, { migrationsDir: folder })).toEqual({ applied: [], edited: ['2_row'] });
  });

  it('says that the database is unreachable when nothing answers', async () => {
    await expect(applyMigrations('postgresql://127.0.0.1:1/none')).rejects.toMatchObject({
      code: 'DATABASE_UNREACHABLE',
    });
  });
});

describe('listPendingMigrations', () => {
  it('lists everything on an empty database, then only what is new', async () => {
    const client = new pg.Client({ connectionString: await createDatabase() });
    await client.connect();
    writeMigration('1_table', 'create table fruit (id int);');
    expect(await listPendingMigrations(client, { migrationsDir: folder })).toEqual(['1_table']);
    await applyMigrations(client, { migrationsDir: folder });
    expect(await listPendingMigrations(client, { migrationsDir: folder })).toEqual([]);
    writeMigration('2_next', 'create table next (id int);');
    expect(await listPendingMigrations(client, { migrationsDir: folder })).toEqual(['2_next']);
    await client.end();
  });
});

describe('the migrations of this project', () => {
  it('are up to date for the Prisma CLI after applyMigrations', async () => {
    const url = await createDatabase();
    expect((await applyMigrations(url)).applied.length).toBeGreaterThan(0);
    expect(await prisma(url, 'migrate', 'status')).toContain('Database schema is up to date!');
    expect(await prisma(url, 'migrate', 'deploy')).toContain('No pending migrations to apply.');
  });

  it('leave applyMigrations nothing to do after `prisma migrate deploy`', async () => {
    const url = await createDatabase();
    expect(await prisma(url, 'migrate', 'deploy')).toContain(
      'All migrations have been successfully applied.',
    );
    expect(await applyMigrations(url)).toEqual({ applied: [], edited: [] });
  });

  it('make the tables of schema.prisma', async () => {
    const url = await createDatabase();
    await applyMigrations(url);
    expect(await differenceTo(url)).toContain('-- This is an empty migration.');
  });

  it('make the tables of schema.prisma where ratings are divided, too, and go on from there', async () => {
    const url = await createDatabase();
    await applyMigrations(url);
    await divideRatings(url, 3);
    expect(await differenceTo(url)).toContain('-- This is an empty migration.');
    expect(await applyMigrations(url)).toEqual({ applied: [], edited: [] });
    expect(await prisma(url, 'migrate', 'deploy')).toContain('No pending migrations to apply.');
  });
});

/** An empty database on the test server. @returns its URL */
async function createDatabase(): Promise<string> {
  const url = new URL(process.env.TEST_DATABASE_ADMIN_URL!);
  const name = `migrate_${randomUUID().replaceAll('-', '')}`;
  await query(url.href, `create database ${name}`);
  url.pathname = `/${name}`;
  return url.href;
}

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

function writeMigration(name: string, sql: string): void {
  mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(join(folder, name, 'migration.sql'), sql);
}

/** The migration that would lead from the database to schema.prisma. */
function differenceTo(url: string): Promise<string> {
  const args = ['--from-config-datasource', '--to-schema', 'prisma/schema.prisma', '--script'];
  return prisma(url, 'migrate', 'diff', ...args);
}

/** The output of the official CLI. */
async function prisma(url: string, ...args: string[]): Promise<string> {
  const { NODE_OPTIONS, ...kept } = process.env;
  const env = { ...kept, DATABASE_URL: url, PRISMA_SCHEMA_ENGINE_BINARY: './scripts/schema-engine.mjs' };
  const cli = join(ROOT, 'node_modules', 'prisma', 'build', 'index.js');
  const { stdout } = await run(process.execPath, [cli, ...args], { cwd: ROOT, env });
  return stdout;
}
