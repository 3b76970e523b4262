// The movies of MovieLens' older sets → rows: movies.dat of ml-1m and ml-10m, u.item of ml-100k. No header, no quoting.

import type { Readable } from 'node:stream';
import type { MovieRow } from '../store/ratingImport.js';
import { parseLines } from './lines.js';
import { type ParsedFile, parseId, splitGenres, splitTitle, wrongId } from './movies.js';
import type { Rejects } from './rejects.js';

/** The flags of u.item, in its order (u.genre). The first, "unknown", is no genre. */
const ITEM_GENRES = [
  ...['unknown', 'Action', 'Adventure', 'Animation', "Children's", 'Comedy', 'Crime', 'Documentary', 'Drama'],
  ...[
    'Fantasy',
    'Film-Noir',
    'Horror',
    'Musical',
    'Mystery',
    'Romance',
    'Sci-Fi',
    'Thriller',
    'War',
    'Western',
  ],
];
/** Movie, title, two dates, address. */
const ITEM_FIELDS = 5;

type Fields = Pick<MovieRow, 'movieId' | 'title' | 'year' | 'genres'>;

/** movieId::title (year)::genre|genre */
export function parseMoviesDat(
  file: string,
  stream: Readable,
  rejects: Rejects,
): Promise<ParsedFile<MovieRow>> {
  return parseLines(file, stream, rejects, (text) => {
    const fields = text.split('::');
    if (fields.length !== 3) return `expected 3 columns, found ${fields.length}`;
    return toMovie(fields[0], fields[1], splitGenres(fields[2]));
  });
}

/** movieId|title (year)|release date|video date|address|a flag for each genre */
export function parseItems(file: string, stream: Readable, rejects: Rejects): Promise<ParsedFile<MovieRow>> {
  return parseLines(file, stream, rejects, (text) => {
    const fields = text.split('|');
    const expected = ITEM_FIELDS + ITEM_GENRES.length;
    if (fields.length !== expected) return `expected ${expected} columns, found ${fields.length}`;
    const flags = fields.slice(ITEM_FIELDS);
    if (flags.some((flag) => flag !== '0' && flag !== '1')) return 'a genre is neither 0 nor 1';
    const genres = ITEM_GENRES.filter((_, genre) => genre > 0 && flags[genre] === '1');
    return toMovie(fields[0], fields[1], genres);
  });
}

function toMovie(id: string, title: string, genres: string[]): Fields | string {
  const movieId = parseId(id);
  if (movieId === null) return wrongId('movieId', id);
  return title.trim() === '' ? 'title is empty' : { movieId, ...splitTitle(title), genres };
}
