// Side information: what genres, decades and demographics add to the priors of a run, and how movies without ratings are told of.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { draws, normal } from '#src/engines/draws.js';
import { describeMovies, fitMoviePrior } from '#src/engines/moviePrior.js';
import { importRatings } from '#src/loading/import.js';
import { readDetails } from '#src/loading/tables.js';
import { movieLabels, tabulate, userLabels } from '#src/store/attributes.js';
import { findCheckpoint } from '#src/store/checkpoints.js';
import { resolveHyperparameters } from '#src/store/hyperparameterChecks.js';
import { getModel, listModels, loadModel } from '#src/store/models.js';
import { readRatings } from '#src/store/ratingReader.js';
import { claimRun, createRun, getRun } from '#src/store/runs.js';
import { attributesOf, indexRatings } from '#src/training/crossValidate.js';
import { runInThread } from '#src/training/runInThread.js';
import { startTestApi, type TestApi } from './support/api.js';
import { handBackAfter } from './support/held.js';
import { aRunRequest, openTestStore, type TestStore, train } from './support/store.js';

const SMALL = { embeddingWidth: 4, epochs: 40, burnIn: 10 };

let store: TestStore;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'marquee-genres-'));
  await writeTastesByGenre(folder);
  store = await openTestStore();
  await importRatings(store, folder, { maxRejects: 0 });
});
afterEach(async () => {
  await store.drop();
  await rm(folder, { recursive: true });
});

/** Users 1 … 80: odd ones like comedies and dislike horror, by a star; even ones the other way round. Movies 1 … 60: odd ones are comedies. */
async function writeTastesByGenre(path: string): Promise<void> {
  const random = (user: number, movie: number) => normal(draws(1, 0, 902, user), movie);
  const ids = (count: number) => Array.from({ length: count }, (_, i) => i + 1);
  const likes = (user: number, movie: number) => ((user + movie) % 2 === 0 ? 1 : -1);
  const stars = (user: number, movie: number) =>
    Math.min(5, Math.max(1, Math.round(3 + likes(user, movie) + 0.4 * random(user, movie))));
  const ratings = ids(80).flatMap((user) =>
    ids(60)
      .filter((movie) => (user * 7 + movie * 3) % 5 < 2)
      .map((movie) => `${user}::${movie}::${stars(user, movie)}::1`),
  );
  const movies = ids(60).map((movie) => {
    const year = 1980 + (movie % 4);
    return `${movie}::Movie ${movie} (${year})::${movie % 2 === 1 ? 'Comedy' : 'Horror'}`;
  });
  const users = ids(80).map((user) => `${user}::${user % 2 === 1 ? 'F' : 'M'}::25::${user % 3}::0`);
  await writeFile(join(path, 'ratings.dat'), ratings.join('\n'));
  await writeFile(join(path, 'movies.dat'), movies.join('\n'));
  await writeFile(join(path, 'users.dat'), users.join('\n'));
}

function aRequest(overrides: object = {}) {
  const hyperparameters = resolveHyperparameters('maximum', { ...SMALL, ...overrides });
  return aRunRequest({ preset: 'maximum', hyperparameters, engine: 'auto' });
}

/** After the training, without ratings. */
async function addMovie(movieId: number, genre: string, year: number | null = 1981): Promise<void> {
  await store.pool.query(
    `insert into movies (movie_id, idx, title, year, genres) select $1, max(idx) + 1, 'New', $3, array[$2] from movies`,
    [movieId, genre, year],
  );
}

async function withApi(work: (api: TestApi) => Promise<void>): Promise<void> {
  const api = await startTestApi(store);
  try {
    await work(api);
  } finally {
    await api.close();
  }
}

const PREDICTION = 'source rawScore standardDeviation';
const predictionsOf = (movieId: number) =>
  `{ lover: predictedRating(userId: 1, movieId: ${movieId}) { ${PREDICTION} }
     hater: predictedRating(userId: 2, movieId: ${movieId}) { ${PREDICTION} } }`;

test('a movie without ratings is told of by its genre: as those like it by who likes them, and less surely', async () => {
  await train(store, aRequest());
  await addMovie(9001, 'Comedy');
  await addMovie(9002, 'Horror');
  await withApi(async (api) => {
    const { data: comedy } = await api.query(predictionsOf(9001));
    expect(comedy.lover.source).toBe('MODEL');
    expect(comedy.lover.rawScore).toBeGreaterThan(3.6);
    expect(comedy.hater.rawScore).toBeLessThan(2.4);
    const { data: horror } = await api.query(predictionsOf(9002));
    expect(horror.lover.rawScore).toBeLessThan(2.4);
    expect(horror.hater.rawScore).toBeGreaterThan(3.6);
    const { data: rated } = await api.query(predictionsOf(1));
    expect(comedy.lover.standardDeviation).toBeGreaterThan(rated.lover.standardDeviation);
  });
});

