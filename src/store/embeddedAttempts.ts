// Folders that are prepared under a temporary name beside their final one, so that what has the final name is
// complete whatever is killed. The temporary name carries the pid of its maker: once that is dead, it is rubbish.

import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readdir, readlink, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** With retries: an initdb whose parent was killed may be writing still. */
const RM = { recursive: true, force: true, maxRetries: 5, retryDelay: 100 };

export function attemptName(finalName: string): string {
  return `${finalName}.attempt-${process.pid}-${randomBytes(4).toString('hex')}`;
}

/** Removes what dead processes left beside `finalPath`; an attempt may be a link to a folder elsewhere. */
export async function removeDeadAttempts(finalPath: string): Promise<void> {
  const prefix = `${basename(finalPath)}.attempt-`;
  const published = await linkTarget(finalPath);
  const names = await readdir(dirname(finalPath)).catch(() => []);
  for (const name of names.filter((each) => each.startsWith(prefix))) {
    if (isAlive(Number.parseInt(name.slice(prefix.length), 10))) continue;
    const attempt = join(dirname(finalPath), name);
    const target = await linkTarget(attempt);
    // What cannot be removed (made by another account) is in nobody's way.
    if (target && target !== published) await rm(target, RM).catch(() => {});
    await rm(attempt, RM).catch(() => {});
  }
}

async function linkTarget(path: string): Promise<string | null> {
  return readlink(path).catch(() => null);
}

export function isAlive(pid: number): boolean {
  if (!(pid > 0)) return false; // 0 and below would mean a process group
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Whatever the umask. */
export async function makePublicFolder(path: string): Promise<void> {
  if (await mkdir(path, { recursive: true })) await chmod(path, 0o755);
}
