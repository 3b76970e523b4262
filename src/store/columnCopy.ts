// Typed arrays → binary COPY: one four-byte column each, no row objects. For sets that training has in memory already.

import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { COPY_HEADER, COPY_TRAILER } from './ratingRows.js';

const ROWS_PER_CHUNK = 20_000;

/** Of equal lengths. */
export type Columns = readonly (Int32Array | Float32Array)[];

/** target: "table (column, …)". Gives how many rows there were. */
export async function copyColumns(
  client: pg.PoolClient,
  target: string,
  parts: AsyncIterable<Columns> | Iterable<Columns>,
): Promise<number> {
  const sink = client.query(copyFrom(`copy ${target} from stdin (format binary)`));
  await pipeline(Readable.from(encode(parts)), sink);
  return sink.rowCount;
}

async function* encode(parts: AsyncIterable<Columns> | Iterable<Columns>): AsyncGenerator<Buffer> {
  yield COPY_HEADER;
  for await (const columns of parts) {
    const count = columns[0].length;
    for (let first = 0; first < count; first += ROWS_PER_CHUNK) {
      yield encodeRows(columns, first, Math.min(count, first + ROWS_PER_CHUNK));
    }
  }
  yield COPY_TRAILER;
}

function encodeRows(columns: Columns, first: number, end: number): Buffer {
  const out = Buffer.allocUnsafe((end - first) * (2 + columns.length * 8));
  let at = 0;
  for (let row = first; row < end; row++) {
    at = out.writeInt16BE(columns.length, at);
    for (const column of columns) {
      at = out.writeInt32BE(4, at);
      at =
        column instanceof Int32Array ? out.writeInt32BE(column[row], at) : out.writeFloatBE(column[row], at);
    }
  }
  return out;
}
