// movies.csv and links.csv → rows: quoting, years, genres, and what is refused.

import { Readable } from 'node:stream';
import { parseLinks, parseMovies, splitTitle } from '#src/loading/movies.js';
import { Rejects } from '#src/loading/rejects.js';

const HEADER = 'movieId,title,genres\n';

test('a line becomes a movie with its title, year and genres', async () => {
  const { movies } = await parse(`${HEADER}1,Toy Story (1995),Adventure|Animation|Children\n`);
  expect(movies).toEqual([
    { movieId: 1, title: 'Toy Story', year: 1995, genres: ['Adventure', 'Animation', 'Children'], line: 2 },
  ]);
});

test.each([
  ['a comma', '"American President, The (1995)"', 'American President, The', 1995],
  ['doubled quotes', '"""Great Performances"" Cats (1998)"', '"Great Performances" Cats', 1998],
  ['quotes that are not doubled', '"Eyes" of Texas (1948)', '"Eyes" of Texas', 1948],
  ['a quote in the middle', '7" Single (1990)', '7" Single', 1990],
  ['accents', '"Misérables, Les (1995)"', 'Misérables, Les', 1995],
  ['letters of other scripts', '千と千尋の神隠し (2001)', '千と千尋の神隠し', 2001],
  [
    'a second title',
    '"City of Lost Children, The (Cité, La) (1995)"',
    'City of Lost Children, The (Cité, La)',
    1995,
  ],
  ['a number in front', '(500) Days of Summer (2009)', '(500) Days of Summer', 2009],
  ['a year in the title', '2001: A Space Odyssey (1968)', '2001: A Space Odyssey', 1968],
  ['blanks around', '  Cosmos (1980)  ', 'Cosmos', 1980],
  ['no year', 'Babylon 5', 'Babylon 5', null],
  ['years of a series that goes on', 'Fawlty Towers (1975–)', 'Fawlty Towers', 1975],
  ['years of a series that ended', 'Fawlty Towers (1975-1979)', 'Fawlty Towers', 1975],
  ['a place in parentheses', 'The Office (UK)', 'The Office (UK)', null],
  ['parentheses and no more', '(1995)', '(1995)', null],
])('a title with %s', async (_name, field, title, year) => {
  const { movies, rejects } = await parse(`${HEADER}1,${field},Drama\n`);
  expect(rejects).toEqual([]);
  expect(movies).toEqual([{ movieId: 1, title, year, genres: ['Drama'], line: 2 }]);
});

test('the title of a hundred thousand blanks takes no time', () => {
  expect(splitTitle(`a${' '.repeat(100_000)}b`).year).toBeNull();
});

test('a movie without genres has none', async () => {
  const { movies } = await parse(`${HEADER}1,A,(no genres listed)\n2,B,\n`);
  expect(movies.map(({ genres }) => genres)).toEqual([[], []]);
});

test.each([
  ['CRLF', `${HEADER}1,"A, B",Drama\n2,C,Drama\n`.replaceAll('\n', '\r\n')],
  ['LF after a CRLF header', `${HEADER.trim()}\r\n1,"A, B",Drama\n2,C,Drama\n`],
  ['a byte order mark', `\uFEFF${HEADER}1,"A, B",Drama\n2,C,Drama\n`],
  ['no newline at the end', `${HEADER}1,"A, B",Drama\n2,C,Drama`],
])('%s makes no difference', async (_name, file) => {
  expect(await parse(file)).toEqual({
    movies: [
      { movieId: 1, title: 'A, B', year: null, genres: ['Drama'], line: 2 },
      { movieId: 2, title: 'C', year: null, genres: ['Drama'], line: 3 },
    ],
    rejects: [],
    linesRead: 2,
  });
});

test.each([
  ['LF', `${HEADER}1,"Two\nlines\nmore (1999)",Drama\n2,C,Drama\nx,D,Drama\n`, 'Two\nlines\nmore'],
  [
    'CRLF',
    `${HEADER}1,"Two\nlines\nmore (1999)",Drama\n2,C,Drama\nx,D,Drama\n`.replaceAll('\n', '\r\n'),
    'Two\r\nlines\r\nmore',
  ],
])(
  'a quoted title may span lines (%s), and the lines after it keep their numbers',
  async (_name, file, title) => {
    const { movies, rejects, linesRead } = await parse(file);
    expect(movies.map((movie) => [movie.title, movie.line])).toEqual([
      [title, 2],
      ['C', 5],
    ]);
    expect(rejects.map(({ line, raw }) => [line, raw])).toEqual([[6, 'x,D,Drama']]);
    expect(linesRead).toBe(3);
  },
);

