// The open store: one pool of connections, and Prisma on top of the same pool.
// Prisma serves single-row reads and writes; sets, cursors and COPY use the pool directly (measured: 3.5–6 times faster).

import { setTimeout as sleep } from 'node:timers/promises';
import { PrismaPg } from '@prisma/adapter-pg';
import type pg from 'pg';
import { AppError, messageOf } from '../errors.js';
import { StatementPool } from './pool.js';
import { PrismaClient } from './prisma/client.js';

export const POOL_SIZE = 10;

export interface Store {
  url: string;
  pool: pg.Pool;
  prisma: PrismaClient;
  close(): Promise<void>;
}

/** @throws AppError DATABASE_UNREACHABLE */
export async function openStore(url: string): Promise<Store> {
  const pool = new StatementPool({ connectionString: url, max: POOL_SIZE, application_name: 'marquee' });
  try {
    await pool.query('select 1');
  } catch (error) {
    await pool.end();
    const { host } = new URL(url);
    throw new AppError('DATABASE_UNREACHABLE', `PostgreSQL at ${host} does not answer: ${messageOf(error)}`, {
      cause: error,
    });
  }
  return toStore(url, pool);
}

export function toStore(url: string, pool: pg.Pool): Store {
  let prisma: PrismaClient | null = null;
  return {
    url,
    pool,
    // Made when it is asked for: it takes 9 MiB, and who only reads or writes sets has no need of it.
    get prisma() {
      prisma ??= new PrismaClient({ adapter: new PrismaPg(pool) });
      return prisma;
    },
    async close() {
      await prisma?.$disconnect();
      await pool.end();
    },
  };
}

/** Runs `work` in one transaction on its own connection; rolls back and closes the connection when it throws. */
export async function inTransaction<T>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<T>,
  begin = 'begin',
): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query(begin);
    const result = await work(client);
    await client.query('commit');
    client.release();
    return result;
  } catch (error) {
    await client.query('rollback').catch(() => {});
    client.release(true);
    throw error;
  }
}

/** A restart takes seconds, moving a server minutes; nobody waits longer for a run. */
const AWAY_AT_MOST_MS = 10 * 60_000;
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 5_000;

/** Does `work` again for as long as the database is away; for work that may be done twice. @throws what `work` throws, or the signal's reason */
export async function whenBack<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  const begun = performance.now();
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    try {
      return await work();
    } catch (thrown) {
      const error = explainDatabaseError(thrown);
      const isAway = error instanceof AppError && error.code === 'DATABASE_UNREACHABLE';
      if (!isAway || performance.now() - begun > AWAY_AT_MOST_MS) throw error;
      await sleep(pauseMs);
      signal?.throwIfAborted();
    }
  }
}

/** SQLSTATE: it takes no more of them, of all or of this role. */
const TOO_MANY_CONNECTIONS = '53300';
/** Codes of SQLSTATE, the system and Prisma that mean: the server is gone, going, or not there yet, or full. */
const UNREACHABLE_CODES = new Set([
  ...['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH'],
  ...['ENOTFOUND', 'EAI_AGAIN'],
  ...[TOO_MANY_CONNECTIONS, '57P01', '57P02', '57P03'],
  ...['P1001', 'P1017'],
]);

/** By pg, or by Prisma, which puts a code of its own before that of a statement that failed. */
interface ThrownByDatabase {
  code?: string;
  message?: string;
  meta?: { driverAdapterError?: { cause?: { originalCode?: string } } };
}

/** The error of a database that is away as an AppError; anything else as it is. */
export function explainDatabaseError(error: unknown): unknown {
  if (error instanceof AppError || typeof error !== 'object' || error === null) return error;
  const { code = '', message = '', meta } = error as ThrownByDatabase;
  const state = meta?.driverAdapterError?.cause?.originalCode ?? code;
  const isAway =
    UNREACHABLE_CODES.has(code) ||
    UNREACHABLE_CODES.has(state) ||
    /Connection terminated|connection error and is not queryable/.test(message);
  if (!isAway) return error;
  // Prisma puts lines about the call in the code before the reason.
  const reason = message.slice(message.lastIndexOf('\n') + 1);
  const what = state === TOO_MANY_CONNECTIONS ? 'takes no more connections' : 'went away';
  return new AppError('DATABASE_UNREACHABLE', `PostgreSQL ${what}: ${reason}`, { cause: error });
}

/** The database's clock, which all replicas share. */
export async function databaseTime(store: Store): Promise<Date> {
  const { rows } = await store.pool.query('select clock_timestamp() as now');
  return rows[0].now;
}
