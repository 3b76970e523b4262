// The whole import against a real PostgreSQL: what is stored, how every line is accounted for, and what is left behind
// when it fails.

import { chmodSync, existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runImport } from '#src/commands/import.js';
import { type ImportOptions, importRatings } from '#src/loading/import.js';
import { aFolder } from './support/folder.js';
import { openTestStore, type TestStore } from './support/store.js';
import { zip } from './support/zip.js';

const MOVIELENS = '../shared/data/ml-latest-small';
const itWithMovieLens = existsSync(MOVIELENS) ? test : test.skip;

const HEADER = 'userId,movieId,rating,timestamp\n';
const RATINGS = `${HEADER}7,10,4.0,1000000000
7,20,3.5,1000000060
3,10,5.0,1000000120
3,30,0.5,1000000180
`;
const MOVIES = `movieId,title,genres
10,Toy Story (1995),Adventure|Animation
20,"American President, The (1995)",Comedy
40,Nobody's Film,(no genres listed)
`;
const LINKS = `movieId,imdbId,tmdbId
10,0114709,862
20,0112346,
`;
const SMALL = { 'ratings.csv': RATINGS, 'movies.csv': MOVIES, 'links.csv': LINKS };

let store: TestStore;

beforeEach(async () => {
  store = await openTestStore();
});

afterEach(async () => {
  await store.drop();
});

test('a folder is imported, and every line of every file is accounted for', async () => {
  const report = await load(SMALL);
  expect(report).toEqual({
    importId: 1,
    scale: { minimum: 0.5, maximum: 5, step: 0.5 },
    files: [
      { file: 'ratings.csv', read: 4, inserted: 4, updated: 0, unchanged: 0, rejected: 0 },
      { file: 'movies.csv', read: 3, inserted: 3, updated: 0, unchanged: 0, rejected: 0 },
      { file: 'links.csv', read: 2, inserted: 0, updated: 2, unchanged: 0, rejected: 0 },
    ],
    counts: {
      linesRead: 4,
      inserted: 4,
      updated: 0,
      unchanged: 0,
      duplicates: 0,
      rejected: 0,
      usersAdded: 2,
      moviesAdded: 4,
    },
    rejects: [],
    seconds: expect.any(Number),
  });
  expect(await select('select user_id, movie_id, rating, rated_at from ratings order by 1, 2')).toEqual([
    { user_id: 3, movie_id: 10, rating: 5, rated_at: new Date('2001-09-09T01:48:40Z') },
    { user_id: 3, movie_id: 30, rating: 0.5, rated_at: new Date('2001-09-09T01:49:40Z') },
    { user_id: 7, movie_id: 10, rating: 4, rated_at: new Date('2001-09-09T01:46:40Z') },
    { user_id: 7, movie_id: 20, rating: 3.5, rated_at: new Date('2001-09-09T01:47:40Z') },
  ]);
});

test('users and movies get a dense idx, and their exact count and mean', async () => {
  await load(SMALL);
  expect(await select('select user_id, idx, rating_count, mean_rating from users order by user_id')).toEqual([
    { user_id: 3, idx: 0, rating_count: 2, mean_rating: 2.75 },
    { user_id: 7, idx: 1, rating_count: 2, mean_rating: 3.75 },
  ]);
  expect(
    await select(
      'select movie_id, idx, title, year, genres, imdb_id, tmdb_id, rating_count, mean_rating from movies order by idx',
    ),
  ).toEqual([
    {
      ...{ movie_id: 10, idx: 0, title: 'Toy Story', year: 1995, genres: ['Adventure', 'Animation'] },
      ...{ imdb_id: 114709, tmdb_id: 862, rating_count: 2, mean_rating: 4.5 },
    },
    {
      ...{ movie_id: 20, idx: 1, title: 'American President, The', year: 1995, genres: ['Comedy'] },
      ...{ imdb_id: 112346, tmdb_id: null, rating_count: 1, mean_rating: 3.5 },
    },
    {
      ...{ movie_id: 40, idx: 2, title: "Nobody's Film", year: null, genres: [] },
      ...{ imdb_id: null, tmdb_id: null, rating_count: 0, mean_rating: null },
    },
    {
      ...{ movie_id: 30, idx: 3, title: 'Movie 30', year: null, genres: [] },
      ...{ imdb_id: null, tmdb_id: null, rating_count: 1, mean_rating: 0.5 },
    },
  ]);
});

