// ratings.csv → binary COPY rows, validated in place: bytes in, bytes out, a string only for a rejected line.
// Lines: userId,movieId,rating[,timestamp]; LF or CRLF; BOM and missing last newline allowed. It refuses quoted numbers.

import { Transform, type TransformCallback } from 'node:stream';
import { AppError } from '../errors.js';
import { COPY_HEADER, COPY_TRAILER, RatingRowWriter } from '../store/ratingRows.js';
import { RATING_MAX, RATING_MIN } from '../store/scale.js';
import { explainLine, INT32_MAX, TIME_MAX } from './explainLine.js';
import type { Rejects } from './rejects.js';

/** A longer line is rejected without being kept in memory. */
const MAX_LINE_BYTES = 64 * 1024;
/** "1,1,1\n" is the shortest line that can be a rating. */
const MIN_LINE_BYTES = 6;
const [NEWLINE, RETURN, COMMA, DOT, ZERO, NINE] = [10, 13, 44, 46, 48, 57];

export class RatingsParser extends Transform {
  /** Lines read so far, without the header. */
  linesRead = 0;
  readonly #file: string;
  readonly #rejects: Rejects;
  readonly #rows = new RatingRowWriter();
  #columns = 0;
  #line = 0;
  #rest: Buffer | null = null;
  /** Start of an over-long line whose end has not been seen yet. */
  #overlong: string | null = null;

  constructor(file: string, rejects: Rejects) {
    super({ readableHighWaterMark: 1 << 20, writableHighWaterMark: 1 << 20 });
    this.#file = file;
    this.#rejects = rejects;
    this.push(COPY_HEADER);
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    attempt(done, () => this.#consume(chunk));
  }

  override _flush(done: TransformCallback): void {
    attempt(done, () => {
      if (this.#rest || this.#overlong !== null) this.#consume(Buffer.from('\n'));
      if (this.#columns === 0) throw new AppError('IMPORT_BAD_HEADER', `${this.#file} is empty`);
      this.push(COPY_TRAILER);
    });
  }

  #consume(chunk: Buffer): void {
    let bytes = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk;
    this.#rest = null;
    if (this.#overlong !== null) bytes = this.#skipOverlong(bytes);
    let start = 0;
    if (this.#columns === 0) start = this.#readHeader(bytes);
    const end = bytes.lastIndexOf(NEWLINE) + 1;
    if (end > start) this.push(this.#parseLines(bytes, start, end));
    this.#keepRest(bytes.subarray(Math.max(start, end)));
  }

  #keepRest(rest: Buffer): void {
    if (rest.length === 0) return;
    if (rest.length > MAX_LINE_BYTES) this.#overlong = startOf(rest);
    else this.#rest = Buffer.from(rest);
  }

  #skipOverlong(bytes: Buffer): Buffer {
    const newline = bytes.indexOf(NEWLINE);
    if (newline < 0) return Buffer.alloc(0);
    this.linesRead++;
    this.#line++;
    const start = this.#overlong!;
    this.#overlong = null;
    this.#rejectOverlong(start);
    return bytes.subarray(newline + 1);
  }

  /** Returns where the first line of ratings starts; 0 while the header is not complete. */
  #readHeader(bytes: Buffer): number {
    const newline = bytes.indexOf(NEWLINE);
    if (newline < 0 && bytes.length <= MAX_LINE_BYTES) return 0;
    const header = bytes
      .toString('utf8', 0, Math.min(newline < 0 ? 200 : newline, 200))
      .replace(/^\uFEFF/, '')
      .trim();
    const names = header.toLowerCase().split(',');
    if (!/^userid,movieid,rating(,timestamp)?$/.test(names.join(','))) {
      throw new AppError(
        'IMPORT_BAD_HEADER',
        `${this.#file} line 1: expected "userId,movieId,rating,timestamp", found "${header}"`,
      );
    }
    this.#columns = names.length;
    this.#line = 1;
    return newline + 1;
  }

  #parseLines(bytes: Buffer, start: number, end: number): Buffer {
    const rows = this.#rows;
    rows.reserve(Math.ceil((end - start) / MIN_LINE_BYTES));
    let at = start;
    while (at < end) {
      const next = bytes.indexOf(NEWLINE, at) + 1;
      this.#line++;
      this.linesRead++;
      // Too long within one chunk too, so that a file gives the same rejects however it is cut into chunks.
      if (next - 1 - at > MAX_LINE_BYTES) this.#rejectOverlong(startOf(bytes.subarray(at, next)));
      else if (!this.#parseLine(bytes, at, next, rows)) this.#reject(bytes.toString('utf8', at, next - 1));
      at = next;
    }
    return rows.take();
  }

  /** The hot loop: false when anything is not as it should be, and then `explainLine` says what. */
  #parseLine(bytes: Buffer, start: number, next: number, rows: RatingRowWriter): boolean {
    let at = start;
    let end = next - 1;
    if (end > start && bytes[end - 1] === RETURN) end--;

    let userId = 0;
    for (; isDigit(bytes[at]); at++) userId = userId * 10 + bytes[at] - ZERO;
    if (at === start || bytes[at] !== COMMA || userId < 1 || userId > INT32_MAX) return false;

    const movieStart = ++at;
    let movieId = 0;
    for (; isDigit(bytes[at]); at++) movieId = movieId * 10 + bytes[at] - ZERO;
    if (at === movieStart || bytes[at] !== COMMA || movieId < 1 || movieId > INT32_MAX) return false;

    const ratingStart = ++at;
    let digits = 0;
    let scale = 1;
    for (; isDigit(bytes[at]); at++) digits = digits * 10 + bytes[at] - ZERO;
    if (bytes[at] === DOT) {
      for (at++; isDigit(bytes[at]); at++, scale *= 10) digits = digits * 10 + bytes[at] - ZERO;
    }
    const rating = digits / scale;
    if (at === ratingStart || !(rating >= RATING_MIN && rating <= RATING_MAX)) return false;
    if (this.#columns === 3) return at === end && writeRow(rows, userId, movieId, rating, null, this.#line);

    if (bytes[at] !== COMMA) return false;
    const timeStart = ++at;
    let time = 0;
    for (; isDigit(bytes[at]); at++) time = time * 10 + bytes[at] - ZERO;
    if (at !== end || time > TIME_MAX) return false;
    return writeRow(rows, userId, movieId, rating, at === timeStart ? null : time, this.#line);
  }

  #reject(line: string): void {
    const raw = line.replace(/\r$/, '');
    this.#rejects.add(this.#file, this.#line, raw, explainLine(raw, this.#columns));
  }

  #rejectOverlong(start: string): void {
    this.#rejects.add(this.#file, this.#line, start, `line is longer than ${MAX_LINE_BYTES} bytes`);
  }
}

function startOf(line: Buffer): string {
  return line.toString('utf8', 0, 1000);
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}

function writeRow(
  rows: RatingRowWriter,
  userId: number,
  movieId: number,
  rating: number,
  ratedAt: number | null,
  line: number,
): true {
  rows.write(userId, movieId, rating, ratedAt, line);
  return true;
}

function attempt(done: TransformCallback, step: () => void): void {
  try {
    step();
  } catch (error) {
    done(error as Error);
    return;
  }
  done();
}
