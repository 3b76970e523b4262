// marquee cv as a user runs it: a process of its own, and no database unless it is asked for the store.

import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { importRatings } from '#src/loading/import.js';
import { writeSyntheticSet } from '#src/loading/synthetic.js';
import { openTestStore } from './support/store.js';

const run = promisify(execFile);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'marquee-cv-'));
  await writeSyntheticSet(folder, { users: 200, movies: 100, ratings: 8000, seed: 3 });
});
afterAll(() => rm(folder, { recursive: true }));

// A home and a database that cannot be: cv needs neither.
function cv(...args: string[]) {
  return cvOn('postgresql://127.0.0.1:1/none', ...args);
}

async function cvOn(databaseUrl: string, ...args: string[]) {
  const env = { ...process.env, MARQUEE_HOME: '/dev/null/none', DATABASE_URL: databaseUrl };
  const ended = run(process.execPath, ['dist/main.js', 'cv', ...args], { env });
  return ended.then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
  );
}

test('presets side by side: each fold, then the mean with its spread', async () => {
  const { code, stdout } = await cv(folder, '--folds', '2', '--preset', 'fast,paper');
  expect(code).toBe(0);
  // What `paper` does not know, it does not show.
  for (const [preset, noise] of [
    ['fast', '  noise 0\\.\\d{4}'],
    ['paper', ''],
  ]) {
    expect(stdout).toMatch(
      new RegExp(`${preset}, fold 2/2: RMSE 0\\.\\d{5}  MAE 0\\.\\d{5}${noise}  4,000 \\+ 4,000 ratings`),
    );
    expect(stdout).toMatch(
      new RegExp(`${preset} on .*: RMSE 0\\.\\d{5} ± 0\\.\\d{5}  MAE 0\\.\\d{5} ± 0\\.\\d{5}`),
    );
  }
});

test('--json ends with one line that has all figures, and the same seeds give the same ones', async () => {
  const args = [folder, '--folds', '2', '--preset', 'fast', '--json'];
  const [first, second] = [await cv(...args), await cv(...args)].map(({ stdout }) =>
    JSON.parse(stdout.trim().split('\n').at(-1)!),
  );
  expect(first).toMatchObject({
    event: 'cv',
    cv: folder,
    preset: 'fast',
    protocol: '2 folds',
    seed: 42,
    splitSeed: 42,
  });
  expect(first.folds).toHaveLength(2);
  expect(first.baselines.map(({ name }: { name: string }) => name)).toContain('user+movie bias');
  expect(first.rmse).toBeLessThan(Math.min(...first.baselines.map(({ rmse }: { rmse: number }) => rmse)));
  expect(first.rmse).toBeCloseTo((first.folds[0].rmse + first.folds[1].rmse) / 2, 12);
  expect([second.rmse, second.mae]).toEqual([first.rmse, first.mae]);
});

test('folds that are given as files', async () => {
  const [header, ...lines] = (await readFile(join(folder, 'ratings.csv'), 'utf8')).trim().split('\n');
  const isTest = (i: number) => i % 4 === 0;
  for (const [name, part] of [
    ['a.base', lines.filter((_, i) => !isTest(i))],
    ['a.test', lines.filter((_, i) => isTest(i))],
  ] as const)
    await writeFile(join(folder, name), [header, ...part].join('\n'));
  const { stdout } = await cv(folder, '--fold-files', 'a.base:a.test', '--preset', 'fast', '--json');
  const last = JSON.parse(stdout.trim().split('\n').at(-1)!);
  expect(last.folds).toMatchObject([{ trainRatings: 6000, testRatings: 2000 }]);
  expect(last.rmse).toBeLessThan(0.9);
});

test('the ratings of the store, with what it tells of movies beside, give the figures of the files that were imported', async () => {
  const store = await openTestStore();
  try {
    await importRatings(store, folder, { maxRejects: 0 });
    const args = ['--folds', '2', '--preset', 'fast', '--side-information', '--json'];
    const [ofStore, ofFiles, without] = [
      await cvOn(store.url, ...args),
      await cv(folder, ...args),
      await cv(folder, '--folds', '2', '--preset', 'fast', '--json'),
    ].map(({ stdout }) => JSON.parse(stdout.trim().split('\n').at(-1)!));
    expect(ofStore).toMatchObject({ cv: 'the store', preset: 'fast', sideInformation: true });
    expect(ofFiles).toMatchObject({ cv: folder, sideInformation: true });
    // Rows and folds come in another order.
    expect(Math.abs(ofStore.rmse - ofFiles.rmse)).toBeLessThan(0.03);
    expect(without.sideInformation).toBe(false);
    expect(without.rmse).not.toBe(ofFiles.rmse);
  } finally {
    await store.drop();
  }
});

test('what cannot be measured is said', async () => {
  const wrong = [
    await cv(),
    await cv(folder, '--preset', 'best'),
    await cv('/nowhere'),
    await cv('--fold-files', 'a.base'),
  ];
  expect(wrong.map(({ code }) => code)).toEqual([1, 2, 1, 2]);
  // Without a path it is the store that is asked.
  expect(wrong[0].stderr).toContain('DATABASE_UNREACHABLE');
  expect(wrong[1].stderr).toContain('PRESET_UNKNOWN');
  expect(wrong[2].stderr).toContain('IMPORT_SOURCE_MISSING');
  expect(wrong[3].stderr).toContain('expects <train>:<test>');
});

test('--new-users leaves users out whole, and tells errors and intervals on what they rated besides', async () => {
  const args = [folder, '--folds', '2', '--preset', 'fast', '--new-users', '5,10'];
  const { code, stdout } = await cv(...args);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^fast, 200 new users with 5 ratings each: RMSE \d\.\d{4} {2}MAE \d\.\d{4}$/m);
  expect(stdout).toMatch(/^ {2}on their other 7,000; intervals hold .+ % for 50 %, .+ for 95 %$/m);
  const lines = (await cv(...args, '--json')).stdout.trim().split('\n');
  expect(JSON.parse(lines.at(-1)!)).toMatchObject({
    ...{ event: 'newUsers', preset: 'fast', given: 10, users: 200, testRatings: 6000 },
    intervals: [{ level: 0.5 }, { level: 0.8 }, { level: 0.9 }, { level: 0.95 }],
  });
});

test.each([
  ['presets that fold nobody in', ['--preset', 'paper', '--new-users', '5'], 'which paper is not'],
  ['more ratings than anybody has', ['--preset', 'fast', '--new-users', '999'], 'nobody has so many'],
  ['no number', ['--new-users', 'five'], 'Expected a whole number from 1 to 1000'],
])('--new-users refuses %s', async (_what, args, message) => {
  const { code, stderr } = await cv(folder, ...args);
  expect(code).toBe(2);
  expect(stderr).toContain(message);
});