test.each([
  ['compressed', true],
  ['stored', false],
])('a .zip with the files in a sub-folder (%s) gives the same as the folder', async (_name, compress) => {
  await load(SMALL);
  const fromFolder = await contents();
  await empty();
  const report = await importRatings(
    store,
    aZip(
      {
        'ml/README.txt': 'read me',
        'ml/ratings.csv': RATINGS,
        'ml/movies.csv': MOVIES,
        'ml/links.csv': LINKS,
      },
      compress,
    ),
    { maxRejects: 0 },
  );
  expect(report.counts).toMatchObject({ linesRead: 4, inserted: 4, usersAdded: 2, moviesAdded: 4 });
  expect(await contents()).toEqual(fromFolder);
});

test('a single ratings CSV of any name is imported, and its movies are named by their number', async () => {
  const folder = aFolder({ 'mine.csv': RATINGS });
  const report = await importRatings(store, join(folder, 'mine.csv'), { maxRejects: 0 });
  expect(report.files).toEqual([
    { file: 'mine.csv', read: 4, inserted: 4, updated: 0, unchanged: 0, rejected: 0 },
  ]);
  expect(await select('select title from movies order by movie_id')).toEqual([
    { title: 'Movie 10' },
    { title: 'Movie 20' },
    { title: 'Movie 30' },
  ]);
});

test('importing the same set again changes nothing and says so', async () => {
  await load(SMALL);
  const before = await contents();
  const { files, counts } = await load(SMALL);
  expect(files).toEqual([
    { file: 'ratings.csv', read: 4, inserted: 0, updated: 0, unchanged: 4, rejected: 0 },
    { file: 'movies.csv', read: 3, inserted: 0, updated: 0, unchanged: 3, rejected: 0 },
    { file: 'links.csv', read: 2, inserted: 0, updated: 0, unchanged: 2, rejected: 0 },
  ]);
  expect(counts).toMatchObject({ unchanged: 4, usersAdded: 0, moviesAdded: 0 });
  expect(await contents()).toEqual(before);
});

test('a newer rating replaces the stored one, an older one does not, and the means follow', async () => {
  await load(SMALL);
  const report = await loadRatings('7,10,1.0,1000000001', '7,20,1.0,1000000059', '3,10,4.5,1000000120');
  expect(report.counts).toMatchObject({ linesRead: 3, inserted: 0, updated: 2, unchanged: 1, duplicates: 0 });
  expect(await select('select rating from ratings order by user_id, movie_id')).toEqual([
    { rating: 4.5 },
    { rating: 0.5 },
    { rating: 1 },
    { rating: 3.5 },
  ]);
  expect(await select('select user_id, rating_count, mean_rating from users order by 1')).toEqual([
    { user_id: 3, rating_count: 2, mean_rating: 2.5 },
    { user_id: 7, rating_count: 2, mean_rating: 2.25 },
  ]);
  expect(await select('select rating_count, mean_rating from movies where movie_id = 10')).toEqual([
    { rating_count: 2, mean_rating: 2.75 },
  ]);
});

test('a file without timestamps keeps the stored ones, and a copy of the same ratings changes nothing', async () => {
  await load(SMALL);
  const before = await contents();
  const copy = 'userId,movieId,rating\n7,10,4.0\n7,20,3.5\n3,10,5.0\n3,30,0.5\n';
  expect((await load({ 'ratings.csv': copy })).counts).toMatchObject({ updated: 0, unchanged: 4 });
  expect(await contents()).toEqual(before);
  expect((await load(SMALL)).counts).toMatchObject({ updated: 0, unchanged: 4 });
});

