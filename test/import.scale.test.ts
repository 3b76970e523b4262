// The rating scale: found in the first file, or given; stored, and kept to by later imports, predictions and the API.

import { join } from 'node:path';
import { detectScale } from '#src/loading/detectScale.js';
import { type ImportOptions, importRatings } from '#src/loading/import.js';
import { openModelHost } from '#src/scoring/modelHost.js';
import { predictPairs } from '#src/scoring/predict.js';
import { pageOfMovies } from '#src/store/movies.js';
import { readRatings } from '#src/store/ratingReader.js';
import { readScale } from '#src/store/ratingScale.js';
import { rateMovie, removeRating } from '#src/store/ratings.js';
import { pageOfUsers } from '#src/store/users.js';
import { aFolder } from './support/folder.js';
import { openTestStore, type TestStore, train } from './support/store.js';

const HEADER = 'userId,movieId,rating,timestamp\n';
/** 40 users and 30 movies, every second pair rated from −10 to 10 in whole numbers. */
const TENS = Array.from({ length: 600 }, (_, i) => [
  1 + Math.floor(i / 15),
  1 + ((2 * i + (Math.floor(i / 15) % 2)) % 30),
  ((i * 8) % 21) - 10,
]);

let store: TestStore;

beforeEach(async () => {
  store = await openTestStore();
});

afterEach(() => store.drop());

test.each([
  ['half stars', '0.5 3 4.5 5', 40, { minimum: 0.5, maximum: 5, step: 0.5 }],
  [
    'few ratings of whatever size, for they may be strays',
    '4 3.5 9',
    1,
    { minimum: 0.5, maximum: 5, step: 0.5 },
  ],
  ['many whole stars', '1 2 3 4 5', 200, { minimum: 1, maximum: 5, step: 1 }],
  ['few whole stars', '1 2 3 4 5', 100, { minimum: 0.5, maximum: 5, step: 0.5 }],
  ['thumbs up and down', '-1 1 1', 10, { minimum: -1, maximum: 1, step: 1 }],
  ['from 1 to 10', '10 7 1', 10, { minimum: 1, maximum: 10, step: 1 }],
  ['from −10 to 10 with decimals', '-9.91 3.5 8.2 0', 10, { minimum: -10, maximum: 10, step: 2 }],
  ['a scale that nobody else has', '40 500', 10, { minimum: 40, maximum: 500, step: 46 }],
])('the scale is told from ratings: %s', (_name, ratings, times, scale) => {
  const sample = Array.from({ length: times }, () => ratings.split(' ').map(Number)).flat();
  expect(detectScale(sample)).toEqual(scale);
});

test('a stray rating among many does not stretch the scale, nor does it hide it', () => {
  const tens = Array.from({ length: 500 }, (_, i) => (i % 21) - 10);
  expect(detectScale([...tens, 999, 1e9])).toEqual({ minimum: -10, maximum: 10, step: 1 });
  const stars = Array.from({ length: 500 }, (_, i) => (1 + (i % 10)) / 2);
  expect(detectScale([...stars, 999, 1e9])).toEqual({ minimum: 0.5, maximum: 5, step: 0.5 });
});

test('ratings from −10 to 10 are imported, stored with their scale, and later imports are held to it', async () => {
  const report = await load(TENS);
  expect(report).toMatchObject({
    scale: { minimum: -10, maximum: 10, step: 1 },
    counts: { inserted: 600, rejected: 0 },
  });
  expect((await store.pool.query('select min(rating), max(rating) from ratings')).rows).toEqual([
    { min: -10, max: 10 },
  ]);
  const later = await load(
    [
      [1, 1, 10.5],
      [1, 3, -3],
    ],
    { maxRejects: 1 },
  );
  expect(later.counts).toMatchObject({ rejected: 1, updated: 1 });
  const { rows } = await store.pool.query('select reason from import_rejects');
  expect(rows).toEqual([{ reason: 'rating "10.5" is above 10' }]);
});

test('counts and means are exact with negative ratings, after a merge too', async () => {
  await load(TENS);
  await load([
    [1, 1, 7],
    [1, 2, -9],
    [99, 1, -1],
  ]);
  const { rows } = await store.pool.query(
    `select count(*)::int as wrong from users
     join (select user_id, count(*) as ratings, avg(rating) as mean from ratings group by 1) truth using (user_id)
     where rating_count <> ratings or abs(mean_rating - mean) > 1e-12`,
  );
  expect(rows).toEqual([{ wrong: 0 }]);
});

