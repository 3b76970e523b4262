// The address that the API listens on, and what is said where it cannot be had.

import { once } from 'node:events';
import { createServer } from 'node:net';
import { AppError, messageOf } from '../errors.js';

export interface ListenAddress {
  host: string;
  /** 0: any that is free. */
  port: number;
}

/** Asks whether this can be listened on, before work that would be in vain. @throws AppError PORT_IN_USE, LISTEN_FAILED */
export async function checkListen(address: ListenAddress): Promise<void> {
  const server = createServer();
  await listenOn(address, () => once(server.listen(address), 'listening'));
  server.close();
  await once(server, 'close');
}

/** @throws AppError PORT_IN_USE, LISTEN_FAILED */
export async function listenOn({ host, port }: ListenAddress, listen: () => Promise<unknown>): Promise<void> {
  try {
    await listen();
  } catch (error) {
    const place = `port ${port} on ${host}`;
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') {
      throw new AppError('PORT_IN_USE', `${place} is taken by another program`, { cause: error });
    }
    throw new AppError('LISTEN_FAILED', `${place} cannot be listened on: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