test('a changed rating without a timestamp replaces the stored one, which keeps its time', async () => {
  await loadRatings('7,10,4.0,1000000000', '7,20,4.0,');
  const report = await loadRatings('7,10,1.0,', '7,20,4.0,1000000060');
  expect(report.counts).toMatchObject({ updated: 2, unchanged: 0 });
  expect(await select('select movie_id, rating, rated_at from ratings order by 1')).toEqual([
    { movie_id: 10, rating: 1, rated_at: new Date('2001-09-09T01:46:40Z') },
    { movie_id: 20, rating: 4, rated_at: new Date('2001-09-09T01:47:40Z') },
  ]);
});

test('of several ratings of a pair in one file the newest wins, then the last one, and the others are counted', async () => {
  const report = await loadRatings(
    '1,1,1.0,300',
    '1,1,2.0,500',
    '1,1,3.0,400',
    '2,1,1.0,300',
    '2,1,2.0,300',
    '3,1,4.0,',
    '3,1,5.0,100',
  );
  expect(report.counts).toMatchObject({ linesRead: 7, inserted: 3, unchanged: 4, duplicates: 4 });
  expect(await select('select user_id, rating from ratings order by 1')).toEqual([
    { user_id: 1, rating: 2 },
    { user_id: 2, rating: 2 },
    { user_id: 3, rating: 5 },
  ]);
});

test('new users and movies get the next idx, and old ones keep theirs', async () => {
  await loadRatings('50,500,3.0,1', '60,600,3.0,1');
  await loadRatings('10,100,3.0,1', '60,600,3.0,1', '70,550,3.0,1');
  expect(await select('select user_id, idx from users order by idx')).toEqual([
    { user_id: 50, idx: 0 },
    { user_id: 60, idx: 1 },
    { user_id: 10, idx: 2 },
    { user_id: 70, idx: 3 },
  ]);
  expect(await select('select movie_id, idx from movies order by idx')).toEqual([
    { movie_id: 500, idx: 0 },
    { movie_id: 600, idx: 1 },
    { movie_id: 100, idx: 2 },
    { movie_id: 550, idx: 3 },
  ]);
});

test('a movies file names a movie that was rated before, and changes a title that was mended', async () => {
  await loadRatings('1,10,3.0,1', '1,20,3.0,1');
  const movies = 'movieId,title,genres\n10,Heat (1995),Crime\n';
  const first = await load({ 'ratings.csv': RATINGS, 'movies.csv': movies });
  const second = await load({ 'ratings.csv': RATINGS, 'movies.csv': movies.replace('Crime', 'Crime|Drama') });
  expect(first.files[1]).toMatchObject({ read: 1, inserted: 0, updated: 1, unchanged: 0 });
  expect(second.files[1]).toMatchObject({ read: 1, inserted: 0, updated: 1, unchanged: 0 });
  expect(await select('select title, year, genres, idx from movies where movie_id = 10')).toEqual([
    { title: 'Heat', year: 1995, genres: ['Crime', 'Drama'], idx: 0 },
  ]);
});

test('of two lines for one movie the last one wins', async () => {
  const report = await load({
    'ratings.csv': RATINGS,
    'movies.csv': 'movieId,title,genres\n10,First,Drama\n10,Last,Drama\n',
    'links.csv': 'movieId,imdbId,tmdbId\n10,1,1\n10,2,2\n',
  });
  expect(report.files[1]).toMatchObject({ read: 2, inserted: 1, unchanged: 1 });
  expect(report.files[2]).toMatchObject({ read: 2, updated: 1, unchanged: 1 });
  expect(await select('select title, imdb_id, tmdb_id from movies where movie_id = 10')).toEqual([
    { title: 'Last', imdb_id: 2, tmdb_id: 2 },
  ]);
});

