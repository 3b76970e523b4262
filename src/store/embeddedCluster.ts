// The folder of the embedded PostgreSQL: where it is, whose it is, and its one-time creation.
// `<homeDir>/postgres` holds data/, password and server.log. It is a symlink to /var/lib/marquee/<id> when root made it
// for an account that cannot enter homeDir. Starting and stopping the server is embeddedServer.ts.
//
//   postgres.attempt-<pid>-<random>   being initialised; removed when its process is dead
//   postgres                          complete: published by one rename or symlink, the loser of a race uses the winner's

import { randomBytes } from 'node:crypto';
import {
  chown,
  lstat,
  mkdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { totalmem } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { AppError } from '../errors.js';
import {
  type Account,
  accountOfOwner,
  canEnter,
  chooseAccount,
  nearestExisting,
  runAs,
} from './embeddedAccount.js';
import { attemptName, makePublicFolder, removeDeadAttempts } from './embeddedAttempts.js';
import { type Binaries, binariesFor, findBinaries } from './embeddedBinaries.js';
import { makeFolder } from './folders.js';

export const SUPERUSER = 'marquee';
export const DATABASE = 'marquee';

/**
 * Written to postgresql.conf once; an owner may change them there. Durability is PostgreSQL's default: full. Nobody copies
 * this server, so what a transaction writes to a table that it made itself is synced instead of logged: an import's bulk.
 */
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  shared_buffers: `${sharedBuffersMiB()}MB`,
  max_wal_size: '4GB',
  wal_level: 'minimal',
  max_wal_senders: '0',
  checkpoint_timeout: '15min',
  log_checkpoints: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
};

/** An eighth of the memory, within bounds: a merge then finds most pages of the indexes there. Taken as it is used. */
function sharedBuffersMiB(): number {
  return Math.round(Math.min(1024, Math.max(128, totalmem() / 2 ** 20 / 8)));
}

export interface Cluster {
  /** Without symlinks: the account may be unable to pass through homeDir. */
  folder: string;
  password: string;
  /** null: the account of this process. */
  account: Account | null;
  binaries: Binaries;
}

/** Opens the cluster of `homeDir`, creating it when there is none. */
export async function openCluster(homeDir: string, sharedDir: string): Promise<Cluster> {
  const path = join(homeDir, 'postgres');
  await removeDeadAttempts(path);
  const binaries = await findBinaries();
  if (!(await isComplete(path))) await createCluster(homeDir, sharedDir, binaries);
  const account = accountOfOwner(path);
  const folder = await realpath(path);
  await refuseOtherVersion(folder, binaries);
  return {
    folder,
    account,
    password: await readFile(join(folder, 'password'), 'utf8'),
    binaries: await binariesFor(account, binaries, sharedDir),
  };
}

/** A link whose target is gone counts as no cluster, and is removed. */
async function isComplete(path: string): Promise<boolean> {
  const entry = await lstat(path).catch(nullIfMissing);
  if (!entry) return false;
  if (await realpath(path).catch(nullIfMissing)) return true;
  await rm(path);
  return false;
}

function nullIfMissing(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT') return null;
  throw error;
}

async function createCluster(homeDir: string, sharedDir: string, binaries: Binaries): Promise<void> {
  const account = chooseAccount(homeDir);
  await makeHome(homeDir, account);
  const attempt = join(homeDir, attemptName('postgres'));
  let folder = attempt;
  if (!(await canEnter(account, homeDir))) {
    await makePublicFolder(sharedDir);
    folder = join(await realpath(sharedDir), randomBytes(6).toString('hex'));
    await symlink(folder, attempt);
  }
  try {
    await initialise(folder, account, await binariesFor(account, binaries, sharedDir));
    await publish(folder, join(homeDir, 'postgres'));
  } finally {
    // Left are: nothing; the link to what was published; or all of an attempt that failed or lost the race.
    const published = await realpath(join(homeDir, 'postgres')).catch(nullIfMissing);
    if (published !== folder) await rm(folder, { recursive: true, force: true });
    await rm(attempt, { recursive: true, force: true });
  }
}

/** What root makes within the folder of an ordinary user shall belong to that user. */
async function makeHome(homeDir: string, account: Account | null): Promise<void> {
  const parent = await stat(nearestExisting(homeDir));
  const highest = await makeFolder(homeDir);
  if (!highest || !account || parent.uid !== account.uid) return;
  for (let folder = homeDir; folder.length >= highest.length; folder = dirname(folder)) {
    await chown(folder, account.uid, account.gid);
  }
}

async function initialise(folder: string, account: Account | null, binaries: Binaries): Promise<void> {
  const passwordFile = join(folder, 'password');
  await mkdir(folder, { mode: 0o700 });
  const log = join(folder, 'server.log');
  await writeFile(passwordFile, randomBytes(24).toString('base64url'), { mode: 0o600 });
  await writeFile(log, '', { mode: 0o600 });
  if (account) for (const path of [folder, passwordFile, log]) await chown(path, account.uid, account.gid);
  const pgData = join(folder, 'data');
  // The builtin locale is the same on every platform and sorts by code point, which keyset paging relies on.
  await runOrThrow(account, binaries.initdb, folder, [
    ...['--pgdata', pgData, '--username', SUPERUSER, '--pwfile', passwordFile, '--auth', 'scram-sha-256'],
    ...['--encoding', 'UTF8', '--locale', 'C', '--locale-provider', 'builtin', '--builtin-locale', 'C.UTF-8'],
    ...Object.entries(SETTINGS).flatMap(([name, value]) => ['--set', `${name}=${value}`]),
  ]);
  const createDatabase = `create database ${DATABASE}\n`;
  await runOrThrow(
    account,
    binaries.postgres,
    folder,
    ['--single', '-D', pgData, 'postgres'],
    createDatabase,
  );
}

async function runOrThrow(
  account: Account | null,
  program: string,
  cwd: string,
  args: string[],
  input?: string,
): Promise<void> {
  const { code, output } = await runAs(account, program, args, { cwd, input });
  // A single-user server reports a failed statement and still ends with 0.
  if (code === 0 && !/\b(ERROR|FATAL):/.test(output)) return;
  throw new AppError(
    'EMBEDDED_POSTGRES_FAILED',
    `${basename(program)} ended with ${code}:\n${output.trim()}`,
  );
}

/** Gives a complete cluster its final name, unless another command was first. */
async function publish(folder: string, path: string): Promise<void> {
  try {
    if (dirname(folder) === dirname(path)) await rename(folder, path);
    else await symlink(folder, path);
  } catch (error) {
    if (!(await isComplete(path))) throw error;
  }
}

async function refuseOtherVersion(folder: string, binaries: Binaries): Promise<void> {
  const made = (await readFile(join(folder, 'data', 'PG_VERSION'), 'utf8')).trim();
  const present = String(Number.parseInt(binaries.version, 10));
  if (made === present) return;
  throw new AppError(
    'EMBEDDED_POSTGRES_FAILED',
    `${folder} was made by PostgreSQL ${made}, and PostgreSQL ${present} is installed. ` +
      `Move that folder away or set MARQUEE_HOME to start anew; pg_dump of PostgreSQL ${made} can carry the tables over`,
  );
}
