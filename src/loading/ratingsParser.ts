// A file of ratings → binary COPY rows, validated in place: bytes in, bytes out, a string only for a rejected line.
// Lines as their layout says; LF or CRLF; BOM and missing last newline allowed. It refuses quoted numbers.

import { Transform, type TransformCallback } from 'node:stream';
import { AppError } from '../errors.js';
import { COPY_HEADER, COPY_TRAILER, RatingRowWriter, type RatingSums } from '../store/ratingRows.js';
import type { RatingScale } from '../store/scale.js';
import { detectScale } from './detectScale.js';
import { explainLine, INT32_MAX, TIME_MAX } from './explainLine.js';
import { detectLayout, type RatingsLayout } from './ratingsLayout.js';
import type { Rejects } from './rejects.js';

/** A longer line is rejected without being kept in memory. */
const MAX_LINE_BYTES = 64 * 1024;
/** "1,1,1\n" is the shortest line that can be a rating. */
const MIN_LINE_BYTES = 6;
/** So much of the start of a file tells its scale: some 40,000 ratings of MovieLens. */
const SAMPLE_BYTES = 1 << 20;
const [NEWLINE, RETURN, MINUS, DOT, ZERO, NINE] = [10, 13, 45, 46, 48, 57];
const BOM = Buffer.from('\uFEFF');

export interface RatingsParserOptions {
  /** What each column of the file is, where its name and header do not tell. */
  columns?: RatingsLayout['roles'];
  /** What ratings are held to, where it is known; otherwise the start of the file tells. */
  scale?: RatingScale;
}

export class RatingsParser extends Transform {
  /** Lines read so far, without the header. */
  linesRead = 0;
  readonly #file: string;
  readonly #rejects: Rejects;
  readonly #rows = new RatingRowWriter();
  readonly #columns: RatingsLayout['roles'] | null;
  #layout: RatingsLayout | null = null;
  #scale: RatingScale | null;
  #isAtEnd = false;
  #line = 0;
  #rest: Buffer | null = null;
  /** Start of an over-long line whose end has not been seen yet. */
  #overlong: string | null = null;

  constructor(file: string, rejects: Rejects, { columns, scale }: RatingsParserOptions = {}) {
    super({ readableHighWaterMark: 1 << 20, writableHighWaterMark: 1 << 20 });
    this.#file = file;
    this.#rejects = rejects;
    this.#columns = columns ?? null;
    this.#scale = scale ?? null;
    this.push(COPY_HEADER);
  }

  /** Of the rows handed out so far. */
  get sums(): RatingSums {
    return this.#rows.totals;
  }

  /** null before the start of the file has told it. */
  get scale(): RatingScale | null {
    return this.#scale;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    attempt(done, () => this.#consume(chunk));
  }

  override _flush(done: TransformCallback): void {
    attempt(done, () => {
      this.#isAtEnd = true;
      if (!this.#layout && this.#rest) this.#consume(Buffer.alloc(0));
      if (this.#rest || this.#overlong !== null) this.#consume(Buffer.from('\n'));
      if (!this.#layout) throw new AppError('IMPORT_BAD_HEADER', `${this.#file} is empty`);
      this.push(COPY_TRAILER);
    });
  }

  #consume(chunk: Buffer): void {
    let bytes = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk;
    this.#rest = null;
    if (this.#overlong !== null) bytes = this.#skipOverlong(bytes);
    let start = 0;
    if (!this.#layout) start = this.#readStart(bytes);
    if (!this.#layout) {
      if (bytes.length > 0) this.#rest = Buffer.from(bytes);
      return;
    }
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

  /** Sets layout and scale, once there is enough to tell them. Returns where the first line of ratings starts. */
  #readStart(bytes: Buffer): number {
    const newline = bytes.indexOf(NEWLINE);
    const isEnough = this.#scale
      ? newline >= 0 || bytes.length > MAX_LINE_BYTES
      : bytes.length >= SAMPLE_BYTES;
    if (!isEnough && !this.#isAtEnd) return 0;
    const start = bytes.subarray(0, BOM.length).equals(BOM) ? BOM.length : 0;
    const end = Math.min(newline < 0 ? bytes.length : newline, start + 1000);
    const line = bytes.toString('utf8', start, end).replace(/\r$/, '');
    const { hasHeader, ...layout } = detectLayout(this.#file, line, this.#columns);
    this.#layout = layout;
    this.#line = hasHeader ? 1 : 0;
    const ratings = !hasHeader ? start : newline < 0 ? bytes.length : newline + 1;
    this.#scale ??= detectScale(sampleRatings(bytes.toString('latin1', ratings), layout));
    return ratings;
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

  /**
   * The hot loop: false when anything is not as it should be, and then `explainLine` says what. In one piece, so that the place
   * in the line stays a local variable.
   */
  #parseLine(bytes: Buffer, start: number, next: number, rows: RatingRowWriter): boolean {
    const { separator, roles } = this.#layout!;
    const { minimum, maximum } = this.#scale!;
    const [first, second] = [separator.charCodeAt(0), separator.charCodeAt(1)];
    const last = roles.length - 1;
    let at = start;
    let end = next - 1;
    if (end > start && bytes[end - 1] === RETURN) end--;
    let [userId, movieId, rating] = [0, 0, Number.NaN];
    let time: number | null = null;
    for (let column = 0; column <= last; column++) {
      let begun = at;
      const role = roles[column];
      if (role === null) while (at < end && bytes[at] !== first) at++;
      else {
        let digits = 0;
        let scale = 1;
        if (role === 'rating' && bytes[at] === MINUS) {
          begun = ++at;
          scale = -1;
        }
        for (; isDigit(bytes[at]); at++) digits = digits * 10 + bytes[at] - ZERO;
        if (role === 'user') userId = digits;
        else if (role === 'movie') movieId = digits;
        else if (role === 'time') {
          time = at === begun ? null : digits;
          if (digits > TIME_MAX) return false;
        } else {
          if (bytes[at] === DOT) {
            for (at++; isDigit(bytes[at]); at++, scale *= 10) digits = digits * 10 + bytes[at] - ZERO;
          }
          rating = digits / scale;
          if (at === begun || (at === begun + 1 && bytes[begun] === DOT)) return false;
        }
      }
      if (column === last) break;
      if (at >= end || bytes[at++] !== first) return false;
      if (separator.length > 1 && bytes[at++] !== second) return false;
    }
    if (at !== end || userId < 1 || userId > INT32_MAX || movieId < 1 || movieId > INT32_MAX) return false;
    if (!(rating >= minimum && rating <= maximum)) return false;
    rows.write(userId, movieId, rating, time);
    return true;
  }

  #reject(line: string): void {
    const raw = line.replace(/\r$/, '');
    this.#rejects.add(this.#file, this.#line, raw, explainLine(raw, this.#layout!, this.#scale!));
  }

  #rejectOverlong(start: string): void {
    this.#rejects.add(this.#file, this.#line, start, `line is longer than ${MAX_LINE_BYTES} bytes`);
  }
}

/** Those of the first lines that are numbers; the last line may be cut. */
function sampleRatings(text: string, { separator, roles }: RatingsLayout): number[] {
  const column = roles.indexOf('rating');
  const lines = text.slice(0, text.lastIndexOf('\n') + 1 || text.length).split('\n');
  const fields = lines.map((line) => line.split(separator, roles.length)[column]?.trim() ?? '');
  return fields.filter((field) => /^-?(\d+\.?\d*|\.\d+)$/.test(field)).map(Number);
}

function startOf(line: Buffer): string {
  return line.toString('utf8', 0, 1000);
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
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