test('rejected lines are kept with file, line, raw text and reason, and the others are imported', async () => {
  const report = await load(
    {
      'ratings.csv': `${RATINGS}1,2\n1,2,7.5,9\n`,
      'movies.csv': `${MOVIES}x,Film,Drama\n`,
      'links.csv': `${LINKS}999,0000123,\n`,
    },
    { maxRejects: 4 },
  );
  expect(report.files.map(({ file, read, rejected }) => [file, read, rejected])).toEqual([
    ['ratings.csv', 6, 2],
    ['movies.csv', 4, 1],
    ['links.csv', 3, 1],
  ]);
  expect(report.counts).toMatchObject({ linesRead: 6, inserted: 4, rejected: 2 });
  expect(await rejectsOf(report.importId)).toEqual([
    {
      file: 'links.csv',
      line: 4,
      raw: '999,0000123,',
      reason: 'the movie is neither in the catalogue nor rated',
    },
    {
      file: 'movies.csv',
      line: 5,
      raw: 'x,Film,Drama',
      reason: 'movieId "x" is not a whole number from 1 to 2147483647',
    },
    { file: 'ratings.csv', line: 6, raw: '1,2', reason: 'expected 4 columns, found 2' },
    { file: 'ratings.csv', line: 7, raw: '1,2,7.5,9', reason: 'rating "7.5" is above 5' },
  ]);
});

test('the command tells why the first three lines were rejected, and where all of them are', async () => {
  const ratings = `${RATINGS}1,2\n1,2,7.5,9\n0,2,3,9\n2,2,x,9\n`;
  const lines = await linesOf({ 'ratings.csv': ratings }, 4);
  expect(lines.slice(1, -1)).toEqual([
    'rejected: ratings.csv line 6: expected 4 columns, found 2',
    'rejected: ratings.csv line 7: rating "7.5" is above 5',
    'rejected: ratings.csv line 8: userId "0" is below 1',
    'all rejected lines are in the table import_rejects, import_id 1; over GraphQL: imports { nodes { rejects } }',
  ]);
});

test('more rejects than are kept in one statement are all kept', async () => {
  const report = await load({ 'ratings.csv': RATINGS + 'bad line\n'.repeat(25_000) }, { maxRejects: 25_000 });
  expect(report.counts).toMatchObject({ linesRead: 25_004, inserted: 4, rejected: 25_000 });
  expect(await select('select count(*)::int, max(line) from import_rejects')).toEqual([
    { count: 25_000, max: 25_005 },
  ]);
});

test('a rejected line with NUL and broken characters is kept too', async () => {
  const ratings = Buffer.concat([
    Buffer.from(RATINGS),
    Buffer.from([0x31, 0x00, 0xff]),
    Buffer.from(',2,3,4\n'),
  ]);
  const report = await load({ 'ratings.csv': ratings }, { maxRejects: 1 });
  expect(await rejectsOf(report.importId)).toEqual([
    {
      file: 'ratings.csv',
      line: 6,
      raw: '1\uFFFD\uFFFD,2,3,4',
      reason: 'userId "1\uFFFD\uFFFD" is not a whole number',
    },
  ]);
});

test('one reject more than allowed fails the import, which keeps its rejects and leaves the store as it was', async () => {
  await load(SMALL);
  const before = await contents();
  await expect(
    load({ 'ratings.csv': `${RATINGS}9,9,3.0,1\n1,2\n1,2,7.5,9\n` }, { maxRejects: 1 }),
  ).rejects.toMatchObject({
    code: 'IMPORT_BAD_ROW',
    message:
      'ratings.csv line 8: rating "7.5" is above 5 (reject 2, --max-rejects is 1); nothing was imported',
  });
  expect(await contents()).toEqual(before);
  expect(await lastImport()).toMatchObject({
    id: 2,
    status: 'FAILED',
    error:
      'IMPORT_BAD_ROW: ratings.csv line 8: rating "7.5" is above 5 (reject 2, --max-rejects is 1); nothing was imported',
    finished_at: expect.any(Date),
  });
  expect(await rejectsOf(2)).toMatchObject([{ line: 7 }, { line: 8 }]);
});

test('links of unknown movies count against --max-rejects', async () => {
  const links = `${LINKS}999,123,\n998,124,\n`;
  await expect(load({ ...SMALL, 'links.csv': links }, { maxRejects: 1 })).rejects.toMatchObject({
    code: 'IMPORT_BAD_ROW',
    message: expect.stringMatching(/^links\.csv line 5: the movie is neither in the catalogue nor rated/),
  });
  expect(await counts()).toEqual({ ratings: 0, users: 0, movies: 0 });
});

