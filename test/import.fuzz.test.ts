// Files that nobody should send: each is imported with its bad lines rejected, or refused with a code and the store as it
// was; never more memory than for a good one, and nothing written outside the database.

import { createWriteStream, existsSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, crc32, deflateRawSync, gzipSync } from 'node:zlib';
import { importRatings } from '#src/loading/import.js';
import { aFolder } from './support/folder.js';
import { openTestStore, type TestStore } from './support/store.js';
import { type Packed, zip } from './support/zip.js';

const HEADER = 'userId,movieId,rating,timestamp\n';
const GOOD = `${HEADER}${Array.from({ length: 200 }, (_, i) => `${i + 1},${(i % 7) + 1},3.5,${1e9 + i}\n`).join('')}`;
const MOVIES = 'movieId,title,genres\n1,"Heat, The (1995)",Crime|Drama\n2,Été (1996),Drama\n';
const ITEM = `1|Heat (1995)|||${'|0'.repeat(19)}\n`;
const GIB = 2 ** 30;
/** Above what the process has before; a good file of any size takes less. */
const MEMORY = 200 * 2 ** 20;

let store: TestStore;
let before: object[];

beforeEach(async () => {
  store = await openTestStore();
  await importRatings(store, aFolder({ 'ratings.csv': `${HEADER}900,900,1.0,1\n` }), { maxRejects: 0 });
  before = await contents();
});

afterEach(() => store.drop());

test.each([
  ['ratings.csv', GOOD],
  ['ratings.dat', GOOD.slice(HEADER.length).replaceAll(',', '::')],
  ['u.data', GOOD.slice(HEADER.length).replaceAll(',', '\t')],
])(
  '%s with bytes cut out, replaced and put in is imported line by line or refused whole',
  async (name, text) => {
    for (let seed = 1; seed <= 25; seed++) await expectWholeOrNothing({ [name]: mutated(text, seed) });
  },
);

test.each([
  ['movies.csv', MOVIES],
  ['movies.dat', '1::Heat (1995)::Crime\n2::Été (1996)::Drama\n'],
  ['u.item', ITEM],
  ['links.csv', 'movieId,imdbId,tmdbId\n1,114709,862\n2,,\n'],
])('a broken %s beside good ratings is imported line by line or refused whole', async (name, text) => {
  for (let seed = 1; seed <= 15; seed++) {
    await expectWholeOrNothing({ 'ratings.csv': GOOD, [name]: mutated(text, seed) });
  }
});

test('a broken archive is refused whole', async () => {
  for (let seed = 1; seed <= 15; seed++) {
    const archive = mutated(zip({ 'ratings.csv': GOOD, 'movies.csv': MOVIES }), seed);
    await expectWholeOrNothing({ 'set.zip': archive }, 'set.zip');
  }
});

test('a line of 1 GiB is one reject, in bounded memory', async () => {
  const folder = aFolder();
  await pack(join(folder, 'ratings.csv.gz'), [
    `${HEADER}1,1,3.5,1\n`,
    ...repeated('x', GIB),
    '\n2,2,3.5,1\n',
  ]);
  const { result, grown } = await watched(() => importRatings(store, folder, { maxRejects: 1 }));
  expect(result.counts).toMatchObject({ linesRead: 3, inserted: 2, rejected: 1 });
  expect(grown).toBeLessThan(MEMORY);
});

test('a movies file that is one quote of 1 GiB is refused, in bounded memory', async () => {
  const folder = aFolder({ 'ratings.csv': GOOD });
  await pack(join(folder, 'movies.csv.gz'), ['movieId,title,genres\n1,"', ...repeated('\0', GIB)]);
  const { result, grown } = await watched(() =>
    importRatings(store, folder, { maxRejects: 1 }).catch((e) => e),
  );
  expect(result).toMatchObject({ code: 'IMPORT_BAD_ROW' });
  expect(grown).toBeLessThan(MEMORY);
  expect(await contents()).toEqual(before);
});

test('a bomb of bad lines stops at the first line too many', async () => {
  const folder = aFolder();
  await pack(join(folder, 'ratings.csv.gz'), [HEADER, ...repeated('\n', GIB)]);
  const { result, grown } = await watched(() =>
    importRatings(store, folder, { maxRejects: 5 }).catch((e) => e),
  );
  expect(result).toMatchObject({ code: 'IMPORT_BAD_ROW', message: expect.stringContaining('reject 6') });
  expect(grown).toBeLessThan(MEMORY);
  expect(await contents()).toEqual(before);
});

test('an archive of one MiB whose ratings unpack to 1 GiB stops at the first line too many', async () => {
  const bomb = zip({ 'ratings.csv': repeatedPacked('\n', GIB, HEADER) });
  expect(bomb.length).toBeLessThan(2 ** 21);
  const path = join(aFolder({ 'set.zip': bomb }), 'set.zip');
  const { result, grown } = await watched(() =>
    importRatings(store, path, { maxRejects: 5 }).catch((e) => e),
  );
  expect(result).toMatchObject({ code: 'IMPORT_BAD_ROW', message: expect.stringContaining('reject 6') });
  expect(grown).toBeLessThan(MEMORY);
  expect(await contents()).toEqual(before);
});

