// A rating file → three arrays in memory, without a database: for measuring models. MovieLens' layouts: ratings.csv (also gzipped),
// u.data and its folds, ratings.dat. It refuses lines that are not user, movie and rating; what follows on a line is not read.

import { AppError } from '../errors.js';
import { openSource } from './source.js';

const [NEWLINE, DOT, ZERO, NINE] = [10, 46, 48, 57];

/** In the order of the file. */
export interface RatingRows {
  userIds: Int32Array;
  movieIds: Int32Array;
  /** In stars. */
  ratings: Float32Array;
}

/** @throws AppError IMPORT_SOURCE_MISSING, IMPORT_BAD_ARCHIVE, IMPORT_BAD_ROW */
export async function readRatingFile(path: string): Promise<RatingRows> {
  const source = await openSource(path, true);
  try {
    const rows = new GrowingRows();
    let line = 0;
    let rest = Buffer.alloc(0);
    for await (const chunk of await source.ratings.open()) {
      const text = rest.length === 0 ? (chunk as Buffer) : Buffer.concat([rest, chunk as Buffer]);
      const end = text.lastIndexOf(NEWLINE) + 1;
      line = readLines(text.subarray(0, end), path, line, rows);
      rest = Buffer.from(text.subarray(end));
    }
    readLines(Buffer.concat([rest, Buffer.of(NEWLINE)]), path, line, rows);
    return rows.take();
  } finally {
    source.close();
  }
}

/** Gives the number of lines read so far. */
function readLines(bytes: Buffer, file: string, linesBefore: number, rows: GrowingRows): number {
  let line = linesBefore;
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(NEWLINE, at);
    const isHeader = line === 0 && !isDigit(bytes[at]);
    line++;
    const isEmpty = end - at <= 1;
    if (!isHeader && !isEmpty && !readLine(bytes, at, end, rows)) {
      const text = bytes.toString('utf8', at, Math.min(end, at + 60)).trim();
      throw new AppError(
        'IMPORT_BAD_ROW',
        `${file} line ${line}: expected user, movie, rating, found "${text}"`,
      );
    }
    at = end + 1;
  }
  return line;
}

/** Three numbers with one or two separators between them: "1,2,3.5", "1\t2\t3", "1::2::3". */
function readLine(bytes: Buffer, start: number, end: number, rows: GrowingRows): boolean {
  const numbers = [0, 0, 0];
  let at = start;
  for (let field = 0; field < 3; field++) {
    while (field > 0 && at < end && !isDigit(bytes[at])) at++;
    const first = at;
    for (; isDigit(bytes[at]); at++) numbers[field] = numbers[field] * 10 + bytes[at] - ZERO;
    if (at === first) return false;
  }
  if (bytes[at] === DOT) {
    let unit = 1;
    for (at++; isDigit(bytes[at]); at++) {
      unit /= 10;
      numbers[2] += (bytes[at] - ZERO) * unit;
    }
  }
  rows.add(numbers[0], numbers[1], numbers[2]);
  return true;
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}

class GrowingRows {
  #count = 0;
  #userIds = new Int32Array(1 << 16);
  #movieIds = new Int32Array(1 << 16);
  #ratings = new Float32Array(1 << 16);

  add(userId: number, movieId: number, rating: number): void {
    if (this.#count === this.#userIds.length) this.#grow();
    this.#userIds[this.#count] = userId;
    this.#movieIds[this.#count] = movieId;
    this.#ratings[this.#count++] = rating;
  }

  take(): RatingRows {
    return {
      userIds: this.#userIds.slice(0, this.#count),
      movieIds: this.#movieIds.slice(0, this.#count),
      ratings: this.#ratings.slice(0, this.#count),
    };
  }

  #grow(): void {
    const length = 2 * this.#count;
    const [userIds, movieIds, ratings] = [this.#userIds, this.#movieIds, this.#ratings];
    this.#userIds = new Int32Array(length);
    this.#movieIds = new Int32Array(length);
    this.#ratings = new Float32Array(length);
    this.#userIds.set(userIds);
    this.#movieIds.set(movieIds);
    this.#ratings.set(ratings);
  }
}
