// The made-up data set: the same files for the same seed, whole or not at all, and no file of the user's overwritten unasked.

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { plantTastes } from '#src/loading/plantedTastes.js';
import { writeSyntheticSet } from '#src/loading/synthetic.js';
import { clipToScale, HALF_STARS } from '#src/store/scale.js';
import { aFolder } from './support/folder.js';

const SMALL = { users: 20, movies: 30, ratings: 200, seed: 1 };
/** Takes a few writes, so that there is a middle. */
const LARGE = { users: 400, movies: 300, ratings: 40_000, seed: 1 };

test('a synthetic set is ratings.csv with the ratings asked for, and movies.csv, and nothing else', async () => {
  const folder = join(aFolder(), 'new');
  const steps: number[] = [];
  const written = await writeSyntheticSet(folder, LARGE, { onProgress: (ratings) => steps.push(ratings) });
  expect(written).toEqual({
    ratings: 40_000,
    noise: expect.closeTo(0.617, 3),
    plantedRmse: expect.closeTo(0.6, 1),
  });
  expect(readdirSync(folder).sort()).toEqual(['movies.csv', 'ratings.csv']);
  expect(linesOf(folder, 'ratings.csv')).toHaveLength(40_001);
  expect(linesOf(folder, 'ratings.csv')[0]).toBe('userId,movieId,rating,timestamp');
  expect(linesOf(folder, 'movies.csv')).toHaveLength(301);
  expect(steps).toEqual([5_000, 10_000, 15_000, 20_000, 25_000, 30_000, 35_000, 40_000]);
});

test('the same seed gives the same files, and an older set in the folder is replaced', async () => {
  const [one, other] = [aFolder(), aFolder({ 'ratings.csv': 'old', 'movies.csv': 'old' })];
  await writeSyntheticSet(one, SMALL);
  await writeSyntheticSet(other, SMALL);
  expect(linesOf(other, 'ratings.csv')).toEqual(linesOf(one, 'ratings.csv'));
  expect(linesOf(other, 'movies.csv')).toEqual(linesOf(one, 'movies.csv'));
});

test('the planted RMSE is that of the planted expectations, clipped, against the ratings in the file', async () => {
  const folder = aFolder();
  const { plantedRmse } = await writeSyntheticSet(folder, SMALL);
  const tastes = plantTastes(SMALL.movies, SMALL.seed);
  const squares = linesOf(folder, 'ratings.csv')
    .slice(1)
    .map((line) => line.split(',').map(Number))
    .map(([user, movie, rating]) => {
      tastes.turnTo(user);
      return (clipToScale(tastes.expected(movie), HALF_STARS) - rating) ** 2;
    });
  expect(squares).toHaveLength(200);
  expect(plantedRmse ** 2).toBeCloseTo(squares.reduce((sum, square) => sum + square) / 200, 12);
});

test('a seed gives the files that it gave in earlier versions', async () => {
  const folder = aFolder();
  await writeSyntheticSet(folder, SMALL);
  const digest = (file: string) =>
    createHash('sha256')
      .update(readFileSync(join(folder, file)))
      .digest('hex');
  expect(digest('ratings.csv')).toBe('05e21c80d982237d79680ce8cf9f27285f32cd0747c2f8612762815799062696');
  expect(digest('movies.csv')).toBe('762bf0e2fbecedd843824dc0f6c1e37aa26a19f677a0520792bcd91cb8197fa6');
});

test('whoever reads the folder while a set is written finds the older one, whole', async () => {
  const folder = aFolder({ 'ratings.csv': 'old ratings', 'movies.csv': 'old movies' });
  const seen = new Set<string>();
  await writeSyntheticSet(folder, LARGE, {
    onProgress: () => seen.add(`${linesOf(folder, 'ratings.csv')}, ${linesOf(folder, 'movies.csv')}`),
  });
  expect([...seen]).toEqual(['old ratings, old movies']);
});

test('two processes may write the same set to the same folder at once', async () => {
  const [alone, shared] = [aFolder(), aFolder()];
  await writeSyntheticSet(alone, LARGE);
  await Promise.all([writeSyntheticSet(shared, LARGE), writeSyntheticSet(shared, LARGE)]);
  expect(readdirSync(shared).sort()).toEqual(['movies.csv', 'ratings.csv']);
  expect(linesOf(shared, 'ratings.csv')).toEqual(linesOf(alone, 'ratings.csv'));
});

