// Under which operating-system account the embedded PostgreSQL runs: it refuses to run as root, so that root lends
// it an account that exists already. Separate because all of it is moot for an ordinary user, where the answer is
// null: "this process's own account". Never creates a user.

import { type SpawnOptions, spawn } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { dirname } from 'node:path';
import { AppError, messageOf } from '../errors.js';

/** Pipes of an ended program may be held open by what it left running; this long its last words are awaited. */
const LAST_WORDS_MS = 200;

export interface Account {
  name: string;
  uid: number;
  gid: number;
}

export interface Outcome {
  /** null: killed by a signal. */
  code: number | null;
  /** stdout and stderr together. */
  output: string;
}

export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** The account for a new cluster in `homeDir`, which need not exist yet. */
export function chooseAccount(homeDir: string): Account | null {
  if (!isRoot()) return null;
  const accounts = readAccounts();
  const owner = statSync(nearestExisting(homeDir)).uid;
  const chosen =
    accounts.find(({ uid }) => uid === owner && uid !== 0) ??
    accounts.find(({ name }) => name === 'postgres') ??
    accounts.find(({ name }) => name === 'nobody');
  if (chosen) return chosen;
  throw new AppError(
    'EMBEDDED_POSTGRES_FAILED',
    'PostgreSQL refuses to run as root, and neither "postgres" nor "nobody" is in /etc/passwd; run as an ordinary user',
  );
}

/**
 * The account of an existing cluster: the owner of its folder.
 * @throws AppError EMBEDDED_POSTGRES_FAILED when that is neither this user nor one that this user can become
 */
export function accountOfOwner(folder: string): Account | null {
  const { uid } = statSync(folder);
  const own = process.getuid?.() ?? uid;
  if (own === uid && own !== 0) return null;
  const owner = readAccounts().find((account) => account.uid === uid);
  if (own === 0 && uid !== 0 && owner) return owner;
  const ownerName = owner ? `"${owner.name}"` : `the unknown uid ${uid}`;
  throw new AppError(
    'EMBEDDED_POSTGRES_FAILED',
    `${folder} belongs to ${ownerName}, and this command runs as "${userInfo().username}". ` +
      `Run it as ${ownerName} or as root, or set MARQUEE_HOME to a folder of your own`,
  );
}

/** Tried for real: access lists and mount options count too, not only the mode of the folders above. */
export async function canEnter(account: Account | null, folder: string): Promise<boolean> {
  return tryShell(account, 'cd "$1"', folder);
}

export async function canExecute(account: Account | null, program: string): Promise<boolean> {
  return tryShell(account, '"$1" --version', program);
}

async function tryShell(account: Account | null, command: string, argument: string): Promise<boolean> {
  if (!account) return true;
  const { code } = await runAs(account, '/bin/sh', ['-c', command, 'sh', argument], { cwd: '/' });
  return code === 0;
}

/** Runs a program to its end. */
export async function runAs(
  account: Account | null,
  program: string,
  args: string[],
  { input = '', ...options }: SpawnOptions & { input?: string },
): Promise<Outcome> {
  const child = spawn(program, args, { ...options, ...accountOptions(account), stdio: 'pipe' });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  child.stdin?.on('error', () => {}).end(input); // a program that ended unread is told by its exit code
  return new Promise((resolve, reject) => {
    const finish = (code: number | null) => {
      for (const stream of [child.stdout, child.stderr]) stream?.destroy();
      resolve({ code, output });
    };
    child.once('close', finish);
    child.once('exit', (code) => setTimeout(finish, LAST_WORDS_MS, code).unref());
    child.once('error', (cause) => {
      reject(
        new AppError('EMBEDDED_POSTGRES_FAILED', `cannot run ${program}: ${messageOf(cause)}`, { cause }),
      );
    });
  });
}

/** For `spawn`: the account, messages in English, and none of the caller's PG* variables. */
export function accountOptions(account: Account | null): SpawnOptions {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('PG'));
  return {
    ...(account && { uid: account.uid, gid: account.gid }),
    env: { ...Object.fromEntries(kept), LC_ALL: 'C' },
    windowsHide: true,
  };
}

function readAccounts(): Account[] {
  if (!existsSync('/etc/passwd')) return [];
  return readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .filter((fields) => fields.length >= 7)
    .map(([name, , uid, gid]) => ({ name: name!, uid: Number(uid), gid: Number(gid) }));
}

export function nearestExisting(path: string): string {
  return existsSync(path) ? path : nearestExisting(dirname(path));
}
