// ratings.csv → binary COPY, without a database: what is read, what is refused and why, wherever the chunks are cut.

import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { RatingsParser } from '#src/loading/ratingsParser.js';
import { Rejects } from '#src/loading/rejects.js';
import { HALF_STARS } from '#src/store/scale.js';
import { type CopiedRow, decodeRatings } from './support/binaryCopy.js';

const HEADER = 'userId,movieId,rating,timestamp\n';

test('a line becomes a row with its user, movie, rating and time', async () => {
  expect(await parse(`${HEADER}1,31,2.5,1260759144\n7,1029,3.0,1260759179\n`)).toEqual({
    rows: [
      [1, 31, 2.5, 1260759144],
      [7, 1029, 3, 1260759179],
    ],
    rejects: [],
    linesRead: 2,
  });
});

test('without a timestamp column the time is null', async () => {
  const { rows } = await parse('userId,movieId,rating\n1,31,2.5\n1,32,4\n');
  expect(rows).toEqual([
    [1, 31, 2.5, null],
    [1, 32, 4, null],
  ]);
});

test('an empty timestamp is null, and 0 is 1970', async () => {
  const { rows } = await parse(`${HEADER}1,1,1,\n1,2,1,0\n`);
  expect(rows).toEqual([
    [1, 1, 1, null],
    [1, 2, 1, 0],
  ]);
});

test.each([
  ['CRLF', `${HEADER}1,31,2.5,9\n2,32,4,10\n`.replaceAll('\n', '\r\n')],
  ['LF after a CRLF header', `${HEADER.trim()}\r\n1,31,2.5,9\n2,32,4,10\n`],
  ['a byte order mark', `\uFEFF${HEADER}1,31,2.5,9\n2,32,4,10\n`],
  ['no newline at the end', `${HEADER}1,31,2.5,9\n2,32,4,10`],
  ['CR but no LF at the end', `${HEADER}1,31,2.5,9\n2,32,4,10\r`],
  ['a header in capitals', `USERID,MOVIEID,RATING,TIMESTAMP\n1,31,2.5,9\n2,32,4,10\n`],
])('%s makes no difference', async (_name, file) => {
  expect(await parse(file)).toEqual({
    rows: [
      [1, 31, 2.5, 9],
      [2, 32, 4, 10],
    ],
    rejects: [],
    linesRead: 2,
  });
});

test('every half star is exact, with and without decimals, and so are other decimals as float4', async () => {
  const ratings = '0.5 .5 1 1. 1.0 1.50 2.0 2.5 3 3.5 4.000 4.5 5 5.0 3.7 0.1e1'.split(' ');
  const { rows, rejects } = await parse(HEADER + ratings.map((rating) => `1,2,${rating},3\n`).join(''));
  expect(rows.map(([, , rating]) => rating)).toEqual([
    0.5, 0.5, 1, 1, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 5, 3.700000047683716,
  ]);
  expect(rejects.map(({ reason }) => reason)).toEqual(['rating "0.1e1" is not a decimal number']);
});

test('the largest ids and times are read, leading zeros too', async () => {
  const { rows } = await parse(`${HEADER}2147483647,2147483647,5,253402300799\n0001,02,00003.50,007\n`);
  expect(rows).toEqual([
    [2147483647, 2147483647, 5, 253402300799],
    [1, 2, 3.5, 7],
  ]);
});

