// A CSV of users and movies → pairs to predict, in the order of the file. Apart from ratings, which have a scale and go into the store.
// Lines that are no pair come as rejects, with line and reason; a file whose first line does not name the columns is refused.

import { AppError } from '../errors.js';
import { explainId } from './explainLine.js';
import { explainText, readLines } from './lines.js';
import { openSource } from './source.js';

export interface Pair {
  userId: number;
  movieId: number;
}

export interface RejectedPair {
  /** 1-based; the header is line 1. */
  line: number;
  reason: string;
}

interface Columns {
  user: number;
  movie: number;
  count: number;
}

/**
 * Columns other than userId and movieId are not read, so ratings.csv will do; any file may be a .gz.
 * onRead is told of the bytes as stored.
 * @throws AppError PAIRS_SOURCE_MISSING, IMPORT_BAD_ARCHIVE, PAIRS_BAD_HEADER
 */
export async function* readPairs(
  path: string,
  onRead: (bytes: number, total: number) => void,
): AsyncGenerator<Pair | RejectedPair> {
  const source = await openSource(path, true).catch((error) => {
    throw explain(error, path);
  });
  const { name, bytes } = source.ratings;
  let columns: Columns | null = null;
  try {
    const stream = await source.ratings.open((read) => onRead(read, bytes));
    for await (const { line, text, isOverlong } of readLines(stream)) {
      if (columns) yield parsePair(line, text, isOverlong, columns);
      else columns = readHeader(name, text);
    }
    if (!columns) throw new AppError('PAIRS_BAD_HEADER', `${name} is empty`);
  } catch (error) {
    throw explain(error, path);
  } finally {
    source.close();
  }
}

/** What is the matter with the file, as of pairs; other errors as they are. */
function explain(error: unknown, path: string): unknown {
  if (error instanceof AppError && error.code === 'IMPORT_SOURCE_MISSING')
    return new AppError('PAIRS_SOURCE_MISSING', error.message, { cause: error });
  if (error instanceof Error && 'syscall' in error)
    return new AppError('PAIRS_SOURCE_MISSING', `${path} cannot be read: ${error.message}`, { cause: error });
  return error;
}

function readHeader(file: string, text: string): Columns {
  const names = text
    .trim()
    .toLowerCase()
    .split(',')
    .map((name) => name.trim());
  const columns = { user: names.indexOf('userid'), movie: names.indexOf('movieid'), count: names.length };
  if (columns.user >= 0 && columns.movie >= 0) return columns;
  const found = text.trim().slice(0, 200);
  throw new AppError('PAIRS_BAD_HEADER', `${file} line 1: expected "userId,movieId", found "${found}"`);
}

function parsePair(line: number, text: string, isOverlong: boolean, columns: Columns): Pair | RejectedPair {
  const fields = text.split(',');
  const [user, movie] = [fields[columns.user], fields[columns.movie]];
  const reason =
    explainText(text, isOverlong) ??
    (fields.length === columns.count ? null : `expected ${columns.count} columns, found ${fields.length}`) ??
    explainId('userId', user) ??
    explainId('movieId', movie);
  return reason === null ? { userId: Number(user), movieId: Number(movie) } : { line, reason };
}
