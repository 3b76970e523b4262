// Users whom training never saw: how their rows are solved for, how sure that is, and that their intervals hold what they promise.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openBeliefs, outputVariance } from '#src/engines/beliefs.js';
import { certaintyTensors, openCertainty } from '#src/engines/certainty.js';
import { foldIn } from '#src/engines/foldIn.js';
import { openEngine } from '#src/engines/open.js';
import { priorOf } from '#src/engines/tastePrior.js';
import { readRatingFile } from '#src/loading/ratingFile.js';
import { writeSyntheticSet } from '#src/loading/synthetic.js';
import { resolveHyperparameters } from '#src/store/hyperparameterChecks.js';
import { indexRatings } from '#src/training/crossValidate.js';
import { measureNewUsers, userFoldOf } from '#src/training/newUsers.js';

test('the intervals of new users with few ratings hold what they promise', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'marquee-new-users-'));
  await writeSyntheticSet(folder, { users: 600, movies: 200, ratings: 30_000, seed: 3 });
  const ratings = indexRatings(await readRatingFile(folder));
  await rm(folder, { recursive: true });
  const hyperparameters = resolveHyperparameters('fast', {});
  const engine = await openEngine('wasm', { threads: 2, shape: hyperparameters });
  const sides = userFoldOf(ratings, 3, 0, 42);
  const settings = { preset: 'fast', hyperparameters, seed: 42 };
  const figures = await measureNewUsers(engine, ratings.movies, sides, settings, [5, 20]);
  const [few, more] = figures;
  expect(few).toMatchObject({ given: 5, users: 200 });
  expect(few.testRatings).toBeGreaterThan(5000);
  expect(more.rmse).toBeLessThan(few.rmse);
  for (const { intervals } of figures) {
    expect(intervals.map(({ level }) => level)).toEqual([0.5, 0.8, 0.9, 0.95]);
    expect(intervals[2].held).toBeGreaterThan(0.88);
    expect(intervals[2].held).toBeLessThan(0.92);
  }
});

test('folds of users leave each user out once, whole, and number the others anew', () => {
  const ratings = {
    ...{ users: 5, movies: 2 },
    userIndices: Int32Array.of(0, 0, 1, 2, 3, 3, 4),
    movieIndices: Int32Array.of(0, 1, 0, 1, 0, 1, 0),
    ratings: Float32Array.of(1, 1.5, 2, 3, 4, 4.5, 5),
  };
  const folds = [0, 1].map((fold) => userFoldOf(ratings, 2, fold, 7));
  expect(folds.map(({ users }) => users)).toEqual([2, 3]);
  const leftOut = folds.flatMap(({ newcomers }) => [...newcomers.ratings]);
  expect(leftOut.sort()).toEqual([1, 1.5, 2, 3, 4, 4.5, 5]);
  for (const { train, newcomers, users } of folds) {
    expect(train.ratings.length + newcomers.ratings.length).toBe(7);
    expect(new Set(train.userIndices).size).toBe(users);
    expect(Math.max(...train.userIndices)).toBe(users - 1);
  }
});

test('a row is solved for together with how noisy the user is: a known answer', () => {
  // K = 1, prior N(0, I) either way; one rating of 3 for a movie with q = 2, b = 0; noise 1.
  const { mean, noise, weights, covariance } = foldIn(aModel(), aPrior(), new Float32Array(2), ONE_RATING);
  const [w] = weights;
  // A = [[1 + 4w, 2w], [2w, 1 + w]], h = w (6, 3): x = 3w (2, 1) / (1 + 5w), fᵀA⁻¹f = 5 / (1 + 5w), t − x·f = 3 / (1 + 5w).
  expect(mean[0]).toBeCloseTo((6 * w) / (1 + 5 * w), 5);
  expect(mean[1]).toBeCloseTo((3 * w) / (1 + 5 * w), 5);
  expect(covariance[0]).toBeCloseTo((1 + w) / (1 + 5 * w), 8);
  expect(covariance[1]).toBeCloseTo((-2 * w) / (1 + 5 * w), 8);
  // w ~ Gamma(5.5, rate 4 + ½ E[(t − x·f)²]), 4 being 5 − 1 times the noise of the trained users.
  const rate = 4 + (9 / (1 + 5 * w) ** 2 + 5 / (1 + 5 * w)) / 2;
  expect(w).toBeCloseTo(5.5 / rate, 5);
  expect(noise).toBeCloseTo(rate / 4.5, 5);
});

test('what is known of a row counts whole, so that what bias and embedding have in common cancels', () => {
  const user = foldIn(aModel(), aPrior(), new Float32Array(2), ONE_RATING);
  const w = user.weights[0];
  const { movies } = aModel();
  expect(outputVariance(user, movies, 0)).toBeCloseTo(5 / (1 + 5 * w), 6);
  const diagonal = { ...user, covariance: undefined };
  expect(outputVariance(diagonal, movies, 0)).toBeCloseTo((5 + 8 * w) / (1 + 5 * w), 6);
});

test('the prior is a mixture of what the movies tell and the typical user, half of each at twenty ratings', () => {
  const prior = {
    ...aPrior(),
    ...{ center: Float32Array.of(1, 0), typical: Float32Array.of(3, 0) },
    typicalCovariance: Float32Array.of(3, 0, 0, 3),
  };
  const twenty = priorOf(prior, new Float32Array(2), new Int32Array(20), 2);
  expect([...twenty.mean]).toEqual([2, 0]);
  // ½ 1 + ½ 3, and ¼ of the square of what lies between the two.
  expect([...twenty.covariance]).toEqual([3, 0, 0, 2]);
  const none = priorOf(prior, new Float32Array(2), new Int32Array(0), 2);
  expect([...none.mean, ...none.covariance]).toEqual([3, 0, 3, 0, 0, 3]);
});

test('models that were stored with the precision of one guess are read as before', () => {
  const beliefs = aModel();
  const tensors = certaintyTensors({ beliefs, prior: aPrior(), tastes: new Float32Array(2) });
  const former = tensors
    .filter(({ name }) => !name.endsWith('_covariance'))
    .concat({ name: 'prior_precision', shape: [2, 2], values: Float32Array.of(4, 0, 0, 2) });
  const { prior } = openCertainty(1, PARAMETERS, former);
  expect([...prior.covariance]).toEqual([0.25, 0, 0, 0.5]);
  expect([...prior.typicalCovariance]).toEqual([0.25, 0, 0, 0.5]);
});

const ONE_RATING = { movieIndices: Int32Array.of(0), targets: Float32Array.of(3) };

const PARAMETERS = [
  aTensor('user_embeddings', 0),
  aTensor('movie_embeddings', 2),
  aTensor('user_biases', 0),
  aTensor('movie_biases', 0),
];

function aTensor(name: string, value: number) {
  return { name, shape: [1], values: Float32Array.of(value) };
}

/** One user, one movie that is known for sure. */
function aModel() {
  return openBeliefs(1, PARAMETERS, {
    ...{ userVariances: new Float32Array(2), movieVariances: new Float32Array(2), noise: 1 },
    ...{ userNoises: Float32Array.of(1), movieNoises: Float32Array.of(1), tastes: new Float32Array(2) },
  });
}

function aPrior() {
  return {
    ...{ center: new Float32Array(2), covariance: Float32Array.of(1, 0, 0, 1) },
    ...{ typical: new Float32Array(2), typicalCovariance: Float32Array.of(1, 0, 0, 1) },
    noise: 1,
  };
}
