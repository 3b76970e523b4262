// The connections' sockets. Node reads into 64 KiB anew each time, and of 20 million ratings some 40 MiB of that lay about before V8 collected
// them. Here each socket reads into one buffer of its own, and who reads much borrows the bytes as they lie there; all others get a copy.
// TLS has buffers of its own: there the bytes are borrowed by taking the place of the socket's listeners.

import { Socket, type SocketConstructorOpts, type TcpSocketConnectOpts } from 'node:net';

const BUFFER_BYTES = 1 << 16;

type OnBytes = (bytes: Buffer) => void;
const borrowers = new WeakMap<Socket, OnBytes>();
const ours = new WeakSet<Socket>();

/** Not connected yet: node-postgres' option `stream`. */
export function createSocket(): Socket {
  const options: SocketConstructorOpts & Pick<TcpSocketConnectOpts, 'onread'> = {
    onread: {
      buffer: Buffer.allocUnsafeSlow(BUFFER_BYTES),
      callback(length, buffer) {
        const bytes = Buffer.from(buffer.buffer, buffer.byteOffset, length);
        const borrower = borrowers.get(socket);
        if (!borrower) return socket.push(Buffer.from(bytes));
        borrower(bytes);
        return true;
      },
    },
  };
  const socket = new Socket(options);
  ours.add(socket);
  return socket;
}

/**
 * From now on bytes go to `onBytes` and not to who listens to the socket; they are only valid during the call.
 * Gives the function that ends this, to which the bytes are handed that were not meant for the borrower.
 */
export function borrowBytes(socket: Socket, onBytes: OnBytes): (rest: Buffer) => void {
  if (ours.has(socket)) {
    borrowers.set(socket, onBytes);
    return (rest) => {
      borrowers.delete(socket);
      socket.push(Buffer.from(rest));
    };
  }
  const listeners = socket.listeners('data') as OnBytes[];
  socket.removeAllListeners('data');
  socket.on('data', onBytes);
  return (rest) => {
    socket.removeListener('data', onBytes);
    for (const listener of listeners) socket.on('data', listener);
    for (const listener of listeners) listener(rest);
  };
}
