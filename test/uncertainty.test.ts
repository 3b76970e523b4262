// How sure predicted ratings are, and what is done with it: intervals, orders of recommendations, users folded in, reasons.

import { beliefAt, deviationsOf, spreadOf } from '#src/engines/beliefs.js';
import { openCertainty } from '#src/engines/certainty.js';
import { contributionsTo, foldIn } from '#src/engines/foldIn.js';
import { resolveHyperparameters } from '#src/store/hyperparameterChecks.js';
import { loadModel } from '#src/store/models.js';
import { startTestApi, type TestApi } from './support/api.js';
import { aRunRequest, importSynthetic, openTestStore, type TestStore, train } from './support/store.js';

let store: TestStore;
let api: TestApi;
let runId: number;
beforeAll(async () => {
  store = await openTestStore();
  await importSynthetic(store, { users: 300, movies: 120, ratings: 15_000, seed: 3 });
  await train(store);
  const hyperparameters = resolveHyperparameters('fast', {});
  runId = await train(store, aRunRequest({ preset: 'fast', hyperparameters, engine: 'auto' }));
  api = await startTestApi(store);
});
afterAll(async () => {
  await api.close();
  await store.drop();
});

interface Node {
  rank: number;
  predictedRating: number;
  source: string;
  movie: { movieId: number };
}

async function recommended(userId: number, args: string): Promise<Node[]> {
  const { data } = await api.query(
    `{ user(userId: ${userId}) { recommendations(${args}) { nodes { rank predictedRating source movie { movieId } } } } }`,
  );
  return data.user.recommendations.nodes;
}

const movieIds = (nodes: Node[]) => nodes.map(({ movie }) => movie.movieId);

test('a predicted rating comes with its standard deviation and the interval of any level', async () => {
  const { data } = await api.query(`{
    predictedRating(userId: 1, movieId: 2) {
      rating rawScore standardDeviation
      ninety: interval { low high level }
      half: interval(level: 0.5) { low high level }
    }
  }`);
  const { rawScore, standardDeviation, ninety, half } = data.predictedRating;
  expect(standardDeviation).toBeGreaterThan(0.2);
  expect(standardDeviation).toBeLessThan(1.5);
  expect(ninety.level).toBe(0.9);
  expect(ninety.low).toBeCloseTo(Math.max(0.5, rawScore - 1.6448536 * standardDeviation), 4);
  expect(half.low).toBeCloseTo(rawScore - 0.6744898 * standardDeviation, 4);
  expect(half.high).toBeCloseTo(Math.min(5, rawScore + 0.6744898 * standardDeviation), 4);
});

test('the evaluation shows what the intervals held: about what they promise', async () => {
  const { data } = await api.query(
    '{ trainingRuns(first: 2) { nodes { preset evaluation { intervals { level held } } } } }',
  );
  const [fast, paper] = data.trainingRuns.nodes;
  expect(paper).toEqual({ preset: 'paper', evaluation: { intervals: [] } });
  const { intervals } = fast.evaluation;
  expect(intervals.map(({ level }: { level: number }) => level)).toEqual([0.5, 0.8, 0.9, 0.95]);
  expect(intervals[2].held).toBeGreaterThan(0.86);
  expect(intervals[2].held).toBeLessThan(0.94);
});

test('each sweep tells the noise that it drew, and an epoch of steps none', async () => {
  const { data } = await api.query('{ trainingRuns(first: 2) { nodes { epochs { epoch noise } } } }');
  const [fast, paper] = data.trainingRuns.nodes;
  expect(fast.epochs[29]).toEqual({ epoch: 30, noise: expect.any(Number) });
  expect(paper.epochs[0]).toEqual({ epoch: 1, noise: null });
});

test('a level that is no probability is refused', async () => {
  const { errors } = await api.query(
    '{ predictedRating(userId: 1, movieId: 2) { interval(level: 1) { low } } }',
  );
  expect(errors![0].extensions.code).toBe('BAD_INPUT');
});