test.each([
  ['', 'line is empty'],
  ['  ', 'line is empty'],
  ['1,2,3', 'expected 4 columns, found 3'],
  ['1,2,3,4,5', 'expected 4 columns, found 5'],
  ['1;2;3;4', 'expected 4 columns, found 1'],
  ['0,2,3,4', 'userId "0" is below 1'],
  ['-1,2,3,4', 'userId "-1" is not a whole number'],
  ['+1,2,3,4', 'userId "+1" is not a whole number'],
  [' 1,2,3,4', 'userId " 1" is not a whole number'],
  ['1.0,2,3,4', 'userId "1.0" is not a whole number'],
  [',2,3,4', 'userId "" is not a whole number'],
  ['"1",2,3,4', 'userId ""1"" is not a whole number'],
  ['2147483648,2,3,4', 'userId "2147483648" is above 2147483647'],
  ['99999999999,2,3,4', 'userId "99999999999" is above 2147483647'],
  ['1,0,3,4', 'movieId "0" is below 1'],
  ['1,-2,3,4', 'movieId "-2" is not a whole number'],
  ['1,,3,4', 'movieId "" is not a whole number'],
  ['1,1e3,3,4', 'movieId "1e3" is not a whole number'],
  ['1,99999999999,3,4', 'movieId "99999999999" is above 2147483647'],
  ['1,2,0.49,4', 'rating "0.49" is below 0.5'],
  ['1,2,0,4', 'rating "0" is below 0.5'],
  ['1,2,5.01,4', 'rating "5.01" is above 5'],
  ['1,2,99999999999,4', 'rating "99999999999" is above 5'],
  ['1,2,1e999,4', 'rating "1e999" is not a decimal number'],
  ['1,2,-3,4', 'rating "-3" is below 0.5'],
  ['1,2,-,4', 'rating "-" is not a decimal number'],
  ['1,2,--3,4', 'rating "--3" is not a decimal number'],
  ['1,2,NaN,4', 'rating "NaN" is not a decimal number'],
  ['1,2,.,4', 'rating "." is not a decimal number'],
  ['1,2,3.5.1,4', 'rating "3.5.1" is not a decimal number'],
  ['1,2,,4', 'rating "" is not a decimal number'],
  ['1,2,3,-4', 'timestamp "-4" is not a whole number of seconds from 0 to 253402300799'],
  ['1,2,3,4.5', 'timestamp "4.5" is not a whole number of seconds from 0 to 253402300799'],
  ['1,2,3,4 ', 'timestamp "4 " is not a whole number of seconds from 0 to 253402300799'],
  ['1,2,3,253402300800', 'timestamp "253402300800" is not a whole number of seconds from 0 to 253402300799'],
  ['1,2,3,1e999', 'timestamp "1e999" is not a whole number of seconds from 0 to 253402300799'],
])('the line %j is rejected: %s', async (line, reason) => {
  expect(await parse(`${HEADER}1,2,3,4\n${line}\n5,6,3,4\n`)).toEqual({
    rows: [
      [1, 2, 3, 4],
      [5, 6, 3, 4],
    ],
    rejects: [{ file: 'ratings.csv', line: 3, raw: line, reason }],
    linesRead: 3,
  });
});

test('numbers of hundreds of digits are rejected with their reason', async () => {
  const nines = '9'.repeat(400);
  const zeros = '0'.repeat(400);
  const { rows, rejects } = await parse(
    `${HEADER}${nines},1,1,1\n1,${nines},1,1\n1,1,${nines},1\n1,1,3.5${zeros},1\n1,1,1,${nines}\n`,
  );
  expect(rows).toEqual([]);
  expect(rejects.map(({ reason }) => reason)).toEqual([
    `userId "${nines}" is above 2147483647`,
    `movieId "${nines}" is above 2147483647`,
    `rating "${nines}" is above 5`,
    `rating "3.5${zeros}" has too many digits`,
    `timestamp "${nines}" is not a whole number of seconds from 0 to 253402300799`,
  ]);
});

test('a rejected line of a file with CRLF is kept without its line end', async () => {
  const { rejects } = await parse(`${HEADER}x,2,3,4\n`.replaceAll('\n', '\r\n'));
  expect(rejects).toEqual([
    { file: 'ratings.csv', line: 2, raw: 'x,2,3,4', reason: 'userId "x" is not a whole number' },
  ]);
});

test('bytes that are no text are kept as replacement characters, in the raw line and in the reason', async () => {
  const file = Buffer.concat([
    Buffer.from(`${HEADER}1,2,3,4\n1`),
    Buffer.from([0xff, 0x00]),
    Buffer.from(',2,3,4\n'),
  ]);
  const { rows, rejects } = await parse(file);
  expect(rows).toEqual([[1, 2, 3, 4]]);
  expect(rejects).toEqual([
    {
      file: 'ratings.csv',
      line: 3,
      raw: '1\uFFFD\uFFFD,2,3,4',
      reason: 'userId "1\uFFFD\uFFFD" is not a whole number',
    },
  ]);
});

