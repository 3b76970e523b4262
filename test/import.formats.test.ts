// The layouts that ratings come in: MovieLens' older sets, packed files, and any table whose columns are named.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type ImportOptions, importRatings } from '#src/loading/import.js';
import { aFolder } from './support/folder.js';
import { openTestStore, type TestStore } from './support/store.js';
import { zip } from './support/zip.js';

const DATA = '../shared/data';
const itWithMovieLens = existsSync(DATA) ? test : test.skip;

const CSV = 'userId,movieId,rating,timestamp\n7,10,4.0,1000000000\n7,20,3.5,1000000060\n';
const FLAGS = '0|0|1|1|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0';
/** Both rated by user 7. */
const RATINGS = [
  { user_id: 7, movie_id: 10, rating: 4 },
  { user_id: 7, movie_id: 20, rating: 3.5 },
];

let store: TestStore;

beforeEach(async () => {
  store = await openTestStore();
});

afterEach(() => store.drop());

test('u.data is read with u.item: titles, years and genres by flags, ISO-8859-1', async () => {
  const report = await load({
    'u.data': '7\t10\t4\t1000000000\n7\t20\t3\t1000000060\n',
    'u.item': Buffer.from(
      `10|Misérables, Les (1995)|01-Jan-1995||http://x|${FLAGS}\n20|unknown||||1${'|0'.repeat(18)}\n30|Bad||||2${'|0'.repeat(18)}\n`,
      'latin1',
    ),
  });
  expect(report.files).toEqual([
    { file: 'u.data', read: 2, inserted: 2, updated: 0, unchanged: 0, rejected: 0 },
    { file: 'u.item', read: 3, inserted: 2, updated: 0, unchanged: 0, rejected: 1 },
  ]);
  expect(await movies()).toEqual([
    { title: 'Misérables, Les', year: 1995, genres: ['Adventure', 'Animation'] },
    { title: 'unknown', year: null, genres: [] },
  ]);
});

test('ratings.dat is read with movies.dat, in ISO-8859-1 as well as in UTF-8', async () => {
  const report = await load({
    'ratings.dat': '7::10::4::1000000000\r\n7::20::3.5::1000000060\r\n',
    'movies.dat': Buffer.concat([
      Buffer.from('10::Misérables, Les (1995)::Drama|Musical\n', 'latin1'),
      Buffer.from('20::Cité, La (1995)::(no genres listed)\n', 'utf8'),
    ]),
  });
  expect(report.counts).toMatchObject({ inserted: 2, rejected: 0 });
  expect(await ratings()).toEqual(RATINGS);
  expect(await movies()).toEqual([
    { title: 'Misérables, Les', year: 1995, genres: ['Drama', 'Musical'] },
    { title: 'Cité, La', year: 1995, genres: [] },
  ]);
});

test('u.user tells about users, those who have not rated among them', async () => {
  const report = await load(
    {
      'u.data': '7\t10\t4\t1000000000\n',
      'u.user': '7|24|M|technician|85711\n8|53|F|other|94043\n9|old|F|other|\n8|54||other|T8H1N\n',
    },
    { maxRejects: 1 },
  );
  expect(report.files[1]).toEqual({
    file: 'u.user',
    read: 4,
    inserted: 2,
    updated: 0,
    unchanged: 1,
    rejected: 1,
  });
  expect(report.counts).toMatchObject({ usersAdded: 2 });
  expect(await users()).toEqual([
    { user_id: 7, rating_count: 1, gender: 'M', age: 24, occupation: 'technician', zip_code: '85711' },
    { user_id: 8, rating_count: 0, gender: null, age: 54, occupation: 'other', zip_code: 'T8H1N' },
  ]);
});

test('users.dat gives occupations by number; a later one changes what is known', async () => {
  const ratings = '7::10::4::1000000000\n';
  await load({ 'ratings.dat': ratings });
  const told = await load({ 'ratings.dat': ratings, 'users.dat': '7::F::1::10::48067-1234\n' });
  expect(told.files[1]).toMatchObject({ inserted: 0, updated: 1 });
  expect(await users()).toEqual([
    { user_id: 7, rating_count: 1, gender: 'F', age: 1, occupation: 'K-12 student', zip_code: '48067-1234' },
  ]);
  const again = await load({ 'ratings.dat': ratings });
  expect(again.files).toHaveLength(1);
  expect(await users()).toMatchObject([{ gender: 'F' }]);
  await expect(
    load({ 'ratings.dat': ratings, 'users.dat': '7::F::1::21::1\n' }, { maxRejects: 0 }),
  ).rejects.toThrow('users.dat line 1: occupation "21" is not a whole number from 0 to 20');
});

test('ratings without a time are read from any layout', async () => {
  await load({ 'ratings.dat': '7::10::4\n7::20::3.5\n' });
  expect(await ratings()).toEqual(RATINGS);
  expect((await store.pool.query('select from ratings where rated_at is null')).rowCount).toBe(2);
});

