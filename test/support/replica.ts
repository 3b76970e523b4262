// Two servers of the embedded PostgreSQL: a primary and its streaming replica, each with a log of all that it is asked.

import { execFileSync } from 'node:child_process';
import { appendFileSync, chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Cluster, DATABASE, openCluster, SUPERUSER } from '#src/store/embeddedCluster.js';
import { startServer, stopServer } from '#src/store/embeddedServer.js';

const SHARED_DIR = '/var/lib/marquee';
const WAIT_MS = 60_000;
const SETTINGS = [
  ...['wal_level = replica', 'max_wal_senders = 4', 'fsync = off', 'wal_retrieve_retry_interval = 100ms'],
  ...["log_statement = 'all'", "log_line_prefix = '%a '", 'shared_buffers = 32MB'],
];

export interface TestServer {
  url: string;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Statements since the last call, each after the name of the application that asked. */
  statements(): string[];
}

export interface ReplicatedServers {
  primary: TestServer;
  replica: TestServer;
  close(): Promise<void>;
}

export async function startReplicated(): Promise<ReplicatedServers> {
  const home = mkdtempSync(join(tmpdir(), 'marquee-replica-'));
  chmodSync(home, 0o755); // run by root, the servers are another account, which must get through
  const cluster = await openCluster(home, SHARED_DIR);
  const standby: Cluster = { ...cluster, folder: `${cluster.folder}-standby` };
  appendFileSync(join(cluster.folder, 'data', 'postgresql.conf'), `${SETTINGS.join('\n')}\n`);
  // Once up and down, so that the log that the copy begins with is one that can be replayed.
  const port = await startOn(cluster, null);
  await stopServer(cluster);
  execFileSync('cp', ['-a', cluster.folder, standby.folder]);
  const source = `host=127.0.0.1 port=${port} user=${SUPERUSER} password=${cluster.password}`;
  appendFileSync(join(standby.folder, 'data', 'postgresql.conf'), `primary_conninfo = '${source}'\n`);
  writeFileSync(join(standby.folder, 'data', 'standby.signal'), '');
  rmSync(join(standby.folder, 'data', 'postmaster.opts'));
  const primary = toServer(cluster, await startOn(cluster, port));
  const replica = toServer(standby, await startOn(standby, null));
  return {
    primary,
    replica,
    async close() {
      await replica.stop();
      await primary.stop();
      for (const folder of [standby.folder, cluster.folder, home]) rmSync(folder, { recursive: true });
    },
  };
}

function toServer(cluster: Cluster, port: number): TestServer {
  const log = join(cluster.folder, 'server.log');
  let read = 0;
  return {
    url: `postgresql://${SUPERUSER}:${cluster.password}@127.0.0.1:${port}/${DATABASE}`,
    async start() {
      await startOn(cluster, port);
    },
    stop: () => stopServer(cluster),
    statements() {
      const lines = readFileSync(log, 'utf8').split('\n');
      const found = lines.slice(read).filter((line) => / LOG: {2}(statement|execute [^:]*): /.test(line));
      read = lines.length - 1;
      return found;
    },
  };
}

async function startOn(cluster: Cluster, port: number | null): Promise<number> {
  const started = await startServer(cluster, port, WAIT_MS);
  if (typeof started === 'string') throw new Error(started);
  return started;
}