test('cautious recommendations are a ranking of their own, and pages of it join up', async () => {
  const expected = await recommended(5, 'first: 60, filter: { includeRated: true }');
  const cautious = await recommended(5, 'first: 60, orderBy: CAUTIOUS, filter: { includeRated: true }');
  expect(movieIds(cautious)).not.toEqual(movieIds(expected));
  // predictedRating is what is expected, whatever the order.
  const ratingOf = new Map(expected.map(({ movie, predictedRating }) => [movie.movieId, predictedRating]));
  for (const { movie, predictedRating } of cautious.filter(({ movie }) => ratingOf.has(movie.movieId)))
    expect(predictedRating).toBeCloseTo(ratingOf.get(movie.movieId)!, 4);
  const page = `recommendations(first: 20, orderBy: CAUTIOUS, filter: { includeRated: true }, after: $after)
    { nodes { movie { movieId } } pageInfo { endCursor } }`;
  const first = await api.query(`query ($after: String) { user(userId: 5) { ${page} } }`);
  const after = first.data.user.recommendations.pageInfo.endCursor;
  const second = await api.query(`query ($after: String) { user(userId: 5) { ${page} } }`, { after });
  const walked = [first, second].flatMap(({ data }) => movieIds(data.user.recommendations.nodes));
  expect(walked).toEqual(movieIds(cautious).slice(0, 40));
});

test('exploring draws one ranking for each seed, and keeps to it from page to page', async () => {
  const seven = await recommended(5, 'first: 40, orderBy: EXPLORE, seed: 7');
  expect(await recommended(5, 'first: 40, orderBy: EXPLORE, seed: 7')).toEqual(seven);
  expect(movieIds(await recommended(5, 'first: 40, orderBy: EXPLORE, seed: 8'))).not.toEqual(movieIds(seven));
  const query = (after: string, seed: string) =>
    api.query(`{ user(userId: 5) { recommendations(first: 20, orderBy: EXPLORE, ${seed} ${after})
      { nodes { movie { movieId } } pageInfo { endCursor } } } }`);
  const first = await query('', 'seed: 7');
  const { endCursor } = first.data.user.recommendations.pageInfo;
  const second = await query(`after: "${endCursor}"`, '');
  const walked = [first, second].flatMap(({ data }) => movieIds(data.user.recommendations.nodes));
  expect(walked).toEqual(movieIds(seven));
  const { errors } = await query('', 'seed: -1');
  expect(errors![0].extensions.code).toBe('BAD_INPUT');
});

test('a new user is folded in by the request after the first rating', async () => {
  for (const [movieId, rating] of [
    [1, 5],
    [2, 1],
    [3, 4.5],
  ]) {
    const { data } = await api.query(`mutation {
      rateMovie(input: { userId: 9001, movieId: ${movieId}, rating: ${rating} }) {
        userErrors { code }
        user { ratingCount predictedRating(movieId: 50) { source standardDeviation }
          recommendations(first: 100) { nodes { source movie { movieId } } } }
      }
    }`);
    const { user, userErrors } = data.rateMovie;
    expect(userErrors).toEqual([]);
    expect(user.predictedRating.source).toBe('FOLD_IN');
    expect(user.recommendations.nodes[0].source).toBe('FOLD_IN');
    expect(movieIds(user.recommendations.nodes)).not.toContain(movieId);
    expect(user.predictedRating.standardDeviation).toBeGreaterThan(0.2);
  }
});

test('a trained user who rates again is folded in, and close to what they were', async () => {
  const predicted = async () =>
    (await api.query('{ predictedRating(userId: 7, movieId: 30) { rawScore source } }')).data.predictedRating;
  const before = await predicted();
  expect(before.source).toBe('MODEL');
  await api.query(
    'mutation { rateMovie(input: { userId: 7, movieId: 60, rating: 3 }) { userErrors { code } } }',
  );
  const after = await predicted();
  expect(after.source).toBe('FOLD_IN');
  expect(Math.abs(after.rawScore - before.rawScore)).toBeLessThan(0.5);
});

