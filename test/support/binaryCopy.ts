// Reads what store/ratingRows.ts writes: PostgreSQL's binary COPY format, back into plain rows.

/** [userId, movieId, rating, seconds since 1970 or null] */
export type CopiedRow = [number, number, number, number | null];

const HEADER = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
const SECONDS_TO_2000 = 946_684_800;

/** Throws unless the bytes are header, whole rows of four fields and trailer. */
export function decodeRatings(bytes: Buffer): CopiedRow[] {
  if (!bytes.subarray(0, HEADER.length).equals(HEADER)) throw new Error('no COPY header');
  const rows: CopiedRow[] = [];
  let at = HEADER.length;
  while (bytes.readInt16BE(at) !== -1) {
    if (bytes.readInt16BE(at) !== 4) throw new Error(`a row of ${bytes.readInt16BE(at)} fields`);
    at += 2;
    const fields: (Buffer | null)[] = [];
    for (let field = 0; field < 4; field++) {
      const length = bytes.readInt32BE(at);
      at += 4;
      fields.push(length < 0 ? null : bytes.subarray(at, at + length));
      at += Math.max(0, length);
    }
    rows.push(toRow(fields));
  }
  if (at + 2 !== bytes.length) throw new Error('bytes after the trailer');
  return rows;
}

function toRow([user, movie, rating, time]: (Buffer | null)[]): CopiedRow {
  const seconds = time && Number(time.readBigInt64BE() / 1_000_000n) + SECONDS_TO_2000;
  return [user!.readInt32BE(), movie!.readInt32BE(), rating!.readFloatBE(), seconds];
}