test.each([
  ['a wrong header', { 'ratings.csv': 'user,item,stars\n1,2,3\n' }, 'IMPORT_BAD_HEADER'],
  ['an empty ratings file', { 'ratings.csv': '' }, 'IMPORT_BAD_HEADER'],
  ['a wrong header of movies.csv', { ...SMALL, 'movies.csv': 'id,name\n1,A\n' }, 'IMPORT_BAD_HEADER'],
  ['an unclosed quote in movies.csv', { ...SMALL, 'movies.csv': `${MOVIES}50,"Film\n` }, 'IMPORT_BAD_ROW'],
])('%s fails the import and leaves the store as it was', async (_name, files, code) => {
  await load(SMALL);
  const before = await contents();
  await expect(load(files)).rejects.toMatchObject({ code });
  expect(await contents()).toEqual(before);
  expect(await lastImport()).toMatchObject({ id: 2, status: 'FAILED' });
});

test.each([
  ['a folder without ratings.csv', () => aFolder({ 'movies.csv': MOVIES }), 'holds no ratings.csv'],
  ['an archive without ratings.csv', () => aZip({ 'movies.csv': MOVIES }), 'holds no ratings.csv'],
  ['a path where nothing is', () => join(aFolder(), 'nowhere'), 'nowhere does not exist'],
  ['a path through a file', () => join(aFolder({ x: '' }), 'x', 'y'), 'cannot be read: ENOTDIR'],
  ['an empty path', () => '', 'the path to import is empty'],
  ['a link to nothing', () => aFolderWithBrokenLink(), 'ratings.csv does not exist'],
  ['an archive with a folder named ratings.csv', () => aZip({ 'ml/ratings.csv/': '' }), 'holds no ratings'],
  ['a file of another kind', () => join(aFolder({ 'x.txt': 'x' }), 'x.txt'), 'is neither a folder nor'],
])('%s is a missing source, and no import is recorded', async (_name, makePath, message) => {
  await expect(importRatings(store, makePath(), { maxRejects: 0 })).rejects.toMatchObject({
    code: 'IMPORT_SOURCE_MISSING',
    message: expect.stringContaining(message),
  });
  expect(await lastImport()).toBeUndefined();
});

test.each([
  ['a folder', () => aFolder(SMALL), (path: string) => path],
  ['a file in a closed folder', () => aFolder(SMALL), (path: string) => join(path, 'ratings.csv')],
  ['an archive', () => aZip(SMALL), (path: string) => path],
])('%s that may not be read is a missing source, and the reason is given', async (_name, make, within) => {
  const closed = make();
  chmodSync(closed, 0o000);
  const path = within(closed);
  await expect(unprivileged(() => importRatings(store, path, { maxRejects: 0 }))).rejects.toMatchObject({
    code: 'IMPORT_SOURCE_MISSING',
    message: expect.stringMatching(new RegExp(`^${path} cannot be read: EACCES: permission denied`)),
  });
  chmodSync(closed, 0o700);
});

test('a folder in an archive that is named like a file is not taken for it', async () => {
  const path = aZip({ 'ml/ratings.csv/': '', 'ml/ratings.csv/note.txt': 'x', 'ml/set/ratings.csv': RATINGS });
  expect((await importRatings(store, path, { maxRejects: 0 })).counts).toMatchObject({ inserted: 4 });
});

test('a folder where ratings.csv should be fails the import with the reason', async () => {
  await expect(load({ 'ratings.csv/x': '' })).rejects.toMatchObject({
    code: 'IMPORT_FAILED',
    message: expect.stringContaining('EISDIR'),
  });
});

test.each([
  ['cut off in the middle', (bytes: Buffer) => bytes.subarray(0, bytes.length / 2)],
  ['not an archive at all', () => Buffer.from('userId,movieId,rating,timestamp\n')],
  ['damaged in compressed ratings', (bytes: Buffer) => flip(bytes, 100)],
  ['damaged so that lines are wrong', (bytes: Buffer) => flip(bytes, bytes.length / 2)],
  ['damaged in compressed movies', (bytes: Buffer) => flip(bytes, bytes.indexOf('movies.csv') + 30)],
])('an archive that is %s is a bad archive, and the store stays as it was', async (_name, damage) => {
  await load(SMALL);
  const before = await contents();
  const path = aZip({ 'ratings.csv': manyRatings(2000), 'movies.csv': MOVIES });
  writeFileSync(path, damage(readFileSync(path)));
  await expect(importRatings(store, path, { maxRejects: 0 })).rejects.toMatchObject({
    code: 'IMPORT_BAD_ARCHIVE',
    message: expect.stringContaining(path),
  });
  expect(await contents()).toEqual(before);
});

