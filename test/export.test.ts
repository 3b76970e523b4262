// What leaves the store can be read again: by marquee import, by another reader of parquet, by TensorFlow.js.

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import * as tfjsCore from '@tensorflow/tfjs-core';
import { loadLayersModel } from '@tensorflow/tfjs-layers';
import '@tensorflow/tfjs-backend-cpu';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { intoFolder } from '#src/commands/export/files.js';
import { importRatings } from '#src/loading/import.js';
import { helpScoring } from '#src/scoring/batchScoring.js';
import { createRecommender } from '#src/scoring/recommender.js';
import { resolveHyperparameters } from '#src/store/hyperparameterChecks.js';
import { readRatings } from '#src/store/ratingReader.js';
import { createScoringRun } from '#src/store/scoringRuns.js';
import type { Store } from '#src/store/store.js';
import { type ExportTable, readTables } from '#src/store/tableExport.js';
import { aRunRequest, importSynthetic, openTestStore, type TestStore, train } from './support/store.js';

let store: TestStore;
let folder: string;
beforeAll(async () => {
  store = await openTestStore();
  await importSynthetic(store);
  folder = await mkdtemp(join(tmpdir(), 'marquee-export-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
  await store.drop();
});

test('ratings exported as CSV make the same store when they are imported', async () => {
  await store.pool.query(
    `update movies set title = 'Say "Hi", twice', year = 1999, imdb_id = 42 where movie_id = 7`,
  );
  await store.pool.query('update ratings set rated_at = null where user_id = 3');
  const { stdout } = await marquee('export', 'ratings', '--format', 'csv', '--out', out('csv'), '--json');
  expect(JSON.parse(stdout.trim().split('\n').at(-1)!)).toMatchObject({
    event: 'exported',
    files: ['ratings.csv', 'movies.csv', 'links.csv'],
  });
  const copy = await openTestStore();
  await importRatings(copy, out('csv'), { maxRejects: 0 });
  expect((await readRatings(copy)).checksum).toBe((await readRatings(store)).checksum);
  for (const table of [
    'select user_id, movie_id, rating, rated_at from ratings order by 1, 2',
    'select movie_id, title, year, genres, imdb_id, tmdb_id, rating_count from movies order by 1',
  ])
    expect(await rowsOf(copy, table)).toEqual(await rowsOf(store, table));
  await copy.drop();
});

test('ratings exported as parquet are the same rows to another reader', async () => {
  await marquee('export', 'ratings', '--format', 'parquet', '--out', out('parquet'));
  const rows = await parquetReadObjects({
    file: await asyncBufferFromFile(join(out('parquet'), 'ratings.parquet')),
  });
  expect(rows).toEqual(
    await rowsOf(
      store,
      'select user_id as "userId", movie_id as "movieId", rating, rated_at as timestamp from ratings order by 1, 2',
    ),
  );
  const movies = await parquetReadObjects({
    file: await asyncBufferFromFile(join(out('parquet'), 'movies.parquet')),
  });
  expect(movies.length).toBe(80);
  expect(movies[6]).toMatchObject({ movieId: 7, title: 'Say "Hi", twice (1999)' });
});

test('stored lists are exported, and where none are stored the error says what to do', async () => {
  await train(store);
  const early = marquee('export', 'predictions', '--format', 'csv', '--out', out('lists'));
  await expect(early).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining('run marquee score first'),
  });
  const { id } = await store.prisma.model.findFirstOrThrow({ where: { active: true } });
  const run = await createScoringRun(store, { modelId: id, top: 3, idempotencyKey: null });
  await helpScoring(store, run.id, { threads: 1, signal: new AbortController().signal });
  await marquee('export', 'predictions', '--format', 'csv', '--out', out('lists'));
  const lines = (await readFile(join(out('lists'), 'predictions.csv'), 'utf8')).trim().split('\n');
  expect(lines[0]).toBe('userId,rank,movieId,predicted');
  expect(lines.length).toBe(1 + 120 * 3);
});

test('an export that is stopped says so, and nothing of it is left', async () => {
  const stop = new AbortController();
  const writing = intoFolder(
    { out: out('stopped'), force: false, signal: stop.signal, onRows() {} },
    async (path) => {
      await writeFile(join(path, 'ratings.csv'), 'half');
      stop.abort();
      stop.signal.throwIfAborted();
    },
  );
  await expect(writing).rejects.toMatchObject({
    code: 'RUN_CANCELLED',
    message: expect.stringContaining('nothing of it is there'),
  });
  expect((await readdir(folder)).filter((name) => /stopped|marquee-export/.test(name))).toEqual([]);
});