test.each([
  ['', 'expected 3 columns, found 1'],
  ['1,A', 'expected 3 columns, found 2'],
  ['1,A,Drama,extra', 'expected 3 columns, found 4'],
  ['1,American President, The (1995),Drama', 'expected 3 columns, found 4'],
  ['x,A,Drama', 'movieId "x" is not a whole number from 1 to 2147483647'],
  ['0,A,Drama', 'movieId "0" is not a whole number from 1 to 2147483647'],
  ['-1,A,Drama', 'movieId "-1" is not a whole number from 1 to 2147483647'],
  ['2147483648,A,Drama', 'movieId "2147483648" is not a whole number from 1 to 2147483647'],
  ['1,,Drama', 'title is empty'],
  ['1,"  ",Drama', 'title is empty'],
])('the line %j is rejected: %s', async (line, reason) => {
  const { movies, rejects } = await parse(`${HEADER}${line}\n2,B,Drama\n`.replaceAll('\n', '\r\n'));
  expect(movies.map(({ movieId }) => movieId)).toEqual([2]);
  expect(rejects).toEqual([{ file: 'movies.csv', line: 2, raw: line, reason }]);
});

test('a title with a NUL is rejected, because PostgreSQL cannot hold it', async () => {
  const { movies, rejects } = await parse(`${HEADER}1,A\0B,Drama\n`);
  expect(movies).toEqual([]);
  expect(rejects).toEqual([
    { file: 'movies.csv', line: 2, raw: '1,A\uFFFDB,Drama', reason: 'a character is NUL' },
  ]);
});

test('a quote that is never closed is an error that names the line where it opens', async () => {
  await expect(parse(`${HEADER}1,A,Drama\n2,"B,Drama\n3,C,Drama\n`)).rejects.toMatchObject({
    code: 'IMPORT_BAD_ROW',
    message: 'movies.csv line 3: a quote is opened and never closed; nothing was imported',
  });
});

test('a quote that is never closed in a large file is found within a mebibyte', async () => {
  const rest = '3,C,Drama\n'.repeat(200_000);
  await expect(parse(`${HEADER}2,"B,Drama\n${rest}`)).rejects.toMatchObject({
    code: 'IMPORT_BAD_ROW',
    message: expect.stringMatching(/^movies\.csv line 2: Max Record Size/),
  });
});

test.each([
  ['other columns', 'id,name\n1,A\n', 'movies.csv line 1: expected "movieid,title,genres", found "id,name"'],
  ['no bytes', '', 'movies.csv is empty'],
])('a file with %s has a wrong header', async (_name, file, message) => {
  await expect(parse(file)).rejects.toMatchObject({ code: 'IMPORT_BAD_HEADER', message });
});

test('a stream that fails is that error, not one of its rows', async () => {
  const stream = Readable.from(failingAfter(`${HEADER}1,A,Drama\n`));
  await expect(parseMovies('movies.csv', stream, new Rejects(0))).rejects.toThrow('the disk is gone');
});

test('the stream is closed when a line is one reject too many', async () => {
  const stream = Readable.from(endless(`${HEADER}x,A,Drama\n`));
  await expect(parseMovies('movies.csv', stream, new Rejects(0))).rejects.toMatchObject({
    code: 'IMPORT_BAD_ROW',
  });
  expect(stream.destroyed).toBe(true);
});

test('a line of links.csv becomes the ids of a movie elsewhere, each of which may be absent', async () => {
  const rejects = new Rejects(0);
  const { rows } = await parseLinks(
    'links.csv',
    Readable.from([Buffer.from('movieId,imdbId,tmdbId\n1,0114709,862\n2,0113497,\n3,,\n')]),
    rejects,
  );
  expect(rows).toEqual([
    { movieId: 1, imdbId: 114709, tmdbId: 862, line: 2, raw: '1,0114709,862' },
    { movieId: 2, imdbId: 113497, tmdbId: null, line: 3, raw: '2,0113497,' },
    { movieId: 3, imdbId: null, tmdbId: null, line: 4, raw: '3,,' },
  ]);
});

test.each([
  ['1,tt0114709,862', 'imdbId "tt0114709" is not a whole number from 1 to 2147483647'],
  ['1,0,862', 'imdbId "0" is not a whole number from 1 to 2147483647'],
  ['1,114709,862.0', 'tmdbId "862.0" is not a whole number from 1 to 2147483647'],
  ['x,114709,862', 'movieId "x" is not a whole number from 1 to 2147483647'],
])('the link %j is rejected: %s', async (line, reason) => {
  const rejects = new Rejects(1);
  await parseLinks('links.csv', Readable.from([Buffer.from(`movieId,imdbId,tmdbId\n${line}\n`)]), rejects);
  expect(rejects.lines).toEqual([{ file: 'links.csv', line: 2, raw: line, reason }]);
});

async function parse(file: string) {
  const rejects = new Rejects(100);
  const stream = Readable.from([Buffer.from(file)]);
  const { rows, linesRead } = await parseMovies('movies.csv', stream, rejects);
  return { movies: rows, rejects: rejects.lines, linesRead };
}

function* failingAfter(text: string): Generator<Buffer> {
  yield Buffer.from(text);
  throw new Error('the disk is gone');
}

function* endless(text: string): Generator<Buffer> {
  for (;;) yield Buffer.from(text);
}