test('a folder that cannot be made is an error with the path and the reason', async () => {
  const path = join(aFolder({ file: '' }), 'file', 'set');
  await expect(writeSyntheticSet(path, SMALL)).rejects.toMatchObject({
    code: 'SYNTH_FAILED',
    message: expect.stringMatching(new RegExp(`^${path}: ENOTDIR: not a directory`)),
  });
});

test('a folder that the system does not have made is an error, not a wait without end', async () => {
  await expect(writeSyntheticSet('/proc/sets/small', SMALL)).rejects.toMatchObject({
    code: 'SYNTH_FAILED',
    message: expect.stringContaining("mkdir '/proc"),
  });
});

test('a file that cannot be replaced is an error, and nothing half-written stays', async () => {
  const folder = aFolder();
  mkdirSync(join(folder, 'ratings.csv'));
  await expect(writeSyntheticSet(folder, SMALL)).rejects.toMatchObject({
    code: 'SYNTH_FAILED',
    message: expect.stringContaining('EISDIR'),
  });
  expect(readdirSync(folder).filter((name) => name.includes('tmp'))).toEqual([]);
});

test('a disk that takes no more is an error with the reason, the older set stays, and nothing half-written does', async () => {
  const folder = aFolder({ 'ratings.csv': 'old', 'movies.csv': 'old' });
  const { code, stderr } = await synth(['--out', folder, '--force'], 'ulimit -f 100; ');
  expect(code).toBe(1);
  expect(stderr).toMatch(new RegExp(`^SYNTH_FAILED: ${folder}: EFBIG: file too large, write\n`));
  expect(readdirSync(folder).sort()).toEqual(['movies.csv', 'ratings.csv']);
  expect(linesOf(folder, 'ratings.csv')).toEqual(['old']);
  expect(linesOf(folder, 'movies.csv')).toEqual(['old']);
});

test('synth does not overwrite ratings unless told to', async () => {
  const folder = aFolder({ 'ratings.csv': 'mine' });
  const refused = await synth(['--out', folder]);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain(
    `SYNTH_FAILED: ${join(folder, 'ratings.csv')} exists already; --force overwrites it`,
  );
  expect(readdirSync(folder)).toEqual(['ratings.csv']);
  expect(linesOf(folder, 'ratings.csv')).toEqual(['mine']);
  const forced = await synth(['--out', folder, '--force', '--ratings', '9000', '--json']);
  expect(forced.code).toBe(0);
  expect(JSON.parse(forced.stdout.trim().split('\n').at(-1)!)).toEqual({
    ...{ event: 'written', out: folder, users: 1000, movies: 500, ratings: 9000, seed: 1 },
    noise: expect.any(Number),
    plantedRmse: expect.any(Number),
  });
  expect(linesOf(folder, 'ratings.csv')).toHaveLength(9001);
});

test('synth without a name for the folder is wrong usage', async () => {
  expect(await synth(['--out', ''])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('USAGE: --out is empty'),
  });
});

test('synth that is stopped leaves nothing half-written', async () => {
  const folder = aFolder();
  const size = ['--users', '50000', '--movies', '2000', '--ratings', '20000000'];
  const child = spawn(process.execPath, ['dist/main.js', 'synth', '--out', folder, ...size, '--json']);
  let stderr = '';
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  await once(child.stdout, 'data');
  expect(readdirSync(folder)).toHaveLength(2);
  child.kill('SIGINT');
  expect(await once(child, 'close')).toEqual([1, null]);
  expect(stderr).toContain('SYNTH_FAILED: writing was stopped; nothing was written');
  expect(readdirSync(folder)).toEqual([]);
});

function linesOf(folder: string, file: string): string[] {
  return readFileSync(join(folder, file), 'utf8').trimEnd().split('\n');
}

/** Runs the command in a shell, after `limits` such as "ulimit -f 100; " (in blocks of 512 or 1024 bytes). */
async function synth(args: string[], limits = '') {
  const { NODE_OPTIONS, ...env } = process.env;
  const command = ['-c', `${limits}exec "$@"`, 'sh', process.execPath, 'dist/main.js', 'synth', ...args];
  const child = spawn('sh', command, { env });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (text) => {
    output.stdout += text;
  });
  child.stderr.on('data', (text) => {
    output.stderr += text;
  });
  const [code] = await once(child, 'close');
  return { code: code as number | null, ...output };
}
