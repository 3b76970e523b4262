// Folders for what goes to disk: the embedded server, exports, synthetic sets. Node's own mkdir with `recursive` asks for ever where the
// system says ENOENT of a folder within one that is there, as /proc does (Node 20).

import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Makes the folder with those above it. Gives the highest that was missing, undefined when none was. */
export async function makeFolder(path: string): Promise<string | undefined> {
  const missing: string[] = [];
  for (let folder = path; !existsSync(folder); folder = dirname(folder)) missing.unshift(folder);
  for (const folder of missing) {
    await mkdir(folder).catch((error) => {
      if (error.code !== 'EEXIST') throw error; // another command was faster
    });
  }
  return missing[0];
}
