// Ratings in PostgreSQL's binary COPY format, written straight into a buffer: no string or object per row.
// Source of the layout: PostgreSQL manual, COPY, "Binary Format".

import { RatingTotals } from './ratingTotals.js';

/** The columns of staging_ratings, in the order `RatingRowWriter.write` writes them. */
export const RATING_COPY_COLUMNS = 'user_id, movie_id, rating, rated_at';

/** Signature, flags and extension length: begins every binary COPY. */
export const COPY_HEADER = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
/** A field count of −1: ends every binary COPY. */
export const COPY_TRAILER = Buffer.from([0xff, 0xff]);

const MAX_ROW_BYTES = 2 + 8 + 8 + 8 + 12;
/** Seconds from 1970-01-01 to 2000-01-01, where PostgreSQL's timestamps begin. */
const POSTGRES_EPOCH_SECONDS = 946_684_800;

export interface RatingSums {
  users: RatingTotals;
  movies: RatingTotals;
}

/** Collects rows; `take` hands out what was written since the last `take`. */
export class RatingRowWriter {
  #buffer = Buffer.alloc(0);
  #length = 0;
  /** Of all rows written. */
  readonly totals: RatingSums = { users: new RatingTotals(), movies: new RatingTotals() };

  /** Makes room for `rows` rows; to be called after each `take`. */
  reserve(rows: number): void {
    if (this.#buffer.length < rows * MAX_ROW_BYTES) this.#buffer = Buffer.allocUnsafe(rows * MAX_ROW_BYTES);
  }

  /** ratedAt in whole seconds since 1970, or null. */
  write(userId: number, movieId: number, rating: number, ratedAt: number | null): void {
    const out = this.#buffer;
    let at = out.writeInt16BE(4, this.#length);
    at = out.writeInt32BE(4, at);
    at = out.writeInt32BE(userId, at);
    at = out.writeInt32BE(4, at);
    at = out.writeInt32BE(movieId, at);
    at = out.writeInt32BE(4, at);
    at = out.writeFloatBE(rating, at);
    this.#length = ratedAt === null ? out.writeInt32BE(-1, at) : writeTimestamp(out, ratedAt, at);
    const stored = Math.fround(rating);
    this.totals.users.add(userId, stored);
    this.totals.movies.add(movieId, stored);
  }

  /** A copy of the rows. */
  take(): Buffer {
    const rows = Buffer.from(this.#buffer.subarray(0, this.#length));
    this.#length = 0;
    return rows;
  }
}

/** Microseconds since 2000 as a 64-bit integer, in two halves to avoid a BigInt per row. */
function writeTimestamp(out: Buffer, ratedAt: number, at: number): number {
  const microseconds = (ratedAt - POSTGRES_EPOCH_SECONDS) * 1e6;
  const high = Math.floor(microseconds / 2 ** 32);
  at = out.writeInt32BE(8, at);
  at = out.writeInt32BE(high, at);
  return out.writeUInt32BE(microseconds - high * 2 ** 32, at);
}