test('a digit changed in a stored archive, which its size cannot show, is found by its checksum', async () => {
  const path = aZip({ 'ratings.csv': RATINGS }, false);
  const bytes = readFileSync(path);
  bytes.write('9', bytes.indexOf('7,10,4.0'));
  writeFileSync(path, bytes);
  await expect(importRatings(store, path, { maxRejects: 0 })).rejects.toMatchObject({
    code: 'IMPORT_BAD_ARCHIVE',
    message: `${path}: the checksum of ratings.csv does not match; nothing was imported`,
  });
  expect(await counts()).toEqual({ ratings: 0, users: 0, movies: 0 });
});

test('a failed import can be repeated at once, on the same connections', async () => {
  await expect(load({ 'ratings.csv': 'x' })).rejects.toMatchObject({ code: 'IMPORT_BAD_HEADER' });
  await expect(load({ 'ratings.csv': 'x' })).rejects.toMatchObject({ code: 'IMPORT_BAD_HEADER' });
  expect((await load(SMALL)).counts.inserted).toBe(4);
});

test('many imports on one store leave no listeners on its connections', async () => {
  const listeners: number[] = [];
  store.pool.on('acquire', (client) => listeners.push(client.listenerCount('error')));
  await loadTimes(15);
  expect(Math.max(...listeners)).toBe(Math.max(...listeners.slice(0, 3)));
  expect(store.pool.totalCount).toBeLessThanOrEqual(2);
});

test.each([
  ['new ratings', SMALL, '2 users and 4 movies added, 0.0 s'],
  ['only a header', { 'ratings.csv': HEADER }, 'nothing changed: ratings.csv holds no ratings, 0.0 s'],
  [
    'only a header, and movies',
    { 'ratings.csv': HEADER, 'movies.csv': MOVIES },
    '0 users and 3 movies added; ratings.csv holds no ratings, 0.0 s',
  ],
  [
    'only wrong lines',
    { 'ratings.csv': `${HEADER}1,2\n` },
    'nothing was imported: every line was rejected, 0.0 s',
  ],
])('a first import of %s says so in its last line', async (_name, files, last) => {
  expect(await lastLineOf(files)).toBe(last);
});

test.each([
  ['the same set', SMALL, 'nothing changed: the store held all of it, 0.0 s'],
  [
    'the same set and wrong lines',
    { ...SMALL, 'ratings.csv': `${RATINGS}1,2\n` },
    'nothing changed: the store held all that was not rejected, 0.0 s',
  ],
])('a second import of %s says so in its last line', async (_name, files, last) => {
  await load(SMALL);
  expect(await lastLineOf(files)).toBe(last);
});

test('progress counts the bytes of the ratings file and ends with the merge', async () => {
  const steps: object[] = [];
  await load(SMALL, { onProgress: (progress) => steps.push({ ...progress }) });
  expect(steps).toEqual([
    { phase: 'reading', bytesRead: 112, bytesTotal: 112 },
    { phase: 'merging', bytesRead: 112, bytesTotal: 112 },
  ]);
});

