// marquee score --pairs: given pairs are predicted as the API predicts them, line by line, and nothing is stored.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { startTestApi, type TestApi } from './support/api.js';
import { importSynthetic, openTestStore, type TestStore, train } from './support/store.js';

let store: TestStore;
let api: TestApi;
let folder: string;
beforeAll(async () => {
  store = await openTestStore();
  await importSynthetic(store);
  await train(store);
  api = await startTestApi(store);
  folder = await mkdtemp(join(tmpdir(), 'marquee-pairs-'));
});
afterAll(async () => {
  await api.close();
  await rm(folder, { recursive: true });
  await store.drop();
});

test('each pair gets the rating that the API predicts, in the order of the file', async () => {
  await writeFile(at('pairs.csv'), 'userId,movieId\n3,7\n1,2\n999999,7\n3,7\n');
  await marquee('--pairs', at('pairs.csv'), '--out', at('predicted.csv'));
  const [known, other, stranger] = await Promise.all([
    predicted(3, 7),
    predicted(1, 2),
    predicted(999999, 7),
  ]);
  expect(await readFile(at('predicted.csv'), 'utf8')).toBe(
    `userId,movieId,predicted,source\n3,7,${known},MODEL\n1,2,${other},MODEL\n999999,7,${stranger},FALLBACK\n3,7,${known},MODEL\n`,
  );
});

test('without --out the pairs go to stdout, and what is told of lines that are no pair to stderr', async () => {
  const lines = ['movieId,rating,userId', '7,4,3', '7,4', '7,4,x', '0,4,3', '', '7,4,3000000000', '2,,1'];
  await writeFile(at('bad.csv.gz'), gzipSync(`\uFEFF${lines.join('\r\n')}\r\n`));
  const { stdout, stderr } = await marquee('--pairs', at('bad.csv.gz'));
  const [first, second] = await Promise.all([predicted(3, 7), predicted(1, 2)]);
  expect(stdout).toBe(`userId,movieId,predicted,source\n3,7,${first},MODEL\n1,2,${second},MODEL\n`);
  // A driver of a GPU that is looked for may say something there, too.
  expect(stderr.split('\n').filter((line) => /rejected/.test(line))).toEqual([
    'line 3 rejected: expected 3 columns, found 2',
    'line 4 rejected: userId "x" is not a whole number',
    'line 5 rejected: movieId "0" is below 1',
    'line 6 rejected: line is empty',
    'line 7 rejected: userId "3000000000" is above 2147483647',
    '2 pairs predicted by model 1, 5 lines rejected',
  ]);
});

test('with --json every pair and every rejected line is an event', async () => {
  await writeFile(at('json.csv'), 'userId,movieId\n3,7\nx,7\n3,999999');
  const { stdout } = await marquee('--pairs', at('json.csv'), '--json');
  const events = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(events.filter(({ event }) => event !== 'progress')).toEqual([
    { event: 'rejected', line: 3, reason: 'userId "x" is not a whole number' },
    { event: 'prediction', userId: 3, movieId: 7, predicted: await predicted(3, 7), source: 'MODEL' },
    { event: 'prediction', userId: 3, movieId: 999999, predicted: expect.any(Number), source: 'FALLBACK' },
    { event: 'predicted', modelVersion: 1, pairs: 2, rejected: 1 },
  ]);
});

test('more pairs than one block are all answered', async () => {
  await writeFile(at('many.csv'), `userId,movieId\n${'3,7\n'.repeat(20_000)}1,2\n`);
  await marquee('--pairs', at('many.csv'), '--out', at('many.out'));
  const lines = (await readFile(at('many.out'), 'utf8')).trim().split('\n');
  expect([lines.length, new Set(lines).size]).toEqual([20_002, 3]);
  expect(lines.at(-1)).toBe(`1,2,${await predicted(1, 2)},MODEL`);
});

test.each([
  [
    'a file that is there',
    'userId,movieId\n3,7\n',
    ['--out', 'kept.csv'],
    1,
    'EXPORT_FAILED: .*exists already',
  ],
  ['a file without its header', '3,7\n', [], 1, 'PAIRS_BAD_HEADER: .*expected "userId,movieId", found "3,7"'],
  ['an empty file', '', [], 1, 'PAIRS_BAD_HEADER: .*is empty'],
  ['a model that is not there', 'userId,movieId\n', ['--model', '99'], 1, 'MODEL_NOT_FOUND'],
  ['--top beside --pairs', 'userId,movieId\n', ['--top', '5'], 2, "cannot be used with option '--top"],
])('%s is refused, and nothing is written', async (_case, text, options, code, message) => {
  await writeFile(at('kept.csv'), 'kept');
  await writeFile(at('refused.csv'), text);
  const run = marquee('--pairs', at('refused.csv'), ...options);
  await expect(run).rejects.toMatchObject({ code, stderr: expect.stringMatching(message) });
  expect(await readFile(at('kept.csv'), 'utf8')).toBe('kept');
});

test('a file that is not there, or cannot be read, is told with what to give instead', async () => {
  await mkdir(at('unreadable/ratings.csv'), { recursive: true });
  for (const [path, reason] of [
    [at('absent.csv'), 'does not exist'],
    [at('unreadable'), 'cannot be read: EISDIR: illegal operation on a directory, read'],
  ]) {
    const message = `PAIRS_SOURCE_MISSING: ${path} ${reason}\nGive a CSV that begins with the line userId,movieId`;
    await expect(marquee('--pairs', path)).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining(message),
    });
  }
});

test('--out without --pairs is wrong usage', async () => {
  await expect(marquee('--out', 'lists.csv')).rejects.toMatchObject({ code: 2 });
});

test('stopped in the middle, no file is left', async () => {
  await writeFile(at('long.csv'), 'userId,movieId\n');
  await appendFile(at('long.csv'), '3,7\n1,2\n'.repeat(1_500_000));
  const args = ['dist/main.js', 'score', '--pairs', at('long.csv'), '--out', at('long.out'), '--json'];
  const child = spawn(process.execPath, args, { env: environment(), stdio: ['ignore', 'pipe', 'ignore'] });
  await once(child.stdout, 'data');
  child.kill('SIGINT');
  child.stdout.resume();
  expect(await once(child, 'exit')).toEqual([1, null]);
  expect((await readdir(folder)).filter((name) => /long\.out|marquee-export/.test(name))).toEqual([]);
});

test('nothing of it goes into the store', async () => {
  const { rows } = await store.pool.query('select count(*)::int as count from scoring_runs');
  expect(rows).toEqual([{ count: 0 }]);
});

function at(file: string): string {
  return join(folder, file);
}

function marquee(...args: string[]) {
  const options = { env: environment(), cwd: folder, maxBuffer: 1 << 24 };
  return promisify(execFile)(
    process.execPath,
    [join(process.cwd(), 'dist/main.js'), 'score', ...args],
    options,
  );
}

function environment() {
  return { PATH: process.env.PATH, DATABASE_URL: store.url };
}

async function predicted(userId: number, movieId: number): Promise<number> {
  const { data } = await api.query(
    'query ($userId: Int!, $movieId: Int!) { predictedRating(userId: $userId, movieId: $movieId) { rating } }',
    { userId, movieId },
  );
  return data.predictedRating.rating;
}
