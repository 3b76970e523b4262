// The embedded PostgreSQL as commands see it: a URL, and close(). Several commands share one server through an advisory
// lock in its database `postgres`; the server belongs to none of them and outlives a command that was killed.

import assert from 'node:assert';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { AppError, messageOf } from '../errors.js';
import { type Cluster, DATABASE, openCluster, SUPERUSER } from './embeddedCluster.js';
import { findServerPort, readLastLog, startServer, stopServer } from './embeddedServer.js';

const LOCK_ID = 1297_240_663;
const POLL_MS = 50;
const CONNECT_MS = 10_000;

export interface EmbeddedOptions {
  /** Where root keeps what its account cannot reach in homeDir. */
  sharedDir?: string;
  /** How long to wait for a server that is starting or stopping; replaying max_wal_size after a crash can take a minute. */
  waitMs?: number;
  /** The server went away and does not come back under its URL: the command can only close and end. At most once. */
  onLost?: (error: AppError) => void;
}

// open    starts the server if none runs, then waits for the lock SHARED and holds it
// close   releases it and tries EXCLUSIVE: granted, nobody else is here, the server is stopped; refused, it is left
// killed  the server releases the lock; the next command uses the server and stops it
// cut off the server died, or one of its backends: as open, but on the same port only, so that the URL stays right
// An opener that meets a stopping server is refused or cut off by it, and starts it anew.

/**
 * Opens the embedded PostgreSQL of `homeDir`, installing and starting it as needed.
 * @throws AppError EMBEDDED_POSTGRES_FAILED
 */
export async function openEmbedded(
  homeDir: string,
  { sharedDir = '/var/lib/marquee', waitMs = 120_000, onLost = () => {} }: EmbeddedOptions = {},
): Promise<{ url: string; close(): Promise<void> }> {
  try {
    const cluster = await openCluster(resolve(homeDir), sharedDir);
    const lease = await Lease.open(cluster, waitMs, onLost);
    const url = `postgresql://${SUPERUSER}:${cluster.password}@127.0.0.1:${lease.port}/${DATABASE}`;
    return { url, close: () => lease.close() };
  } catch (cause) {
    throw toAppError(cause);
  }
}

function toAppError(cause: unknown): AppError {
  if (cause instanceof AppError) return cause;
  return new AppError('EMBEDDED_POSTGRES_FAILED', messageOf(cause), { cause });
}

/** One connection that holds the shared lock. */
class Lease {
  readonly #cluster: Cluster;
  readonly #waitMs: number;
  readonly #onLost: (error: AppError) => void;
  /** null before the first connection; from then on the URL is given out, and only this port is of use. */
  #port: number | null = null;
  /** null while the connection is lost. */
  #client: pg.Client | null = null;
  #renewing: Promise<void> | null = null;
  #closed = false;

  private constructor(cluster: Cluster, waitMs: number, onLost: (error: AppError) => void) {
    this.#cluster = cluster;
    this.#waitMs = waitMs;
    this.#onLost = onLost;
  }

  static async open(cluster: Cluster, waitMs: number, onLost: (error: AppError) => void): Promise<Lease> {
    const lease = new Lease(cluster, waitMs, onLost);
    await lease.#acquire();
    return lease;
  }

  get port(): number {
    assert(this.#port !== null, 'an opened lease has a port');
    return this.#port;
  }

  /** Stops the server when nobody else uses it. Does not throw: without a server there is nothing to stop. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#renewing; // it may be starting the server, which would then be nobody's
    const client = this.#client ?? (await this.#reconnect());
    if (!client) return;
    if (await lockExclusive(client)) await stopServer(this.#cluster);
    await client.end().catch(() => {});
  }

  /** Returns without the lock only when the lease is closed meanwhile. */
  async #acquire(): Promise<void> {
    const deadline = Date.now() + this.#waitMs;
    let reason: unknown = 'no answer';
    for (; !this.#closed && Date.now() < deadline; await delay(POLL_MS)) {
      reason = await this.#tryAcquire(deadline - Date.now());
      if (reason === null) return;
    }
    if (this.#closed) return;
    const waited = `the embedded PostgreSQL was not ready within ${this.#waitMs / 1000} s: ${messageOf(reason)}`;
    throw new AppError('EMBEDDED_POSTGRES_FAILED', `${waited}\n${await readLastLog(this.#cluster)}`);
  }

  /** @returns null when the lock is held, or why it is not now though it may be later */
  async #tryAcquire(waitMs: number): Promise<unknown> {
    const port =
      (await findServerPort(this.#cluster)) ?? (await startServer(this.#cluster, this.#port, waitMs));
    if (typeof port === 'string') return port;
    if (port !== (this.#port ?? port)) {
      const moved = `another command started the embedded PostgreSQL on port ${port}, as port ${this.#port} was taken`;
      throw new AppError('EMBEDDED_POSTGRES_FAILED', moved);
    }
    try {
      this.#hold(port, await lockShared(this.#cluster, port, waitMs));
      return null;
    } catch (error) {
      if (isPermanent(error)) throw error;
      return error;
    }
  }

  #hold(port: number, client: pg.Client): void {
    this.#port = port;
    this.#client = client;
    client.once('end', () => {
      this.#client = null;
      if (!this.#closed) this.#renewing = this.#renew();
    });
  }

  /** Without the lock, the next command to close would stop the server under this one. */
  async #renew(): Promise<void> {
    try {
      await this.#acquire();
    } catch (error) {
      if (!this.#closed) this.#onLost(toAppError(error));
    }
  }

  async #reconnect(): Promise<pg.Client | null> {
    try {
      const port = await findServerPort(this.#cluster);
      return port === null ? null : await lockShared(this.#cluster, port, CONNECT_MS);
    } catch {
      return null;
    }
  }
}

async function lockShared(cluster: Cluster, port: number, waitMs: number): Promise<pg.Client> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port,
    user: SUPERUSER,
    password: cluster.password,
    database: 'postgres',
    application_name: 'marquee lease',
    connectionTimeoutMillis: CONNECT_MS,
  });
  client.on('error', () => {}); // followed by `end`, which is listened to
  try {
    await client.connect();
    await client.query(`set lock_timeout = ${Math.max(1, Math.ceil(waitMs))}`);
    await client.query('select pg_advisory_lock_shared($1)', [LOCK_ID]);
    return client;
  } catch (error) {
    void client.end().catch(() => {});
    throw error;
  }
}

/** Whether this was the last user. */
async function lockExclusive(client: pg.Client): Promise<boolean> {
  try {
    await client.query('select pg_advisory_unlock_shared($1)', [LOCK_ID]);
    const { rows } = await client.query('select pg_try_advisory_lock($1) as granted', [LOCK_ID]);
    return rows[0].granted;
  } catch {
    return false; // the server is gone
  }
}

/** A wrong password or a missing database will not mend itself; whatever else may be a server that starts or stops. */
function isPermanent(error: unknown): boolean {
  const code = String((error as { code?: unknown }).code);
  return code.startsWith('28') || code.startsWith('3D');
}