itWithMovieLens('ml-latest-small has the counts and the mean that its authors give', async () => {
  const report = await importRatings(store, MOVIELENS, { maxRejects: 0 });
  expect(report.files).toEqual([
    { file: 'ratings.csv', read: 100_836, inserted: 100_836, updated: 0, unchanged: 0, rejected: 0 },
    { file: 'movies.csv', read: 9_742, inserted: 9_742, updated: 0, unchanged: 0, rejected: 0 },
    { file: 'links.csv', read: 9_742, inserted: 0, updated: 9_742, unchanged: 0, rejected: 0 },
  ]);
  expect(report.counts).toMatchObject({ usersAdded: 610, moviesAdded: 9_742 });
  expect(await counts()).toEqual({ ratings: 100_836, users: 610, movies: 9_742 });
  expect(
    await select(`select round(avg(rating)::numeric, 5)::float8 as mean, max(rated_at) as latest,
      (select count(*)::int from movies where rating_count > 0) as rated from ratings`),
  ).toEqual([{ mean: 3.50156, latest: new Date('2018-09-24T14:27:30Z'), rated: 9_724 }]);
});

itWithMovieLens('ml-latest-small a second time is unchanged to the last line', async () => {
  await importRatings(store, MOVIELENS, { maxRejects: 0 });
  const { files } = await importRatings(store, MOVIELENS, { maxRejects: 0 });
  expect(files.map(({ unchanged }) => unchanged)).toEqual([100_836, 9_742, 9_742]);
});

function load(files: Record<string, string | Buffer>, options: Partial<ImportOptions> = {}) {
  return importRatings(store, aFolder(files), { maxRejects: 0, ...options });
}

function loadRatings(...lines: string[]) {
  return load({ 'ratings.csv': `userId,movieId,rating,timestamp\n${lines.join('\n')}\n` });
}

async function loadTimes(times: number): Promise<void> {
  for (let i = 0; i < times; i++) await load(SMALL);
}

/** What the command prints last, without the digits of the time it took. */
async function lastLineOf(files: Record<string, string>): Promise<string> {
  return (await linesOf(files, 1)).at(-1)!.replace(/\d+\.\d s$/, '0.0 s');
}

/** What the command prints at its end. */
async function linesOf(files: Record<string, string>, maxRejects: number): Promise<string[]> {
  const printed: (string | null)[] = [];
  const output = { event: (_fields: object, text: string | null) => void printed.push(text), progress() {} };
  await runImport(store, aFolder(files), { maxRejects }, output, new AbortController().signal);
  return printed.at(-1)!.split('\n');
}

function aFolderWithBrokenLink(): string {
  const folder = aFolder();
  symlinkSync('nowhere', join(folder, 'ratings.csv'));
  return folder;
}

/** As another user where we are root, who may read everything. */
async function unprivileged<T>(work: () => Promise<T>): Promise<T> {
  const isRoot = process.geteuid!() === 0;
  if (isRoot) process.seteuid!(65_534);
  try {
    return await work();
  } finally {
    if (isRoot) process.seteuid!(0);
  }
}

function manyRatings(count: number): string {
  const lines = Array.from(
    { length: count },
    (_, i) => `${i + 1},${((i * 7919) % 1000) + 1},3.5,${i * 104_729}`,
  );
  return `userId,movieId,rating,timestamp\n${lines.join('\n')}\n`;
}

function aZip(files: Record<string, string>, compress = true): string {
  return join(aFolder({ 'set.zip': zip(files, { compress }) }), 'set.zip');
}

function flip(bytes: Buffer, at: number): Buffer {
  bytes[Math.floor(at)] ^= 0xff;
  return bytes;
}

async function select(text: string): Promise<object[]> {
  return (await store.pool.query(text)).rows;
}

/** Everything an import may change, its own record excepted. */
async function contents() {
  return {
    ratings: await select('select * from ratings order by user_id, movie_id'),
    users: await select('select user_id, idx, rating_count, mean_rating from users order by user_id'),
    movies: await select('select * from movies order by movie_id'),
  };
}

async function counts(): Promise<object> {
  const [row] = await select(`select (select count(*)::int from ratings) as ratings,
    (select count(*)::int from users) as users, (select count(*)::int from movies) as movies`);
  return row;
}

async function empty(): Promise<void> {
  await store.pool.query('truncate ratings, users, movies');
}

async function lastImport(): Promise<object | undefined> {
  return (await select('select * from imports order by id desc limit 1'))[0];
}

function rejectsOf(importId: number): Promise<object[]> {
  return select(
    `select file, line, raw, reason from import_rejects where import_id = ${importId} order by file, line`,
  );
}
