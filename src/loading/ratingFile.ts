// A rating file → three arrays in memory, without a database: for measuring models. Read by the parser of imports, so any layout that
// `marquee import` takes without --columns, to the same numbers; but a line that is no rating on the scale of the file ends it.

import { pipeline } from 'node:stream/promises';
import { AppError } from '../errors.js';
import { COPY_HEADER } from '../store/ratingRows.js';
import { RatingsParser } from './ratingsParser.js';
import { Rejects } from './rejects.js';
import { openSource } from './source.js';

/** In the order of the file. */
export interface RatingRows {
  userIds: Int32Array;
  movieIds: Int32Array;
  /** In stars. */
  ratings: Float32Array;
}

/** @throws AppError IMPORT_SOURCE_MISSING, IMPORT_BAD_ARCHIVE, IMPORT_BAD_HEADER, IMPORT_BAD_ROW */
export async function readRatingFile(path: string): Promise<RatingRows> {
  const source = await openSource(path, true);
  const rejects = new Rejects(0);
  const rows = new GrowingRows();
  try {
    const parser = new RatingsParser(source.ratings.name, rejects);
    await pipeline(await source.ratings.open(), parser, async (chunks: AsyncIterable<Buffer>) => {
      let skip = COPY_HEADER.length;
      for await (const chunk of chunks) {
        takeRows(chunk.subarray(skip), rows);
        skip = 0;
      }
    });
    return rows.take();
  } catch (error) {
    const [bad] = rejects.lines;
    throw bad ? new AppError('IMPORT_BAD_ROW', `${bad.file} line ${bad.line}: ${bad.reason}`) : error;
  } finally {
    source.close();
  }
}

/** Whole rows of user, movie, rating and time, as store/ratingRows.ts writes them, each field after its length. */
function takeRows(bytes: Buffer, rows: GrowingRows): void {
  for (let at = 0; at < bytes.length && bytes.readInt16BE(at) > 0; ) {
    rows.add(bytes.readInt32BE(at + 6), bytes.readInt32BE(at + 14), bytes.readFloatBE(at + 22));
    at += 30 + Math.max(0, bytes.readInt32BE(at + 26));
  }
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