test('a bad line of each layout is rejected with its reason', async () => {
  const { importId } = await load(
    {
      'ratings.dat': '7::10::4::1\n7:10:4:1\n7::10::9::1\n7::10::4::1::\n',
      'movies.dat': '10::A\n10::::x\n',
    },
    { maxRejects: 9 },
  );
  const { rows } = await store.pool.query(
    'select file, line, reason from import_rejects where import_id = $1 order by file, line',
    [importId],
  );
  expect(rows).toEqual([
    { file: 'movies.dat', line: 1, reason: 'expected 3 columns, found 2' },
    { file: 'movies.dat', line: 2, reason: 'title is empty' },
    { file: 'ratings.dat', line: 2, reason: 'expected 4 columns, found 1' },
    { file: 'ratings.dat', line: 3, reason: 'rating "9" is above 5' },
    { file: 'ratings.dat', line: 4, reason: 'expected 4 columns, found 5' },
  ]);
});

test('packed files are read from a folder, from an archive and alone', async () => {
  const packed = gzipSync(CSV);
  const movies = gzipSync('10::Heat (1995)::Crime\n');
  const files = { 'ratings.csv.gz': packed, 'movies.dat.gz': movies };
  expect((await load(files)).counts).toMatchObject({ inserted: 2 });
  expect(await ratings()).toEqual(RATINGS);
  const archive = join(aFolder({ 'set.zip': zip({ 'ml/ratings.csv.gz': packed }) }), 'set.zip');
  expect((await importRatings(store, archive, { maxRejects: 0 })).counts).toMatchObject({ unchanged: 2 });
  const alone = join(aFolder({ 'mine.csv.gz': packed }), 'mine.csv.gz');
  expect((await importRatings(store, alone, { maxRejects: 0 })).counts).toMatchObject({ unchanged: 2 });
});

test.each([
  ['a truncated .gz', (whole: Buffer) => whole.subarray(0, whole.length - 12), /unexpected end of file/],
  [
    'a .gz with a wrong checksum',
    (whole: Buffer) => withByte(whole, whole.length - 6),
    /incorrect data check/,
  ],
  ['a .gz that is none', () => Buffer.from(CSV), /incorrect header check/],
])('%s is a damaged source, and nothing is imported', async (_name, damage, message) => {
  await expect(load({ 'ratings.csv.gz': damage(gzipSync(CSV)) })).rejects.toMatchObject({
    code: 'IMPORT_BAD_ARCHIVE',
    message: expect.stringMatching(message),
  });
  expect(await ratings()).toEqual([]);
});

test.each([
  ['tabs and no header', '1000000000\t4.0\t10\t7\n1000000060\t3.5\t20\t7\n', '\t'],
  ['semicolons and a header', 'time;stars;film;who\n1000000000;4.0;10;7\n1000000060;3.5;20;7\n', ';'],
])('columns that are named may have any order: %s', async (_name, text) => {
  await loadFile('mine.txt', text, ['time', 'rating', 'movie', 'user']);
  expect(await ratings()).toEqual(RATINGS);
});

test('columns that are not read may hold anything', async () => {
  await loadFile('mine', 'x,7,"a b",10,4.0\ny,7,,20,3.5\n', [null, 'user', null, 'movie', 'rating']);
  expect(await ratings()).toEqual(RATINGS);
});

test('a file with another number of columns than named has a wrong header', async () => {
  await expect(loadFile('mine', '7,10\n', ['user', 'movie', 'rating'])).rejects.toMatchObject({
    code: 'IMPORT_BAD_HEADER',
    message: 'mine line 1: expected "user,movie,rating", found "7,10"',
  });
});

itWithMovieLens('ml-100k and ml-1m are imported whole, without a reject', async () => {
  const small = await importRatings(store, join(DATA, 'ml-100k'), { maxRejects: 1 });
  expect(small.counts).toMatchObject({ inserted: 100_000, rejected: 0, usersAdded: 943, moviesAdded: 1682 });
  expect((await store.pool.query(`select from movies where title like '%Misérables%'`)).rowCount).toBe(1);
  expect((await store.pool.query('select from movies where cardinality(genres) = 0')).rowCount).toBe(2);
  expect((await store.pool.query(`select from users where occupation = 'student'`)).rowCount).toBe(196);
  await store.pool.query('truncate ratings, users, movies');
  const large = await importRatings(store, join(DATA, 'ml-1m'), { maxRejects: 0 });
  expect(large.counts).toMatchObject({
    inserted: 1_000_209,
    rejected: 0,
    usersAdded: 6040,
    moviesAdded: 3883,
  });
  expect((await store.pool.query('select from users where age = 1')).rowCount).toBe(222);
});

function load(files: Record<string, string | Buffer>, options: Partial<ImportOptions> = {}) {
  return importRatings(store, aFolder(files), { maxRejects: 1, ...options });
}

function loadFile(name: string, text: string, columns: NonNullable<ImportOptions['columns']>) {
  return importRatings(store, join(aFolder({ [name]: text }), name), { maxRejects: 0, columns });
}

function withByte(bytes: Buffer, at: number): Buffer {
  bytes[at] ^= 0xff;
  return bytes;
}

async function ratings() {
  return (await store.pool.query('select user_id, movie_id, rating from ratings order by 1, 2')).rows;
}

async function users() {
  const columns = 'user_id, rating_count, gender, age, occupation, zip_code';
  return (await store.pool.query(`select ${columns} from users order by 1`)).rows;
}

async function movies() {
  return (await store.pool.query('select title, year, genres from movies order by movie_id')).rows;
}
