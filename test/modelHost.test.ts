import { allMovies, moviesAt } from '#src/engines/bitmap.js';
import { openModelHost } from '#src/scoring/modelHost.js';
import { createModelHosts } from '#src/scoring/modelHosts.js';
import { findActiveModel } from '#src/store/models.js';
import { importSynthetic, openTestStore, type TestStore, train } from './support/store.js';

let store: TestStore;
let modelId: number;
beforeAll(async () => {
  store = await openTestStore();
  await importSynthetic(store);
  await train(store);
  modelId = (await findActiveModel(store))!.id;
});
afterAll(() => store.drop());

function pairOf(user: number, movie: number) {
  return { userIndices: Int32Array.of(user), movieIndices: Int32Array.of(movie), folded: null };
}

test('a model in a thread gives the same score for a pair alone and among the best movies', async () => {
  const host = await openModelHost({ databaseUrl: store.url, modelId, threads: 1 });
  const { outputs } = await host.predict(pairOf(3, 5));
  const { counts, movieIndices, scores } = await host.topMovies({
    userIndices: Int32Array.of(2, 3),
    n: 80,
    offset: 0,
    allowed: Uint32Array.of(...allMovies(80), ...allMovies(80)),
    afterScores: Float32Array.of(Infinity, Infinity),
    afterIndices: Int32Array.of(-1, -1),
    ...{ order: 'EXPECTED_RATING', entities: Int32Array.of(2, 3), seeds: Int32Array.of(0, 0), folded: null },
  });
  await host.close();
  expect(counts).toEqual(Int32Array.of(80, 80));
  expect(scores[80 + movieIndices.subarray(80).indexOf(5)]).toBeCloseTo(outputs[0], 5);
});

test('a host says which movies its model has seen', async () => {
  const host = await openModelHost({ databaseUrl: store.url, modelId, threads: 1 });
  await host.close();
  const seen = [...host.movieRatingCounts.keys()].filter((index) => host.movieRatingCounts[index] > 0);
  expect(host.knownMovies).toEqual(moviesAt(80, seen));
  expect(host.unknownMovieIndices.length).toBe(80 - seen.length);
});

test('the arrays of a question are handed over, not copied', async () => {
  const host = await openModelHost({ databaseUrl: store.url, modelId, threads: 1 });
  const pair = pairOf(3, 5);
  await host.predict(pair);
  await host.close();
  expect(pair.userIndices.length).toBe(0);
});

test('an assertion that fails in the thread fails the question alone', async () => {
  const host = await openModelHost({ databaseUrl: store.url, modelId, threads: 1 });
  const wrong = host.predict(pairOf(120, 0));
  const right = host.predict(pairOf(119, 0));
  await expect(wrong).rejects.toThrow('user index 120 is outside 0…119');
  expect((await right).outputs.length).toBe(1);
  await host.close();
});

test('a question to a thread that has ended fails instead of waiting for ever', async () => {
  const host = await openModelHost({ databaseUrl: store.url, modelId, threads: 1 });
  const inHand = host.predict(pairOf(0, 0));
  await host.close();
  await expect(inHand).rejects.toThrow('the scoring thread has ended');
  await expect(host.predict(pairOf(0, 0))).rejects.toThrow('the scoring thread has ended');
});

test('a model whose thread has died is opened anew', async () => {
  const hosts = createModelHosts(store.url, { threads: 1 });
  await hosts.use(modelId, (host) => host.close());
  const { outputs } = await hosts.use(modelId, (host) => host.predict(pairOf(0, 0)));
  await hosts.close();
  expect(outputs.length).toBe(1);
});

test('a model that does not exist is an error each time it is asked for', async () => {
  const hosts = createModelHosts(store.url, { threads: 1 });
  await expect(hosts.use(999, (host) => host.predict(pairOf(0, 0)))).rejects.toMatchObject({
    code: 'MODEL_NOT_FOUND',
    message: 'no model 999',
  });
  await expect(hosts.use(999, (host) => host.predict(pairOf(0, 0)))).rejects.toThrow('no model 999');
  await hosts.close();
});

test('a model that cannot be read since the database is away is told as that', async () => {
  const away = openModelHost({ databaseUrl: 'postgresql://nobody@127.0.0.1:1/none', modelId, threads: 1 });
  await expect(away).rejects.toMatchObject({ code: 'DATABASE_UNREACHABLE' });
});