test('it takes its place in recommendations of any order, and its prediction is the same there', async () => {
  await train(store, aRequest());
  await addMovie(9001, 'Comedy');
  await addMovie(9002, 'Horror');
  await withApi(async (api) => {
    const orders = ['EXPECTED_RATING', 'CAUTIOUS', 'EXPLORE'];
    const lists = [];
    for (const order of orders) {
      const { data } = await api.query(`{ user(userId: 1) { recommendations(first: 100, orderBy: ${order}) {
        nodes { predictedRating source movie { movieId } } } } }`);
      lists.push(data.user.recommendations.nodes);
    }
    const { data } = await api.query(predictionsOf(9001));
    for (const nodes of lists) {
      const [comedy, horror] = [9001, 9002].map((id) =>
        nodes.findIndex(({ movie }: { movie: { movieId: number } }) => movie.movieId === id),
      );
      expect(comedy).toBeGreaterThanOrEqual(0);
      expect(horror).toBeGreaterThan(comedy);
      expect(nodes[comedy].source).toBe('MODEL');
      expect(nodes[comedy].predictedRating).toBeCloseTo(Math.min(5, data.lover.rawScore), 4);
    }
  });
});

test('ratings that came since move it, and visitors without demographics are folded in beside it', async () => {
  await train(store, aRequest());
  await addMovie(9001, 'Comedy');
  await withApi(async (api) => {
    const before = (await api.query(predictionsOf(9001))).data.hater.rawScore;
    for (let user = 41; user <= 60; user++)
      await api.query(
        `mutation { rateMovie(input: { userId: ${user}, movieId: 9001, rating: 5 }) { userErrors { code } } }`,
      );
    expect((await api.query(predictionsOf(9001))).data.hater.rawScore).toBeGreaterThan(before + 0.5);
    const { data } = await api.query(`{ recommendForTastes(first: 100,
      ratings: [{ movieId: 1, rating: 5 }, { movieId: 2, rating: 1 }, { movieId: 3, rating: 5 }]) {
      source movie { movieId } } }`);
    const visitor = data.recommendForTastes;
    expect(visitor.every(({ source }: { source: string }) => source === 'FOLD_IN')).toBe(true);
    expect(visitor.map(({ movie }: { movie: { movieId: number } }) => movie.movieId)).toContain(9001);
  });
});

test('what the model knows nothing of gets a fallback: another genre, another decade, a model without side information', async () => {
  await train(store, aRequest());
  await addMovie(9001, 'Western', 1999);
  await addMovie(9002, 'Comedy', null);
  const sourceOf = async (movieId: number) => {
    let source: string | undefined;
    await withApi(async (api) => {
      source = (await api.query(predictionsOf(movieId))).data.lover.source;
    });
    return source;
  };
  expect([await sourceOf(9001), await sourceOf(9002)]).toEqual(['FALLBACK', 'MODEL']);
  await train(store, { ...aRequest({ sideInformation: false }), seed: 2 });
  const [newest] = await listModels(store, 1, null);
  expect(newest.movieAttributes).toEqual([]);
  expect((await loadModel(store, newest.id)).posterior!.map(({ name }) => name)).not.toContain(
    'movie_prior_center',
  );
});

test('the record says whether side information was taken, and a store without any trains all the same', async () => {
  const runId = await train(store, aRequest());
  expect((await getRun(store, runId)).hyperparameters).toMatchObject({ sideInformation: true });
  const [model] = await listModels(store, 1, null);
  expect((await getModel(store, model.id)).movieAttributes).toEqual([
    'decade:1980',
    'genre:Comedy',
    'genre:Horror',
  ]);
  await store.pool.query(`update movies set genres = '{}', year = null`);
  await store.pool.query('update users set gender = null, age = null, occupation = null');
  const bare = await train(store, aRequest());
  expect((await getRun(store, bare)).status).toBe('SUCCEEDED');
  expect((await listModels(store, 1, null))[0].movieAttributes).toEqual([]);
});