test('a line of more than 64 KiB is rejected by its start, without keeping the rest', async () => {
  const { rows, rejects, linesRead } = await parseChunks(overlongFile(64));
  expect(rows).toEqual([
    [1, 2, 3, 4],
    [5, 6, 3, 4],
  ]);
  expect(rejects).toEqual([
    { file: 'ratings.csv', line: 3, raw: 'x'.repeat(1000), reason: 'line is longer than 65536 bytes' },
  ]);
  expect(linesRead).toBe(3);
});

test('an over-long last line without a newline is rejected too', async () => {
  const { rows, rejects } = await parse(`${HEADER}1,2,3,4\n${'x'.repeat(65_537)}`);
  expect(rows).toEqual([[1, 2, 3, 4]]);
  expect(rejects.map(({ line, reason }) => [line, reason])).toEqual([[3, 'line is longer than 65536 bytes']]);
});

test('a line is over-long whether or not it lies within one chunk', async () => {
  const valid = `${'0'.repeat(65_530)}1,2,3,4`;
  const whole = await parseChunks([Buffer.from(`${HEADER}${valid}\n`)]);
  const cut = await parseChunks([Buffer.from(`${HEADER}${valid}`), Buffer.from('\n')]);
  expect(whole.rejects.map(({ reason }) => reason)).toEqual(['line is longer than 65536 bytes']);
  expect(cut).toEqual(whole);
});

test('a line of 64 KiB is still read', async () => {
  const { rows } = await parse(`${HEADER}${'0'.repeat(65_529)}1,2,3,4\n`);
  expect(rows).toEqual([[1, 2, 3, 4]]);
});

test('a file with only a header is empty and valid', async () => {
  expect(await parse(HEADER)).toEqual({ rows: [], rejects: [], linesRead: 0 });
  expect(await parse(HEADER.trim())).toEqual({ rows: [], rejects: [], linesRead: 0 });
});

test('a file with no bytes has no header', async () => {
  await expect(parse('')).rejects.toMatchObject({
    code: 'IMPORT_BAD_HEADER',
    message: 'ratings.csv is empty',
  });
});

test.each([
  ['ratings at once', '1,2,3,4\n', '1,2,3,4'],
  ['an empty line', `\n${HEADER}1,2,3,4\n`, ''],
  ['the columns of movies.csv', 'movieId,title,genres\n', 'movieId,title,genres'],
  ['a column too many', 'userId,movieId,rating,timestamp,extra\n', 'userId,movieId,rating,timestamp,extra'],
  ['semicolons', 'userId;movieId;rating;timestamp\n', 'userId;movieId;rating;timestamp'],
  ['half a header and nothing more', 'user', 'user'],
  ['a line without end', 'x'.repeat(100_000), 'x'.repeat(200)],
])('a file that begins with %s has a wrong header', async (_name, file, found) => {
  await expect(parse(file)).rejects.toMatchObject({
    code: 'IMPORT_BAD_HEADER',
    message: `ratings.csv line 1: expected "userId,movieId,rating,timestamp", found "${found}"`,
  });
});

test('one reject more than allowed stops the parser with file, line and reason', async () => {
  const rejects = new Rejects(1);
  const parsing = parse(`${HEADER}x,2,3,4\n1,2,3,4\n1,2,9,4\n1,2,8,4\n`, rejects);
  await expect(parsing).rejects.toMatchObject({
    code: 'IMPORT_BAD_ROW',
    message: 'ratings.csv line 4: rating "9" is above 5 (reject 2, --max-rejects is 1); nothing was imported',
  });
  expect(rejects.lines.map(({ line }) => line)).toEqual([2, 4]);
});

test('the rows are the same wherever the file is cut in two', async () => {
  const file = Buffer.from(
    '\uFEFFuserId,movieId,rating,timestamp\r\n1,31,2.5,1260759144\r\n\r\n12,é,3,4\n999,1029,.5,\nx\n3,4,5.0,0',
  );
  const whole = await parseChunks([file]);
  expect(whole.rows).toHaveLength(3);
  expect(whole.rejects).toHaveLength(3);
  expect(await parseCutEverywhere(file)).toEqual([whole]);
});