test('an entry of an archive that unpacks to more than it says is a damaged archive', async () => {
  const honest = zip({ 'ratings.csv': HEADER });
  const bomb = zip({ 'ratings.csv': HEADER + '1,1,3.5,1\n'.repeat(1000) });
  // The directory says how long the content is: at byte 24 of its entry.
  const directory = bomb.indexOf('PK\x01\x02');
  bomb.writeUInt32LE(HEADER.length, directory + 24);
  expect(deflateRawSync(HEADER).length).toBeLessThan(honest.length);
  const path = join(aFolder({ 'set.zip': bomb }), 'set.zip');
  await expect(importRatings(store, path, { maxRejects: 9 })).rejects.toMatchObject({
    code: 'IMPORT_BAD_ARCHIVE',
  });
  expect(await contents()).toEqual(before);
});

test('an archive whose paths lead out of it writes nothing there', async () => {
  const folder = aFolder({ 'in/set.zip': zip({ '../ratings.csv': GOOD, '../../movies.csv': MOVIES }) });
  const importing = importRatings(store, join(folder, 'in', 'set.zip'), { maxRejects: 0 });
  await expect(importing).rejects.toMatchObject({ code: 'IMPORT_BAD_ARCHIVE' });
  expect(existsSync(join(folder, 'ratings.csv'))).toBe(false);
  expect(await contents()).toEqual(before);
});

/** Every line accounted for, or a code and the store as it was. */
async function expectWholeOrNothing(files: Record<string, string | Buffer>, file = '.'): Promise<void> {
  const start = await contents();
  try {
    const { files: reports } = await importRatings(store, join(aFolder(files), file), { maxRejects: 3 });
    for (const { read, inserted, updated, unchanged, rejected } of reports) {
      expect(read).toBe(inserted + updated + unchanged + rejected);
    }
  } catch (error) {
    expect(error).toMatchObject({ code: expect.stringMatching(/^IMPORT_(BAD_|SOURCE_MISSING)/) });
    expect(await contents()).toEqual(start);
  }
}

/** One to eight changes. */
function mutated(text: string | Buffer, seed: number): Buffer {
  let bytes = Buffer.from(text as string);
  let state = seed;
  const draw = (below: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
  for (let change = draw(8); change >= 0 && bytes.length > 0; change--) {
    const at = draw(bytes.length);
    const tokens = ['-', '1e999', '\xff\xfe', '\0\0\0', ',', '\r', '"', '99999999999999999999', 'é', '\n\n'];
    const pieces = [
      () => bytes.subarray(0, at),
      () => Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.min(bytes.length, at + draw(40)))]),
      () =>
        Buffer.concat([
          bytes.subarray(0, at),
          Buffer.from(tokens[draw(tokens.length)], 'latin1'),
          bytes.subarray(at),
        ]),
      () => Buffer.concat([bytes.subarray(0, at), Buffer.from([draw(256)]), bytes.subarray(at + 1)]),
    ];
    bytes = pieces[draw(pieces.length)]();
  }
  return bytes;
}

function* repeated(character: string, bytes: number): Generator<Buffer> {
  const piece = Buffer.alloc(2 ** 20, character);
  for (let left = bytes; left > 0; left -= piece.length) yield piece;
}

/** One MiB is packed, and its blocks follow each other as often as it takes. */
function repeatedPacked(character: string, bytes: number, start: string): Packed {
  const piece = Buffer.alloc(2 ** 20, character);
  const blocks = deflateRawSync(piece, { finishFlush: constants.Z_FULL_FLUSH });
  const begin = deflateRawSync(start, { finishFlush: constants.Z_FULL_FLUSH });
  const times = bytes / piece.length;
  let sum = crc32(start);
  for (let i = 0; i < times; i++) sum = crc32(piece, sum);
  const packed = Buffer.concat([begin, ...Array(times).fill(blocks), deflateRawSync('')]);
  return { packed, size: start.length + bytes, sum };
}

/** Each piece is a member of the .gz of its own, and one that is repeated is packed once. */
async function pack(path: string, pieces: Iterable<string | Buffer>): Promise<void> {
  const packed = new Map<string | Buffer, Buffer>();
  const members = function* () {
    for (const piece of pieces) {
      const member = packed.get(piece) ?? gzipSync(piece);
      packed.set(piece, member);
      yield member;
    }
  };
  await pipeline(Readable.from(members()), createWriteStream(path));
}

/** By how much the memory of this process grew while it ran. */
async function watched<T>(work: () => Promise<T>): Promise<{ result: T; grown: number }> {
  const start = process.memoryUsage.rss();
  let most = start;
  const timer = setInterval(() => {
    most = Math.max(most, process.memoryUsage.rss());
  }, 20);
  try {
    return { result: await work(), grown: most - start };
  } finally {
    clearInterval(timer);
  }
}

async function contents(): Promise<object[]> {
  const { rows } = await store.pool.query(
    `select
       (select md5(string_agg(ratings::text, ';' order by user_id, movie_id)) from ratings) as ratings,
       (select md5(string_agg(users::text, ';' order by user_id)) from users) as users,
       (select md5(string_agg(movies::text, ';' order by movie_id)) from movies) as movies`,
  );
  return rows;
}
