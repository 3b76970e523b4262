// A TCP proxy before PostgreSQL, so that a test can watch the bytes and cut a connection at an exact place.

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';

export interface TestProxy {
  /** The URL of the database, through the proxy. */
  url: string;
  /** Cuts every connection and lets none through for so long. */
  interrupt(ms: number): void;
  close(): Promise<void>;
}

/** Sees each piece before it is passed on; true: both sides are cut off instead. */
export type OnBytes = (bytes: Buffer) => boolean;

/** pieceBytes: how the server's bytes are cut. */
export async function startProxy(
  databaseUrl: string,
  {
    fromClient = () => false,
    fromServer = () => false,
    pieceBytes = Number.POSITIVE_INFINITY,
  }: { fromClient?: OnBytes; fromServer?: OnBytes; pieceBytes?: number } = {},
): Promise<TestProxy> {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  let isAway = false;
  const server = createServer((client) => {
    if (isAway) return client.destroy();
    const upstream = connect(Number(target.port), target.hostname);
    const cut = () => {
      client.destroy();
      upstream.destroy();
    };
    let written = Promise.resolve();
    // Each piece in a turn of its own, so that they arrive apart.
    const write = (bytes: Buffer) => {
      for (let at = 0; at < bytes.length; at += pieceBytes) {
        const piece = bytes.subarray(at, at + pieceBytes);
        written = written.then(async () => {
          client.write(piece);
          if (pieceBytes < bytes.length) await setImmediate();
        });
      }
    };
    client.setNoDelay();
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', cut);
    }
    client.on('data', (bytes) => (fromClient(bytes) ? cut() : upstream.write(bytes)));
    upstream.on('data', (bytes) => (fromServer(bytes) ? cut() : write(bytes)));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(databaseUrl);
  url.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: url.href,
    interrupt(ms) {
      isAway = true;
      for (const socket of sockets) socket.destroy();
      setTimeout(() => {
        isAway = false;
      }, ms);
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