test('other genres are another snapshot: a run that was stopped begins anew', async () => {
  const { checksum: plain } = await readRatings(store);
  const { checksum } = await readRatings(store, { withAttributes: true });
  expect(checksum).not.toBe(plain);
  expect((await readRatings(store, { withAttributes: true })).checksum).toBe(checksum);
  const run = await createRun(store, aRequest(), 'RUNNING');
  await handBackAfter(store, run, 3);
  expect(await findCheckpoint(store, await getRun(store, run.id))).toMatchObject({
    snapshotChecksum: checksum,
  });
  await store.pool.query(`update movies set genres = '{Comedy,Horror}' where movie_id = 1`);
  const events: string[] = [];
  await runInThread(store, (await claimRun(store, run.id))!, {
    ...{ threads: 2, onEvent: ({ event }) => events.push(event) },
  });
  expect(events).not.toContain('resumed');
  expect((await getRun(store, run.id)).status).toBe('SUCCEEDED');
});

test('files and the store give the same attributes', async () => {
  const { attributes, userIds, movieIds } = await readRatings(store, { withAttributes: true });
  expect(attributes!.user.labels).toEqual([
    ...['age:25', 'gender:F', 'gender:M'],
    ...['occupation:academic/educator', 'occupation:artist', 'occupation:other'],
  ]);
  const rows = indexRatings({
    userIds: Int32Array.from(userIds),
    movieIds: Int32Array.from(userIds, (_, i) => movieIds[i % movieIds.length]),
    ratings: new Float32Array(userIds.length),
  });
  const fromFiles = attributesOf(rows, await readDetails(folder));
  const holdersOf = (
    { starts, holders }: { starts: Int32Array; holders: Int32Array },
    f: number,
    ids: Int32Array,
  ) => Array.from(holders.subarray(starts[f], starts[f + 1]), (row) => ids[row]).sort((a, b) => a - b);
  for (const f of [0, 1, 2]) {
    expect(holdersOf(fromFiles.user, f, rows.userIds)).toEqual(holdersOf(attributes!.user, f, userIds));
    expect(holdersOf(fromFiles.movie, f, rows.movieIds)).toEqual(holdersOf(attributes!.movie, f, movieIds));
  }
});

test('attributes are genres and decade, gender, age group and occupation, each only where it is known', () => {
  expect(movieLabels({ year: 1999, genres: ['Comedy', 'War', 'War'] })).toEqual([
    'genre:Comedy',
    'genre:War',
    'decade:1990',
  ]);
  expect(movieLabels({ year: null, genres: [] })).toEqual([]);
  expect(
    [1, 17, 18, 34, 49, 56, 90].map((age) => userLabels({ gender: null, age, occupation: null })[0]),
  ).toEqual(['age:1', 'age:1', 'age:18', 'age:25', 'age:45', 'age:56', 'age:56']);
  expect(userLabels({ gender: 'F', age: null, occupation: 'writer' })).toEqual([
    'gender:F',
    'occupation:writer',
  ]);
  const table = tabulate([
    [4, ['b', 'a']],
    [2, ['b']],
  ]);
  expect(table).toEqual({
    labels: ['a', 'b'],
    starts: Int32Array.of(0, 1, 3),
    holders: Int32Array.of(4, 2, 4),
  });
});

test('the prior of a movie is a ridge regression on its attributes: a known answer', () => {
  // K = 1: four movies rated once each, two of attribute 0 at (1, 0.5), two of attribute 1 at (−1, −0.5).
  const movies = {
    means: Float32Array.of(1, 0.5, 1, 0.5, -1, -0.5, -1, -0.5),
    variances: new Float32Array(8).fill(0.1),
    noises: Float32Array.of(1, 1, 1, 1),
  };
  const beliefs = { D: 2, noise: 1, users: movies, movies };
  const attributes = { starts: Int32Array.of(0, 2, 4), holders: Int32Array.of(0, 1, 2, 3) };
  const prior = fitMoviePrior(beliefs, attributes, Int32Array.of(1, 1, 1, 1));
  // Σ (x − g ± c)² + 2 g²: with c = 0 by symmetry g = 2·1 / (2 + 2).
  expect(Array.from(prior.center, (value) => Math.round(value * 1e6) / 1e6 + 0)).toEqual([0, 0]);
  expect(Array.from(prior.effects)).toEqual(
    [0.5, 0.25, -0.5, -0.25].map((value) => expect.closeTo(value, 6)),
  );
  expect(prior.variance[0]).toBeCloseTo(0.25 + 0.1, 6);
  const described = describeMovies(prior, Float32Array.of(0, 0), {
    starts: Int32Array.of(0, 1, 3),
    attributes: Int32Array.of(0, 0, 1),
    movieIndices: Int32Array.of(4, 5),
    ratingCounts: Int32Array.of(10, 0),
    meanTargets: Float32Array.of(1.25, 0),
  });
  // The first has ten ratings of 1.25 where 0.25 was expected: half of the way.
  expect(Array.from(described.means)).toEqual([0.5, 0.75, 0, 0].map((value) => expect.closeTo(value, 6)));
});
