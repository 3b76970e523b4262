// Ends what global-setup.mjs opened. Databases that tests left behind go with the server.

export default async function globalTeardown() {
  await globalThis.closeTestServer();
}