test('a visitor gets recommendations for their tastes, and nothing is stored', async () => {
  const count = async () => (await store.pool.query('select count(*)::int as n from ratings')).rows[0].n;
  const before = await count();
  const ask = (ratings: string) =>
    api.query(`{ recommendForTastes(ratings: ${ratings}, first: 10) { rank source movie { movieId }
      reasons { movie { movieId } rating weight } } }`);
  const { data } = await ask('[{ movieId: 1, rating: 5 }, { movieId: 2, rating: 1 }]');
  expect(data.recommendForTastes.length).toBe(10);
  expect(data.recommendForTastes.every(({ source }: Node) => source === 'FOLD_IN')).toBe(true);
  expect(movieIds(data.recommendForTastes)).not.toContain(1);
  for (const { reasons } of data.recommendForTastes)
    for (const { movie, weight } of reasons) {
      expect([1, 2]).toContain(movie.movieId);
      expect(weight).toBeGreaterThan(0);
    }
  expect(await count()).toBe(before);
  const other = await ask('[{ movieId: 1, rating: 1 }, { movieId: 2, rating: 5 }]');
  expect(movieIds(other.data.recommendForTastes)).not.toEqual(movieIds(data.recommendForTastes));
  const tooHigh = await ask('[{ movieId: 1, rating: 7 }]');
  expect(tooHigh.errors![0].extensions.code).toBe('RATING_OUT_OF_RANGE');
  const unknown = await ask('[{ movieId: 99999, rating: 3 }]');
  expect(unknown.errors![0].extensions.code).toBe('MOVIE_NOT_FOUND');
});

test('reasons are ratings of the user, strongest first, and what they add', async () => {
  const { data } = await api.query(`{ user(userId: 3) {
    ratings(first: 100) { nodes { rating movie { movieId } } }
    recommendations(first: 5) { nodes { reasons(first: 4) { movie { movieId } rating weight } } } } }`);
  const own = new Map(
    data.user.ratings.nodes.map(({ movie, rating }: { movie: { movieId: number }; rating: number }) => [
      movie.movieId,
      rating,
    ]),
  );
  const lists = data.user.recommendations.nodes.map(({ reasons }: { reasons: Node[] }) => reasons);
  expect(lists.flat().length).toBeGreaterThan(5);
  for (const { movie, rating } of lists.flat()) expect(rating).toBe(own.get(movie.movieId));
  for (const list of lists) {
    const weights = list.map(({ weight }: { weight: number }) => weight);
    expect(weights).toEqual([...weights].sort((a, b) => b - a));
  }
});

test('a network says that it does not know how sure it is', async () => {
  const { data } = await api.query('{ models(first: 2) { nodes { id version } } }');
  const paper = data.models.nodes.find(({ version }: { version: number }) => version === 1);
  const promote = (id: string) =>
    api.query(`mutation { promoteModel(input: { modelId: "${id}", force: true }) { userErrors { code } } }`);
  await promote(paper.id);
  const answer = await api.query(`{
    predictedRating(userId: 1, movieId: 2) { source standardDeviation interval { low } }
  }`);
  expect(answer.data.predictedRating).toEqual({ source: 'MODEL', standardDeviation: null, interval: null });
  const refused = await api.query(
    '{ user(userId: 1) { recommendations(first: 3, orderBy: CAUTIOUS) { nodes { rank } } } }',
  );
  expect(refused.errors![0].extensions.code).toBe('MODEL_WITHOUT_UNCERTAINTY');
  await promote(data.models.nodes[0].id);
});

test('folding a trained user in finds their row again, and its reasons add up', async () => {
  const { rows } = await store.pool.query('select id from models where run_id = $1', [runId]);
  const { shape, parameters, posterior, ratingMean } = await loadModel(store, rows[0].id);
  const { beliefs, prior, tastes } = openCertainty(shape.embeddingWidth, parameters, posterior!);
  const own = await store.pool.query(
    'select idx, rating from ratings join movies using (movie_id) where user_id = (select user_id from users where idx = 10)',
  );
  const ratings = {
    movieIndices: Int32Array.from(own.rows, ({ idx }) => idx),
    targets: Float32Array.from(own.rows, ({ rating }) => rating - ratingMean),
  };
  const folded = foldIn(beliefs, prior, tastes, ratings);
  const trained = beliefAt(beliefs.users, beliefs.D, 10);
  expect(Math.abs(folded.mean[beliefs.D - 1] - trained.mean[beliefs.D - 1])).toBeLessThan(0.4);
  const contributions = contributionsTo(beliefs, folded, ratings, 5);
  expect(contributions.length).toBe(ratings.targets.length);
  expect(contributions.every(Number.isFinite)).toBe(true);
  const spread = spreadOf(beliefs, folded, 5);
  expect(spread.rating).toBeGreaterThan(spread.mean);
});

test('deviations of a level are those of the normal distribution', () => {
  expect([0.5, 0.8, 0.9, 0.95].map((level) => Number(deviationsOf(level).toFixed(4)))).toEqual([
    0.6745, 1.2816, 1.6449, 1.96,
  ]);
});