test('the rows are the same when every byte comes alone', async () => {
  const file = Buffer.from(`${HEADER}1,31,2.5,1260759144\nx,y\n3,4,5.0,0\n`);
  expect(await parseChunks([...file].map((byte) => Buffer.from([byte])))).toEqual(await parseChunks([file]));
});

test('on random lines, good and bad, it agrees with a parser that splits at commas', async () => {
  const lines = randomLines(20_000, 7);
  const { rows, rejects } = await parse(`${HEADER}${lines.join('\n')}\n`, new Rejects(lines.length));
  expect(rows.length).toBeGreaterThan(5_000);
  expect(rejects.length).toBeGreaterThan(5_000);
  expect(rows).toEqual(lines.flatMap(parseNaively));
  expect(rejects.length + rows.length).toBe(lines.length);
});

interface Parsed {
  rows: CopiedRow[];
  rejects: Rejects['lines'];
  linesRead: number;
}

function parse(file: string | Buffer, rejects = new Rejects(100)): Promise<Parsed> {
  return parseChunks([Buffer.from(file)], rejects);
}

async function parseChunks(chunks: Iterable<Buffer>, rejects = new Rejects(100)): Promise<Parsed> {
  const parser = new RatingsParser('ratings.csv', rejects, { scale: HALF_STARS });
  const out = new PassThrough();
  const [copied] = await Promise.all([buffer(out), pipeline(Readable.from(chunks), parser, out)]);
  return { rows: decodeRatings(copied), rejects: rejects.lines, linesRead: parser.linesRead };
}

/** The different results there are. */
async function parseCutEverywhere(file: Buffer): Promise<Parsed[]> {
  const results = new Set<string>();
  for (let at = 1; at < file.length; at++) {
    results.add(JSON.stringify(await parseChunks([file.subarray(0, at), file.subarray(at)])));
  }
  return [...results].map((result) => JSON.parse(result));
}

function* overlongFile(mebibytes: number): Generator<Buffer> {
  yield Buffer.from(`${HEADER}1,2,3,4\nxx`);
  for (let i = 0; i < mebibytes; i++) yield Buffer.alloc(1 << 20, 'x');
  yield Buffer.from('x\n5,6,3,4\n');
}

/** Lines of the right shape whose fields are each wrong now and then. */
function randomLines(count: number, seed: number): string[] {
  const draw = randomNumbers(seed);
  const pick = (from: string[]) => from[Math.floor(draw() * from.length)];
  const id = () =>
    draw() < 0.9
      ? String(Math.floor(10 ** (draw() * 10)))
      : pick(['', '0', '-5', '1.5', '01', 'x', ' 2', '2147483647']);
  const rating = () =>
    draw() < 0.9
      ? (draw() * 5.6).toFixed(Math.floor(draw() * 3))
      : pick(['', '.', '5.', '.5', '1e0', '-1', '05.0']);
  const time = () =>
    draw() < 0.9 ? String(Math.floor(draw() * 2e9)) : pick(['', '-1', '1.5', '253402300799', '253402300800']);
  return Array.from({ length: count }, () => {
    const fields = [id(), id(), rating(), time()];
    return (draw() < 0.97 ? fields : fields.slice(0, Math.floor(draw() * 4))).join(',');
  });
}

/** The row, or none. */
function parseNaively(line: string): CopiedRow[] {
  const fields = line.split(',');
  const [user, movie, rating, time] = fields.map(Number);
  const good =
    fields.length === 4 &&
    /^\d+$/.test(fields[0]) &&
    /^\d+$/.test(fields[1]) &&
    /^[\d.]+$/.test(fields[2]) &&
    /^\d*$/.test(fields[3]) &&
    [user, movie].every((id) => id >= 1 && id < 2 ** 31) &&
    rating >= 0.5 &&
    rating <= 5 &&
    time <= 253402300799;
  return good ? [[user, movie, Math.fround(rating), fields[3] === '' ? null : time]] : [];
}

/** mulberry32: numbers in [0, 1) from a seed. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}
