// Finds, starts and stops the server of one cluster through its postmaster.pid.
// Who may stop it, and when, is embedded.ts.

import { type ChildProcess, spawn } from 'node:child_process';
import { open, readFile, unlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { AppError, messageOf } from '../errors.js';
import { accountOptions, runAs } from './embeddedAccount.js';
import { isAlive } from './embeddedAttempts.js';
import type { Cluster } from './embeddedCluster.js';

const STOP_MS = 60_000;
const POLL_MS = 10;
const LOG_LINES = 15;
/** Reasons of a refused start that pass: another command's server, the last backends of a killed one. */
const PASSING = /lock file ".*postmaster\.pid"|pre-existing shared memory block/;
/** PostgreSQL locks the cluster before it listens: whoever has the port is no server of this cluster. */
const CANNOT_LISTEN = /could not create any TCP\/IP sockets/;
const PORT_TAKEN = 'its port is taken';

/** The port of the running server of this cluster, which may still be starting or stopping; null when none runs. */
export async function findServerPort(cluster: Cluster): Promise<number | null> {
  const lines = await readPidFile(cluster);
  const pid = Number(lines[0]);
  if (!isAlive(pid)) return null; // PostgreSQL itself clears up after a dead one
  if (await isServerOf(cluster, pid)) return Number(lines[3]);
  // A reboot gave the pid to another program, which PostgreSQL would take for a running server for ever; or it was
  // killed and its parent has not noticed yet, and several commands come here at once.
  const now = await readPidFile(cluster);
  if (now.join() === lines.join()) {
    await unlink(join(cluster.folder, 'data', 'postmaster.pid')).catch(nullIfMissing);
  }
  return null;
}

async function readOrNull(path: string): Promise<string | null> {
  return readFile(path, 'utf8').catch(nullIfMissing);
}

/** ESRCH: a file of /proc whose process ended between opening and reading. */
function nullIfMissing(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT' || error.code === 'ESRCH') return null;
  throw error;
}

async function isServerOf(cluster: Cluster, pid: number): Promise<boolean> {
  if (process.platform === 'win32') return true; // no cheap way to ask; a stale file is then removed by hand
  const commandLine =
    process.platform === 'linux'
      ? await readOrNull(`/proc/${pid}/cmdline`)
      : (await runAs(null, 'ps', ['-o', 'command=', '-p', String(pid)], {})).output;
  return Boolean(commandLine?.includes('bin/postgres') && commandLine.includes(join(cluster.folder, 'data')));
}

/**
 * Starts the server and waits until it accepts connections: on `wantedPort` only, or else on the port it had last, as
 * users of a killed server still have that one, or else on a free one.
 * Not with `pg_ctl start`: that hands folder names to a shell unescaped, looks for the server every 100 ms only, and
 * reports one that another command has stopped meanwhile as failed.
 * @returns its port, or why it does not run now though it may later
 * @throws AppError EMBEDDED_POSTGRES_FAILED when trying again is of no use
 */
export async function startServer(
  cluster: Cluster,
  wantedPort: number | null,
  waitMs: number,
): Promise<number | string> {
  const port = wantedPort ?? (await findLastPort(cluster)) ?? (await findFreePort());
  const reason = await startServerOn(cluster, port, waitMs);
  if (reason !== PORT_TAKEN) return reason ?? port;
  if (wantedPort !== null) {
    const taken = `port ${port} of the embedded PostgreSQL was taken by another program`;
    throw new AppError('EMBEDDED_POSTGRES_FAILED', taken);
  }
  const freePort = await findFreePort();
  return (await startServerOn(cluster, freePort, waitMs)) ?? freePort;
}

/** PostgreSQL notes the arguments of each start that got its port, and keeps the note when it stops. */
async function findLastPort(cluster: Cluster): Promise<number | null> {
  const noted = await readOrNull(join(cluster.folder, 'data', 'postmaster.opts'));
  const port = noted?.match(/"-p" "(\d+)"/)?.[1];
  return port === undefined ? null : Number(port);
}

/** @returns null when it is ready */
async function startServerOn(cluster: Cluster, port: number, waitMs: number): Promise<string | null> {
  const log = await open(join(cluster.folder, 'server.log'), 'a');
  try {
    const loggedBefore = (await log.stat()).size;
    const outcome = await waitForServer(cluster, spawnServer(cluster, port, log.fd), waitMs);
    if (typeof outcome !== 'number') return outcome;
    if (outcome === 0) return 'stopped by another command';
    const complaint = await readLogFrom(cluster, loggedBefore);
    if (PASSING.test(complaint)) return 'refused to start beside another server';
    if (CANNOT_LISTEN.test(complaint)) return PORT_TAKEN;
    const failure = `PostgreSQL ended with ${outcome} as it was started`;
    throw new AppError('EMBEDDED_POSTGRES_FAILED', `${failure}\n${await readLastLog(cluster)}`);
  } finally {
    await log.close();
  }
}

/** A session of its own: Ctrl-C on the terminal must not stop the server before its users have closed. */
function spawnServer(cluster: Cluster, port: number, logFd: number): ChildProcess {
  const args = ['-D', join(cluster.folder, 'data'), '-p', String(port)];
  const child = spawn(cluster.binaries.postgres, args, {
    ...accountOptions(cluster.account),
    cwd: cluster.folder,
    detached: true,
    stdio: ['ignore', logFd, logFd],
  });
  child.unref();
  return child;
}

/** @returns null when it is ready, the exit code of one that ended, or what else happened */
async function waitForServer(
  cluster: Cluster,
  child: ChildProcess,
  waitMs: number,
): Promise<number | string | null> {
  let outcome: number | string | undefined;
  child.once('error', (error) => {
    outcome = messageOf(error);
  });
  child.once('exit', (code, signal) => {
    outcome = code ?? `killed by ${signal}`;
  });
  for (const deadline = Date.now() + waitMs; Date.now() < deadline; await delay(POLL_MS)) {
    if (outcome !== undefined) return outcome;
    const [pid, , , , , , , status] = await readPidFile(cluster);
    if (Number(pid) === child.pid && status?.startsWith('ready')) return null;
  }
  return 'still starting';
}

/**
 * Waits until the server that runs now is gone; one that does not stop in time is left to the next command.
 * pg_ctl's own waiting would wait for a server that another command has started meanwhile.
 */
export async function stopServer(cluster: Cluster): Promise<void> {
  const pgData = join(cluster.folder, 'data');
  const [pid] = await readPidFile(cluster);
  const args = ['stop', '-m', 'fast', '--no-wait', '-D', pgData];
  await runAs(cluster.account, cluster.binaries.pg_ctl, args, { cwd: cluster.folder });
  for (const deadline = Date.now() + STOP_MS; Date.now() < deadline; await delay(POLL_MS)) {
    if (!isAlive(Number(pid)) || (await readPidFile(cluster))[0] !== pid) return;
  }
}

/** Its lines: pid, data folder, start time, port, socket folder, address, shared memory, status. Empty when missing. */
async function readPidFile(cluster: Cluster): Promise<string[]> {
  return ((await readOrNull(join(cluster.folder, 'data', 'postmaster.pid'))) ?? '').split('\n');
}

/** The last lines of server.log, headed by its path. */
export async function readLastLog(cluster: Cluster): Promise<string> {
  const log = join(cluster.folder, 'server.log');
  const lines = ((await readOrNull(log)) ?? '').trimEnd().split('\n');
  return [`${log} ends with:`, ...lines.slice(-LOG_LINES)].join('\n');
}

async function readLogFrom(cluster: Cluster, offset: number): Promise<string> {
  const bytes = await readFile(join(cluster.folder, 'server.log'));
  return bytes.subarray(offset).toString('utf8');
}

async function findFreePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (typeof address === 'object' && address) return address.port;
  throw new Error('a listening TCP server has an address');
}