test('the rest of a file is held to what its start tells', async () => {
  const stars = Array.from({ length: 50_000 }, (_, i) => [1 + i, 1, (1 + (i % 10)) / 2]);
  const report = await load([...stars, [60_000, 1, 9]], { maxRejects: 1 });
  expect(report).toMatchObject({ scale: { maximum: 5 }, counts: { inserted: 50_000, rejected: 1 } });
});

test('--scale says what the file does not, and can only widen that of a store', async () => {
  const scale = { minimum: 0, maximum: 10, step: 1 };
  expect(
    await load(
      [
        [1, 1, 4],
        [1, 2, 9],
      ],
      { scale },
    ),
  ).toMatchObject({ scale, counts: { inserted: 2 } });
  const wider = { minimum: -10, maximum: 10, step: 1 };
  await load([[1, 3, -4]], { scale: wider });
  expect(await readScale(store.pool)).toEqual(wider);
  await expect(load([[1, 4, 3]], { scale })).rejects.toMatchObject({
    code: 'IMPORT_OTHER_SCALE',
    message:
      "the store's ratings are from -10 to 10, and --scale 0:10 does not hold them; nothing was imported",
  });
});

test('a store without ratings has no scale, whatever was there before', async () => {
  await load(TENS);
  await store.pool.query('truncate ratings');
  expect(await load([[1, 1, 4]])).toMatchObject({ scale: { minimum: 0.5, maximum: 5 } });
});

test('rateMovie keeps to the scale', async () => {
  await load(TENS);
  expect(await rateMovie(store, 1, 1, -9.5, new Date(0))).toMatchObject({ rating: -9.5 });
  await expect(rateMovie(store, 1, 1, -10.5, new Date(0))).rejects.toMatchObject({
    code: 'RATING_OUT_OF_RANGE',
    message: 'rating -10.5 is outside -10 to 10',
  });
});

test('who and what has no ratings comes after negative means', async () => {
  await load([...TENS, [1, 31, 1]]);
  await removeRating(store, 1, 31);
  await rateMovie(store, 41, 1, -10, new Date());
  await removeRating(store, 41, 1);
  const users = await pageOfUsers(store, 'MEAN_RATING_DESC', 100, null);
  const movies = await pageOfMovies(store, {}, 'MEAN_RATING_DESC', 100, null);
  expect([users.at(-1)!.userId, movies.at(-1)!.movieId]).toEqual([41, 31]);
  expect(movies.at(-2)!.meanRating).toBeLessThan(0);
  const last = await pageOfMovies(store, {}, 'MEAN_RATING_DESC', 100, movies.at(-2)!.key);
  expect(last.map(({ movieId }) => movieId)).toEqual([31]);
});

test('a run is evaluated on the scale: predictions clipped to it, confusion by its steps', async () => {
  await load(TENS);
  const runId = await train(store);
  expect((await readRatings(store)).scale).toEqual({ minimum: -10, maximum: 10, step: 1 });
  const { rows } = await store.pool.query(
    `select scale_minimum as low, scale_maximum as high, cells, lowest
     from evaluations
     cross join lateral (
       select count(*)::int as cells, min(actual)::int as lowest from confusion_cells where run_id = evaluations.run_id
     ) counted
     where run_id = $1`,
    [runId],
  );
  expect(rows).toEqual([{ low: -10, high: 10, cells: 441, lowest: -10 }]);
  const modelId = (await store.pool.query('select id from models where active')).rows[0].id;
  const host = await openModelHost({ databaseUrl: store.url, modelId, threads: 1 });
  const nobody = { userId: 9999, ratingsChangedAt: null, idx: 9999, ratingCount: 1e9, meanRating: -8 };
  const [{ rating, rawScore }] = await predictPairs(store, host, [{ user: nobody, movie: nobody }]);
  await host.close();
  expect(rawScore).toBeLessThan(-10);
  expect(rating).toBe(-10);
});

function load(rows: readonly number[][], options: Partial<ImportOptions> = {}) {
  const text = HEADER + rows.map((row) => `${row.join(',')},1000000000\n`).join('');
  return importRatings(store, join(aFolder({ 'ratings.csv': text })), { maxRejects: 0, ...options });
}
