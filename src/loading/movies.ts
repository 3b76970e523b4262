// movies.csv and links.csv → rows. Small files, so a CSV library does the quoting; titles hold commas, quotes and accents.

import type { Readable } from 'node:stream';
import { CsvError, parse } from 'csv-parse';
import { AppError } from '../errors.js';
import type { LinkRow, MovieRow } from '../store/ratingImport.js';
import { INT32_MAX } from './explainLine.js';
import type { Rejects } from './rejects.js';

const NO_GENRES = '(no genres listed)';
const COLUMNS = { movies: ['movieid', 'title', 'genres'], links: ['movieid', 'imdbid', 'tmdbid'] };

const CSV_OPTIONS = {
  bom: true,
  raw: true,
  relax_column_count: true,
  relax_quotes: true,
  record_delimiter: ['\r\n', '\n'],
  // So that a quote that is never closed does not take the rest of a large file into memory.
  max_record_size: 1 << 20,
};

/** The rows of these files are held in memory; MovieLens' largest set has 87,585 movies. */
const MAX_ROWS = 1_000_000;

export interface ParsedFile<Row> {
  rows: Row[];
  /** Records read, without the header. */
  linesRead: number;
}

export function parseMovies(file: string, stream: Readable, rejects: Rejects): Promise<ParsedFile<MovieRow>> {
  return parseTable(file, stream, rejects, COLUMNS.movies, ([id, title, genres], line) => {
    const movieId = parseId(id);
    if (movieId === null) return wrongId('movieId', id);
    if (title.trim() === '') return 'title is empty';
    return { movieId, ...splitTitle(title), genres: splitGenres(genres), line };
  });
}

export function parseLinks(file: string, stream: Readable, rejects: Rejects): Promise<ParsedFile<LinkRow>> {
  return parseTable(file, stream, rejects, COLUMNS.links, ([id, imdb, tmdb], line, raw) => {
    const movieId = parseId(id);
    if (movieId === null) return wrongId('movieId', id);
    const [imdbId, tmdbId] = [imdb, tmdb].map((text) => (text === '' ? null : parseId(text)));
    if (imdb !== '' && imdbId === null) return wrongId('imdbId', imdb);
    if (tmdb !== '' && tmdbId === null) return wrongId('tmdbId', tmdb);
    return { movieId, imdbId, tmdbId, line, raw };
  });
}

/** "Toy Story (1995)" → title and year; the year stays null where the title does not end in one. */
export function splitTitle(text: string): { title: string; year: number | null } {
  const title = text.trim();
  const match = /^(.*\S)\s*\((\d{4})(?:[–-]\d{0,4})?\)$/s.exec(title);
  return match ? { title: match[1], year: Number(match[2]) } : { title, year: null };
}

/** @throws AppError IMPORT_BAD_ROW when there are more than memory is meant for */
export function addRow<Row>(file: string, parsed: ParsedFile<Row>, row: Row): void {
  if (parsed.rows.length === MAX_ROWS) {
    throw new AppError('IMPORT_BAD_ROW', `${file}: more than ${MAX_ROWS} rows; nothing was imported`);
  }
  parsed.rows.push(row);
}

export function wrongId(name: string, text: string): string {
  return `${name} "${text}" is not a whole number from 1 to ${INT32_MAX}`;
}

export function splitGenres(text: string): string[] {
  return text === NO_GENRES ? [] : text.split('|').filter((genre) => genre !== '');
}

export function parseId(text: string): number | null {
  const id = Number(text);
  return /^\d+$/.test(text) && id >= 1 && id <= INT32_MAX ? id : null;
}

/** toRow gives the row, or the reason why there is none. */
async function parseTable<Row>(
  file: string,
  stream: Readable,
  rejects: Rejects,
  columns: string[],
  toRow: (fields: string[], line: number, raw: string) => Row | string,
): Promise<ParsedFile<Row>> {
  const parsed: ParsedFile<Row> = { rows: [], linesRead: 0 };
  let headerSeen = false;
  for await (const { fields, line, raw } of readRecords(file, stream)) {
    if (!headerSeen) {
      checkHeader(file, fields, columns);
      headerSeen = true;
      continue;
    }
    parsed.linesRead++;
    const reason = explainRecord(fields, raw, columns);
    const row = reason ?? toRow(fields, line, raw);
    if (typeof row === 'string') rejects.add(file, line, raw, row);
    else addRow(file, parsed, row);
  }
  if (!headerSeen) throw new AppError('IMPORT_BAD_HEADER', `${file} is empty`);
  return parsed;
}

interface TableRecord {
  fields: string[];
  /** Where it begins, 1-based. */
  line: number;
  raw: string;
}

async function* readRecords(file: string, stream: Readable): AsyncGenerator<TableRecord> {
  let line = 1;
  // A record may span lines, and csv-parse counts a CRLF within quotes twice. Counted as records are found, which is
  // before they are handed out, so that an error knows its line.
  const onRecord = ({ record, raw }: { record: string[]; raw: string }): TableRecord => {
    const found = { fields: record, line, raw: raw.replace(/\r?\n?$/, '') };
    line += found.raw.split('\n').length;
    return found;
  };
  const parser = parse({ ...CSV_OPTIONS, on_record: onRecord as never });
  stream.on('error', (error) => parser.destroy(error));
  try {
    yield* stream.pipe(parser) as AsyncIterable<TableRecord>;
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const what = error.code === 'CSV_QUOTE_NOT_CLOSED' ? 'a quote is opened and never closed' : error.message;
    throw new AppError('IMPORT_BAD_ROW', `${file} line ${line}: ${what}; nothing was imported`, {
      cause: error,
    });
  } finally {
    stream.destroy();
  }
}

function explainRecord(fields: string[], raw: string, columns: string[]): string | null {
  if (fields.length !== columns.length) return `expected ${columns.length} columns, found ${fields.length}`;
  return raw.includes('\0') ? 'a character is NUL' : null;
}

function checkHeader(file: string, record: string[], columns: string[]): void {
  if (record.map((name) => name.trim().toLowerCase()).join(',') === columns.join(',')) return;
  throw new AppError(
    'IMPORT_BAD_HEADER',
    `${file} line 1: expected "${columns.join(',')}", found "${record.join(',').slice(0, 200)}"`,
  );
}
