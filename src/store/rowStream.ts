// Binary rows of a statement, by portal, or by COPY where a portal cannot be used: some proxies and some servers that speak
// the protocol refuse Execute with a limit of rows. In both a row is the same bytes. By COPY the server sends as fast as the
// socket takes, and there are no batches: the socket's own back-pressure remains.

import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import { DatabaseError } from 'pg-protocol';
import { type PortalOptions, readPortal } from './portal.js';
import { COPY_HEADER } from './ratingRows.js';

/** "Not supported" and "protocol violation". */
const REFUSED = new Set(['0A000', '08P01']);
/** Field count of a row, and length of a field. */
const [COUNT_BYTES, LENGTH_BYTES] = [2, 4];

/** Runs `text` in the transaction of `client`. @throws the server's error, or the signal's reason */
export async function readRows(client: pg.PoolClient, text: string, options: PortalOptions): Promise<void> {
  let rows = 0;
  const counted: PortalOptions = {
    ...options,
    onRow(bytes, at) {
      rows++;
      options.onRow(bytes, at);
    },
  };
  await client.query('savepoint before_portal');
  try {
    await readPortal(client, text, counted);
  } catch (error) {
    const isRefused = error instanceof DatabaseError && REFUSED.has(error.code ?? '') && rows === 0;
    if (!isRefused) throw error;
    await client.query('rollback to before_portal');
    await readCopy(client, text, options);
  }
}

/** After an abort or an error of onRow the rest is read and dropped: the connection must come to the end of its COPY. */
export async function readCopy(
  client: pg.PoolClient,
  text: string,
  { onRow, signal }: Pick<PortalOptions, 'onRow' | 'signal'>,
): Promise<void> {
  let rest: Buffer = Buffer.alloc(0);
  let skip = COPY_HEADER.length;
  let failure: unknown = null;
  const takeRows = (chunk: Buffer) => {
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    let at = Math.min(skip, bytes.length);
    skip -= at;
    for (let end = endOfRow(bytes, at); end > 0; at = end, end = endOfRow(bytes, at)) {
      onRow(bytes, at + COUNT_BYTES);
    }
    rest = Buffer.from(bytes.subarray(at));
    signal?.throwIfAborted();
  };
  const sink = new Writable({
    highWaterMark: 1 << 20,
    write(chunk: Buffer, _encoding, done) {
      try {
        if (failure === null) takeRows(chunk);
      } catch (error) {
        failure = error;
      }
      done();
    },
  });
  await pipeline(client.query(copyTo(`copy (${text}) to stdout (format binary)`)), sink);
  if (failure !== null) throw failure;
}

/** 0 when the row is not whole, and for the trailer. */
function endOfRow(bytes: Buffer, start: number): number {
  if (start + COUNT_BYTES > bytes.length) return 0;
  let at = start + COUNT_BYTES;
  for (let field = bytes.readInt16BE(start); field > 0; field--) {
    if (at + LENGTH_BYTES > bytes.length) return 0;
    at += LENGTH_BYTES + Math.max(0, bytes.readInt32BE(at));
  }
  return at > bytes.length || bytes.readInt16BE(start) < 0 ? 0 : at;
}
