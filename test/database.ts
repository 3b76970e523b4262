// A database of its own for a test file, cloned from the migrated template that global-setup.mjs prepared.

import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

const TEMPLATE = 'marquee_template';
const OBJECT_IN_USE = '55006';
const CLONE_ATTEMPTS = 10;
const RETRY_MS = 200;

export interface TestDatabase {
  url: string;
  /** Ends the sessions that are still open. */
  drop(): Promise<void>;
}

/** template: a database that nobody is connected to. */
export async function createTestDatabase(template = TEMPLATE): Promise<TestDatabase> {
  const adminUrl = process.env.TEST_DATABASE_ADMIN_URL;
  if (!adminUrl)
    throw new Error('TEST_DATABASE_ADMIN_URL is unset: run the tests by jest, which opens the server');
  const name = `marquee_test_${randomUUID().replaceAll('-', '')}`;
  // file_copy: half the time of the default, which writes every page to the log as well (15 ms against 30 measured).
  await withRetries(() =>
    execute(adminUrl, `create database ${name} template ${template} strategy file_copy`),
  );
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => execute(adminUrl, `drop database if exists ${name} with (force)`) };
}

/** PostgreSQL's own maintenance may have a session in the template for a moment. */
async function withRetries(clone: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await clone();
    } catch (error) {
      const busy = error instanceof pg.DatabaseError && error.code === OBJECT_IN_USE;
      if (!busy || attempt === CLONE_ATTEMPTS) throw error;
      await sleep(RETRY_MS);
    }
  }
}

async function execute(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
