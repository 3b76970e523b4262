// What a source tells of movies and users beside ratings: the parser for each kind of file.

import type { Readable } from 'node:stream';
import type { MovieRow, UserDetails } from '../store/ratingImport.js';
import { parseItems, parseMoviesDat } from './movieLines.js';
import { type ParsedFile, parseMovies } from './movies.js';
import { Rejects } from './rejects.js';
import { type ImportSource, openSource, type SourceFile } from './source.js';
import { parseUsers, parseUsersDat } from './userLines.js';

/** No rows where the source has no such file. @throws AppError IMPORT_BAD_ROW, IMPORT_BAD_HEADER */
export function readMovieTable({ movies }: ImportSource, rejects: Rejects): Promise<ParsedFile<MovieRow>> {
  if (movies?.name.startsWith('movies.dat')) return readTable(movies, rejects, parseMoviesDat);
  return readTable(movies, rejects, movies?.name.startsWith('u.item') ? parseItems : parseMovies);
}

export function readUserTable({ users }: ImportSource, rejects: Rejects): Promise<ParsedFile<UserDetails>> {
  return readTable(users, rejects, users?.name.startsWith('users.dat') ? parseUsersDat : parseUsers);
}

export async function readTable<Row>(
  file: SourceFile | null,
  rejects: Rejects,
  parse: (name: string, stream: Readable, rejects: Rejects) => Promise<ParsedFile<Row>>,
): Promise<ParsedFile<Row>> {
  return file ? parse(file.name, await file.open(), rejects) : { rows: [], linesRead: 0 };
}

/** Of a path without a database; a single file of ratings has none. Lines that cannot be read are passed over, as an import may be told to. */
export async function readDetails(path: string): Promise<{ movies: MovieRow[]; users: UserDetails[] }> {
  const source = await openSource(path, true);
  const rejects = new Rejects(Number.POSITIVE_INFINITY);
  try {
    const [movies, users] = [await readMovieTable(source, rejects), await readUserTable(source, rejects)];
    return { movies: movies.rows, users: users.rows };
  } finally {
    source.close();
  }
}
