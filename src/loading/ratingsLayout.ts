// How a file of ratings is laid out: separator, columns, header. Told by its name, or by --columns, and its first line.
// Apart from the parser, which only follows it.

import { AppError } from '../errors.js';

export type ColumnRole = 'user' | 'movie' | 'rating' | 'time';

export interface RatingsLayout {
  separator: ',' | '\t' | '::' | ';' | '|';
  /** One for each column of the file; null: not read. */
  roles: readonly (ColumnRole | null)[];
}

export interface DetectedLayout extends RatingsLayout {
  hasHeader: boolean;
}

const IN_ORDER: readonly ColumnRole[] = ['user', 'movie', 'rating', 'time'];
const SEPARATORS = ['\t', '::', ';', '|', ','] as const;
const CSV_HEADER = /^userid,movieid,rating(,timestamp)?$/;

/** A file that holds ratings, with or without .gz: u.data, ratings.dat and the folds of either, any CSV. */
export const RATINGS_FILE = /\.(csv|dat|data|base|train|test)(\.gz)?$/i;

/** firstLine without its end. @throws AppError IMPORT_BAD_HEADER */
export function detectLayout(
  file: string,
  firstLine: string,
  columns: RatingsLayout['roles'] | null,
): DetectedLayout {
  if (columns) return layoutOf(file, firstLine, columns);
  const names = firstLine.trim().toLowerCase();
  if (CSV_HEADER.test(names)) {
    return { separator: ',', roles: IN_ORDER.slice(0, names.split(',').length), hasHeader: true };
  }
  const name = file.replace(/\.gz$/i, '');
  if (/\.(data|base|train|test)$/i.test(name)) {
    return withoutHeader(file, firstLine, firstLine.includes('::') ? '::' : '\t');
  }
  if (/\.dat$/i.test(name)) return withoutHeader(file, firstLine, '::');
  throw wrongHeader(file, 'userId,movieId,rating,timestamp', firstLine.trim());
}

/** A time may be missing in every line or in none. */
function withoutHeader(file: string, firstLine: string, separator: '\t' | '::'): DetectedLayout {
  const fields = firstLine.split(separator).length;
  if (fields !== 3 && fields !== 4) {
    throw wrongHeader(file, ['user', 'movie', 'rating', 'time'].join(separator), firstLine);
  }
  return { separator, roles: IN_ORDER.slice(0, fields), hasHeader: false };
}

/** The separator that gives as many fields as there are columns. A first line without a number in them is a header. */
function layoutOf(file: string, firstLine: string, roles: RatingsLayout['roles']): DetectedLayout {
  const separator = SEPARATORS.find((candidate) => firstLine.split(candidate).length === roles.length);
  if (!separator) throw wrongHeader(file, roles.map((role) => role ?? '-').join(','), firstLine);
  const read = firstLine.split(separator).filter((_, column) => roles[column] !== null);
  return { separator, roles, hasHeader: read.every((field) => !/\d/.test(field)) };
}

function wrongHeader(file: string, expected: string, found: string): AppError {
  return new AppError(
    'IMPORT_BAD_HEADER',
    `${file} line 1: expected "${expected}", found "${found.slice(0, 200)}"`,
  );
}
