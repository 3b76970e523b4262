// The embedded PostgreSQL as commands see it: a URL, and close(). Several commands share one server through an advisory
// lock in its database `postgres`; the server belongs to none of them and outlives a command that was killed.

import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { AppError, messageOf } from '../errors.js';
import { type Cluster, DATABASE, openCluster, SUPERUSER } from './embeddedCluster.js';
import { findServerPort, readLastLog, startServer, stopServer } from './embeddedServer.js';

const LOCK_ID = 1297_240_663;
const POLL_MS = 50;
const CONNECT_MS = 10_000;
/** After a crash of one backend the server is back within seconds; replaying max_wal_size can take longer. */
const RENEW_MS = 60_000;

export interface EmbeddedOptions {
  /** Where root keeps what its account cannot reach in homeDir. */
  sharedDir?: string;
  /** How long to wait for a server that is starting or stopping. */
  waitMs?: number;
}

// open    starts the server if none runs, then waits for the lock SHARED and holds it
// close   releases it and tries EXCLUSIVE: granted, nobody else is here, the server is stopped; refused, it is left
// killed  the server releases the lock; the next command uses the server and stops it
// An opener that meets a stopping server is refused or cut off by it, and starts it anew.

/**
 * Opens the embedded PostgreSQL of `homeDir`, installing and starting it as needed.
 * @throws AppError EMBEDDED_POSTGRES_FAILED
 */
export async function openEmbedded(
  homeDir: string,
  { sharedDir = '/var/lib/marquee', waitMs = 120_000 }: EmbeddedOptions = {},
): Promise<{ url: string; close(): Promise<void> }> {
  try {
    const cluster = await openCluster(resolve(homeDir), sharedDir);
    const lease = await Lease.open(cluster, waitMs);
    const url = `postgresql://${SUPERUSER}:${cluster.password}@127.0.0.1:${lease.port}/${DATABASE}`;
    return { url, close: () => lease.close() };
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    throw new AppError('EMBEDDED_POSTGRES_FAILED', messageOf(cause), { cause });
  }
}

/** One connection that holds the shared lock. */
class Lease {
  readonly port: number;
  readonly #cluster: Cluster;
  /** null while the connection is lost. */
  #client: pg.Client | null = null;
  #closed = false;

  private constructor(cluster: Cluster, port: number, client: pg.Client) {
    this.#cluster = cluster;
    this.port = port;
    this.#hold(client);
  }

  static async open(cluster: Cluster, waitMs: number): Promise<Lease> {
    const deadline = Date.now() + waitMs;
    let reason: unknown = 'no answer';
    while (Date.now() < deadline) {
      const port = await findServerPort(cluster);
      if (port === null) {
        reason = await startServer(cluster, deadline - Date.now());
        if (reason === null) continue;
      } else {
        try {
          return new Lease(cluster, port, await lockShared(cluster, port, deadline - Date.now()));
        } catch (error) {
          if (isPermanent(error)) throw error;
          reason = error;
        }
      }
      await delay(POLL_MS);
    }
    const waited = `the embedded PostgreSQL was not ready within ${waitMs / 1000} s: ${messageOf(reason)}`;
    throw new AppError('EMBEDDED_POSTGRES_FAILED', `${waited}\n${await readLastLog(cluster)}`);
  }

  /** Stops the server when nobody else uses it. Does not throw: without a server there is nothing to stop. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const client = this.#client ?? (await this.#reconnect());
    if (!client) return;
    if (await lockExclusive(client)) await stopServer(this.#cluster);
    await client.end().catch(() => {});
  }

  #hold(client: pg.Client): void {
    this.#client = client;
    client.once('end', () => {
      this.#client = null;
      if (!this.#closed) void this.#renew();
    });
  }

  /**
   * When one backend dies, the server cuts off all connections and goes on: without the lock,
   * the next command to close would stop it under this one.
   */
  async #renew(): Promise<void> {
    const deadline = Date.now() + RENEW_MS;
    while (!this.#closed && !this.#client && Date.now() < deadline) {
      await delay(POLL_MS * 10, undefined, { ref: false });
      const client = await this.#reconnect();
      if (client && this.#closed) await client.end();
      else if (client) this.#hold(client);
    }
  }

  async #reconnect(): Promise<pg.Client | null> {
    try {
      if ((await findServerPort(this.#cluster)) !== this.port) return null;
      return await lockShared(this.#cluster, this.port, CONNECT_MS);
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