test.each([
  ['paper', { epochs: 2, hiddenLayers: [16] }],
  ['paper-deep', { epochs: 1, hiddenLayers: [16, 8] }],
  ['mf', { epochs: 2, embeddingWidth: 4 }],
  ['fast', { epochs: 8, burnIn: 2 }],
])('a model of %s predicts the same stars in TensorFlow.js alone', async (preset, changes) => {
  const hyperparameters = resolveHyperparameters(preset, changes);
  const runId = await train(store, aRunRequest({ preset, hyperparameters, engine: 'auto' }));
  const { id, version } = await store.prisma.model.findUniqueOrThrow({ where: { runId } });
  await marquee('export', 'model', '--format', 'tfjs', '--model', String(version), '--out', out(preset));
  const [users, movies] = await Promise.all(
    ['users.json', 'movies.json'].map((file) => readJson(out(preset), file)),
  );
  const pairs = Array.from({ length: 500 }, (_, i) => [i % users.length, (i * 7) % movies.length]);
  const ours = await predictedRatings(id, pairs);
  const theirs = await predictInTfjs(out(preset), pairs);
  const known = pairs.map((_, i) => i).filter((i) => ours[i] !== null);
  expect(known.length).toBeGreaterThan(400);
  for (const i of known) expect(Math.abs(theirs[i] - ours[i]!)).toBeLessThan(1e-5);
});

test('a folder that is there is kept unless it is to be replaced, and a refused export leaves nothing', async () => {
  const again = marquee('export', 'ratings', '--format', 'csv', '--out', out('csv'));
  await expect(again).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining('--force replaces an earlier export'),
  });
  await marquee('export', 'ratings', '--format', 'csv', '--out', out('csv'), '--force');
  await writeFile(join(out('csv'), 'thesis.tex'), 'years of work');
  const onto = (path: string) =>
    marquee('export', 'ratings', '--format', 'csv', '--out', path, '--force').catch(({ stderr }) => stderr);
  expect(await onto(out('csv'))).toContain('holds thesis.tex, which is of no export');
  expect(await onto(join(out('csv'), 'thesis.tex'))).toContain('is not a folder');
  expect(await readFile(join(out('csv'), 'thesis.tex'), 'utf8')).toBe('years of work');
  const wrong = marquee('export', 'model', '--format', 'csv', '--out', out('wrong'));
  await expect(wrong).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining('expected tfjs') });
  expect(existsSync(out('wrong'))).toBe(false);
  expect((await readdir(folder)).filter((name) => name.startsWith('.'))).toEqual([]);
});

test.each(['csv', 'parquet'])(
  'a disk that takes no more of a %s is told, and nothing stays',
  async (format) => {
    const args = ['dist/main.js', 'export', 'ratings', '--format', format, '--out', out('full')];
    const command = ['-c', 'ulimit -f 8; exec "$@"', 'sh', process.execPath, ...args];
    await expect(promisify(execFile)('sh', command, { env: environment() })).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^EXPORT_FAILED: could not write .*full: EFBIG: file too large, write$/m),
    });
    expect((await readdir(folder)).filter((name) => /^\.|full/.test(name))).toEqual([]);
  },
);

test('a reader of a table that fails in the middle says why, and the pool goes on', async () => {
  const text = [`repeat('x', 1000)`];
  const wide: ExportTable = {
    ...{ name: 'wide', columns: [{ name: 'text', type: 'STRING' }], csv: text, row: text },
    ...{ from: 'generate_series(1, 50000) as i', orderBy: 'i' },
  };
  const full = new Writable({ write: (_chunk, _encoding, done) => done(new Error('the disk is full')) });
  const reading = readTables(store, (reader) => pipeline(reader.csv(wide), full));
  await expect(reading).rejects.toThrow('the disk is full');
  expect((await store.pool.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
});

function out(name: string): string {
  return join(folder, name);
}

function marquee(...args: string[]) {
  return promisify(execFile)(process.execPath, ['dist/main.js', ...args], { env: environment() });
}

function environment() {
  return { PATH: process.env.PATH, DATABASE_URL: store.url };
}

async function rowsOf({ pool }: Store, query: string): Promise<object[]> {
  return (await pool.query(query)).rows;
}

async function readJson(path: string, file: string) {
  return JSON.parse(await readFile(join(path, file), 'utf8'));
}

/** null where the model does not know user or movie. */
async function predictedRatings(modelId: number, pairs: number[][]): Promise<(number | null)[]> {
  const recommender = createRecommender(store, { threads: 1 });
  const subject = (idx: number) => ({
    userId: 0,
    ratingsChangedAt: null,
    idx,
    ratingCount: 0,
    meanRating: null,
  });
  const scored = await recommender.predict(
    modelId,
    pairs.map(([user, movie]) => ({ user: subject(user), movie: subject(movie) })),
  );
  await recommender.close();
  return scored.map(({ rating, source }) => (source === 'MODEL' ? rating : null));
}

async function predictInTfjs(path: string, pairs: number[][]): Promise<Float32Array> {
  await tfjsCore.setBackend('cpu');
  const { modelTopology, weightsManifest } = await readJson(path, 'model.json');
  const shards = await Promise.all(
    weightsManifest[0].paths.map((file: string) => readFile(join(path, file))),
  );
  const weightData = new Uint8Array(Buffer.concat(shards)).buffer;
  const model = await loadLayersModel(
    tfjsCore.io.fromMemory({ modelTopology, weightSpecs: weightsManifest[0].weights, weightData }),
  );
  const column = (at: number) =>
    tfjsCore.tensor2d(
      pairs.map((pair) => [pair[at]]),
      [pairs.length, 1],
      'int32',
    );
  const output = model.predict([column(0), column(1)]) as tfjsCore.Tensor;
  return (await output.data()) as Float32Array;
}
