// Ends what global-setup.mjs opened. Databases that tests left behind go with the server, files with their folder.

import { rm } from 'node:fs/promises';

export default async function globalTeardown() {
  await globalThis.closeTestServer();
  const { temporaryFolder } = globalThis;
  if (temporaryFolder) await rm(temporaryFolder, { recursive: true, force: true, maxRetries: 5 });
}
