// Every engine that samples must give the chain of the reference sampler, whatever the number of threads, and from any point on.

import { draws, normal } from '#src/engines/draws.js';
import type { Engine, ModelShape, TrainingRatings } from '#src/engines/engine.js';
import { listInstructionSets, nativeDoorFor } from '#src/engines/native.js';
import { ENGINE_DOORS, openEngine } from '#src/engines/open.js';
import { randomStream, randomUnit } from '#src/engines/random.js';
import { referenceDoor } from '#src/engines/reference.js';
import {
  copySamplerState,
  meanNoise,
  noAttributes,
  type RowAttributes,
  type SamplerOptions,
  type SamplerState,
  type SideAttributes,
  SWEEP_SHRINK,
  samplerTensor,
} from '#src/engines/sweeps.js';
import { bitsOf } from './support/bits.js';
import { failureOf, openEngines, runnableOf, someRatings, valuesOf, worstError } from './support/engines.js';

const [{ engine: reference }] = await openEngines([referenceDoor]);
const doors = ENGINE_DOORS.filter(({ hasSweeps }) => hasSweeps);
const sets = listInstructionSets().slice(1).map(nativeDoorFor);
const runnable = runnableOf(await openEngines(doors));
const everySet = [...runnable, ...runnableOf(await openEngines(sets))];

// float32 sums against float64 ones, through a Cholesky factor, from sweep to sweep: what a sweep starts from carries over into the next,
// damped. Measured over five sweeps at K 3 to 40: at most 0.3 of this.
const CHAIN = { absolute: 2e-5, relative: 1e-4 };

/** Distinct pairs; the last user and the last movie have none. */
function someSamplerOptions(changes: Partial<SamplerOptions> = {}, embeddingWidth = 3): SamplerOptions {
  const shape: ModelShape = {
    ...{ users: 40, movies: 30, embeddingWidth },
    ...{ hiddenLayers: [], biases: true, dotProduct: true },
  };
  return { shape, ratings: withoutDuplicates(someRatings(shape, 500)), burnIn: 2, seed: 7, ...changes };
}

/** Users have one or two of three attributes; movies two of five, and a sixth is nobody's. */
const SOME_ATTRIBUTES: SideAttributes = {
  user: attributesOf(3, 40, (row) => [row % 4, row % 2].filter((f) => f < 3)),
  movie: attributesOf(6, 30, (row) => [row % 3, 3 + (row % 2)]),
};

function attributesOf(count: number, rows: number, of: (row: number) => number[]): RowAttributes {
  const holders = Array.from({ length: count }, (_, f) =>
    Array.from({ length: rows }, (_, row) => row).filter((row) => of(row).includes(f)),
  );
  const starts = Int32Array.from({ length: count + 1 }, (_, f) => holders.slice(0, f).flat().length);
  return { starts, holders: Int32Array.from(holders.flat()) };
}

function withoutDuplicates({ userIndices, movieIndices, targets }: TrainingRatings): TrainingRatings {
  const seen = new Set<string>();
  const kept = Array.from(userIndices, (user, i) => {
    const pair = `${user} ${movieIndices[i]}`;
    return !seen.has(pair) && Boolean(seen.add(pair));
  });
  return {
    userIndices: userIndices.filter((_, i) => kept[i]),
    movieIndices: movieIndices.filter((_, i) => kept[i]),
    targets: targets.filter((_, i) => kept[i]),
  };
}

async function swept(engine: Engine, options: SamplerOptions, sweeps: number) {
  const sampler = await engine.openSampler!(options);
  const results = [];
  for (let sweep = 0; sweep < sweeps; sweep++) {
    const { squaredErrorSum, samples, noise } = await sampler.sweep();
    results.push({ squaredErrorSum, samples, noise });
  }
  const { userIndices, movieIndices } = options.ratings;
  const outcome = {
    results,
    state: await sampler.state(),
    parameters: await sampler.parameters(),
    outputs: await sampler.predict(userIndices, movieIndices),
  };
  await sampler.close();
  return outcome;
}

function bitsOfState({ sweeps, scalars, tensors }: SamplerState) {
  return { sweeps, scalars: Array.from(scalars), tensors: bitsOf(tensors) };
}

function shrunk(state: SamplerState): SamplerState {
  const copy = copySamplerState(state);
  for (const { name, shape, values } of copy.tensors) {
    const columns = shape[1];
    if (!/_(rows|priors|links|attributes)$/.test(name)) continue;
    for (let i = 0; i < values.length; i++) if (i % columns < columns - 1) values[i] *= SWEEP_SHRINK;
  }
  return copy;
}

function expectCloseState(actual: SamplerState, expected: SamplerState): void {
  expect(actual.sweeps).toBe(expected.sweeps);
  expect(worstError(actual.scalars, expected.scalars, CHAIN)).toBeLessThan(1);
  const errors = actual.tensors.map(({ name, values }) => ({
    name,
    error: worstError(values, samplerTensor(expected, name), CHAIN),
  }));
  expect(errors.filter(({ error }) => error > 1)).toEqual([]);
}

const PLANTED_SHAPE: ModelShape = {
  ...{ users: 200, movies: 100, embeddingWidth: 7 },
  ...{ hiddenLayers: [], biases: true, dotProduct: true },
};

/** Ratings of a planted model: two tastes, biases, and noise of deviation 0.5; 60 of 100 movies by each of 200 users. */
function plantedRatings() {
  const random = (entity: number, i: number) => normal(draws(1, 0, 900, entity), i);
  const pairs = Array.from({ length: 200 * 100 }, (_, i) => ({ user: Math.floor(i / 100), movie: i % 100 }));
  const isRated = (i: number) => randomUnit(randomStream(1, 77), i) < 0.6;
  const expected = ({ user, movie }: { user: number; movie: number }) => {
    const [u, m] = [user, 1000 + movie];
    return (
      0.4 * random(u, 2) +
      0.4 * random(m, 2) +
      0.7 * (random(u, 0) * random(m, 0) + random(u, 1) * random(m, 1))
    );
  };
  const of = (chosen: typeof pairs) => ({
    userIndices: Int32Array.from(chosen, ({ user }) => user),
    movieIndices: Int32Array.from(chosen, ({ movie }) => movie),
    targets: Float32Array.from(chosen, (pair) => expected(pair) + 0.5 * random(5000 + pair.user, pair.movie)),
  });
  const unseen = pairs.filter((_, i) => !isRated(i));
  return { ratings: of(pairs.filter((_, i) => isRated(i))), unseen: of(unseen), truth: unseen.map(expected) };
}

/** 100 users, each with a liking of three genres of 30 movies; the last movie of each genre, and of its neighbours, without ratings. */
function tastesByGenre() {
  const random = (entity: number, i: number) => normal(draws(1, 0, 901, entity), i);
  const shape: ModelShape = {
    ...{ users: 100, movies: 90, embeddingWidth: 5 },
    ...{ hiddenLayers: [], biases: true, dotProduct: true },
  };
  const liking = (user: number, movie: number) => random(user, movie % 3);
  const pairs = Array.from({ length: 100 * 90 }, (_, i) => ({ user: Math.floor(i / 90), movie: i % 90 }));
  const isCold = ({ movie }: { movie: number }) => movie >= 81;
  const rated = pairs.filter((pair, i) => !isCold(pair) && randomUnit(randomStream(1, 78), i) < 0.3);
  const cold = pairs.filter(isCold);
  const ratings = {
    userIndices: Int32Array.from(rated, ({ user }) => user),
    movieIndices: Int32Array.from(rated, ({ movie }) => movie),
    targets: Float32Array.from(
      rated,
      ({ user, movie }) => liking(user, movie) + 0.3 * random(1000 + user, movie),
    ),
  };
  return {
    options: { shape, ratings, burnIn: 20, seed: 3 },
    cold: {
      userIndices: Int32Array.from(cold, ({ user }) => user),
      movieIndices: Int32Array.from(cold, ({ movie }) => movie),
    },
    truth: cold.map(({ user, movie }) => liking(user, movie)),
  };
}

describe.each(runnable)('$name', ({ door, engine }) => {
  test('a sampler learns planted tastes: as good on unseen pairs as can be told apart from noise', async () => {
    const { ratings, unseen, truth } = plantedRatings();
    const sampler = await engine.openSampler!({ shape: PLANTED_SHAPE, ratings, burnIn: 20, seed: 3 });
    for (let sweep = 1; sweep <= 80; sweep++) await sampler.sweep();
    const outputs = await sampler.predict(unseen.userIndices, unseen.movieIndices);
    await sampler.close();
    const error = Math.sqrt(outputs.reduce((sum, y, i) => sum + (y - truth[i]) ** 2, 0) / outputs.length);
    // 12,000 ratings for about 900 numbers: the noise that is left in what was learned is 0.5·√(900/12000) = 0.14.
    expect(error).toBeLessThan(0.16);
  });

  test('a sampler as wide as what is planted recovers the noise: each sweep, and the mean of all', async () => {
    const { ratings } = plantedRatings();
    const shape = { ...PLANTED_SHAPE, embeddingWidth: 2 };
    const sampler = await engine.openSampler!({ shape, ratings, burnIn: 20, seed: 3 });
    const noises = [];
    for (let sweep = 1; sweep <= 80; sweep++) noises.push((await sampler.sweep()).noise);
    const posterior = await sampler.posterior();
    await sampler.close();
    const mean = noises.slice(20).reduce((sum, noise) => sum + noise, 0) / 60;
    // 0.5 planted. What the precisions of users leave open makes variances larger, 1/(n/2 + 4) at n = 60 ratings each.
    expect(Math.sqrt(mean)).toBeGreaterThan(0.5);
    expect(Math.sqrt(mean)).toBeLessThan(0.52);
    expect(meanNoise(posterior, ratings) / mean).toBeCloseTo(1, 2);
  });

  test('halfway through the burn-in it goes on from smaller embeddings and links, and from biases as they were', async () => {
    const options = someSamplerOptions({ attributes: SOME_ATTRIBUTES, burnIn: 6 });
    const { state } = await swept(engine, options, 3);
    const actual = await swept(engine, { ...options, state }, 1);
    const never = { ...options, burnIn: 100 };
    const expected = await swept(engine, { ...never, state: shrunk(state) }, 1);
    expect(bitsOfState(actual.state)).toEqual(bitsOfState(expected.state));
    const other = await swept(engine, { ...never, state }, 1);
    expect(bitsOfState(actual.state)).not.toEqual(bitsOfState(other.state));
  });

  test('any number of threads gives the same bits', async () => {
    const options = someSamplerOptions({ attributes: SOME_ATTRIBUTES }, 20);
    const one = await swept(await door.open({ threads: 1 }), options, 4);
    for (const threads of [2, 3, 4]) {
      const many = await swept(await door.open({ threads }), options, 4);
      expect(bitsOfState(many.state)).toEqual(bitsOfState(one.state));
      expect(many.results).toEqual(one.results);
    }
  });

  test.each([1, 3, 6])('resumed after %i sweeps it gives the same bits', async (sweeps) => {
    const options = someSamplerOptions({ attributes: SOME_ATTRIBUTES });
    const whole = await swept(engine, options, 7);
    const { state } = await swept(engine, options, sweeps);
    const resumed = await swept(engine, { ...options, state }, 7 - sweeps);
    expect(bitsOfState(resumed.state)).toEqual(bitsOfState(whole.state));
  });

  test('it goes on from what the reference left', async () => {
    const options = someSamplerOptions({ attributes: SOME_ATTRIBUTES });
    const { state } = await swept(reference!, options, 3);
    const [actual, expected] = [
      await swept(engine, { ...options, state }, 2),
      await swept(reference!, { ...options, state }, 2),
    ];
    expectCloseState(actual.state, expected.state);
  });

  test('within the burn-in the means are those of the last sweep, then of all sweeps since', async () => {
    const { state } = await swept(engine, someSamplerOptions({ burnIn: 2 }), 2);
    const burning = someSamplerOptions({ burnIn: 1000, state });
    const [third, fourth] = [await swept(engine, burning, 1), await swept(engine, burning, 2)];
    const averaged = await swept(engine, someSamplerOptions({ burnIn: 2, state }), 2);
    const biases = [third, fourth, averaged].map(({ parameters }) => valuesOf(parameters, 'user_biases'));
    const expected = biases[0].map((bias, user) => (bias + biases[1][user]) / 2);
    expect(worstError(biases[2], expected, CHAIN)).toBeLessThan(1);
  });

  test('users and movies without ratings get the prior, and no feature of others', async () => {
    const { state } = await swept(engine, someSamplerOptions(), 3);
    // Movie 29 has no ratings: nobody has it as a feature. User 39 has none: their prior is the common mean alone.
    expect(Array.from(samplerTensor(state, 'user_links').subarray(-4))).toEqual([0, 0, 0, 0]);
    expect(worstError(samplerTensor(state, 'user_priors').subarray(-4), [0, 0, 0, 0], CHAIN)).toBeLessThan(1);
    expect(Array.from(samplerTensor(state, 'user_rows').subarray(-4)).every(Number.isFinite)).toBe(true);
  });

  test.each([
    ['one user', { users: 1, movies: 12 }],
    ['one movie', { users: 12, movies: 1 }],
    ['fewer rows than columns', { users: 5, movies: 5 }],
  ])('%s: what no row lies in does not keep the means from being numbers', async (_, sizes) => {
    const shape: ModelShape = { ...someSamplerOptions({}, 15).shape, ...sizes };
    const options = someSamplerOptions({ shape, ratings: withoutDuplicates(someRatings(shape, 40)) });
    const [actual, expected] = [await swept(engine, options, 6), await swept(reference!, options, 6)];
    expect(expected.outputs.every(Number.isFinite)).toBe(true);
    expect(worstError(actual.outputs, expected.outputs, CHAIN)).toBeLessThan(1);
    expect(actual.state.tensors.every(({ values }) => values.every(Number.isFinite))).toBe(true);
  });

  test('attributes move the rows of those who have them, and one that nobody has stays at 0', async () => {
    const { state } = await swept(engine, someSamplerOptions({ attributes: SOME_ATTRIBUTES }), 3);
    const attributes = samplerTensor(state, 'movie_attributes');
    expect(attributes.length).toBe(6 * 4);
    expect(Array.from(attributes.subarray(-4))).toEqual([0, 0, 0, 0]);
    // Movie 29 has no ratings, and attributes 2 and 4: ψ = 1/√2 each.
    const expected = [0, 1, 2, 3].map((d) => (attributes[2 * 4 + d] + attributes[4 * 4 + d]) / Math.SQRT2);
    expect(worstError(samplerTensor(state, 'movie_priors').subarray(-4), expected, CHAIN)).toBeLessThan(1);
  });

  test('without attributes it is the same chain as with none', async () => {
    const [absent, none] = [
      await swept(engine, someSamplerOptions(), 3),
      await swept(engine, someSamplerOptions({ attributes: noAttributes() }), 3),
    ];
    expect(bitsOfState(none.state)).toEqual(bitsOfState(absent.state));
  });

  test('movies without ratings are told apart by their genres: a known answer', async () => {
    const error = async (attributes: SideAttributes | undefined) => {
      const { options, cold, truth } = tastesByGenre();
      const sampler = await engine.openSampler!({ ...options, ...(attributes ? { attributes } : {}) });
      for (let sweep = 0; sweep < 60; sweep++) await sampler.sweep();
      const outputs = await sampler.predict(cold.userIndices, cold.movieIndices);
      await sampler.close();
      return Math.sqrt(outputs.reduce((sum, y, i) => sum + (y - truth[i]) ** 2, 0) / outputs.length);
    };
    const none = { starts: new Int32Array(1), holders: new Int32Array(0) };
    // Users like one of three genres or not, by about a star; of a movie without ratings nothing else can be known.
    expect(await error({ user: none, movie: attributesOf(3, 90, (movie) => [movie % 3]) })).toBeLessThan(
      0.25,
    );
    expect(await error(undefined)).toBeGreaterThan(0.6);
  });

  test('parameters are those of matrix factorization, and predictions are theirs', async () => {
    const options = someSamplerOptions();
    const { parameters, outputs } = await swept(engine, options, 4);
    const scorer = await reference!.openScorer(options.shape, parameters);
    const { userIndices, movieIndices } = options.ratings;
    expect(worstError(outputs, await scorer.predict(userIndices, movieIndices), CHAIN)).toBeLessThan(1);
  });

  test('another seed gives another chain', async () => {
    const [a, b] = await Promise.all([7, 8].map((seed) => swept(engine, someSamplerOptions({ seed }), 1)));
    expect(a.results).not.toEqual(b.results);
  });

  test('a model with hidden layers, a broken state and a closed sampler are refused', async () => {
    const options = someSamplerOptions();
    const shape = { ...options.shape, hiddenLayers: [8] };
    expect(await failureOf(() => engine.openSampler!({ ...options, shape }))).toContain(
      'without hidden layers',
    );
    const { state } = await swept(engine, options, 1);
    const broken = { ...state, tensors: state.tensors.slice(1) };
    expect(await failureOf(() => engine.openSampler!({ ...options, state: broken }))).toContain('tensor 0');
    const stranger = { starts: Int32Array.of(0, 1), holders: Int32Array.of(30) };
    const attributes = { ...noAttributes(), movie: stranger };
    expect(await failureOf(() => engine.openSampler!({ ...options, attributes }))).toContain(
      'holders of attributes are rows of the 30',
    );
    const sampler = await engine.openSampler!(options);
    await sampler.close();
    expect(await failureOf(() => sampler.sweep())).toContain('is closed');
  });
});

describe.each(everySet)('$name ($engine.device)', ({ engine }) => {
  test.each([
    ...[1, 3, 15, 16, 31, 40].map((width) => [width, 'without', noAttributes()] as const),
    ...[3, 31].map((width) => [width, 'with', SOME_ATTRIBUTES] as const),
  ])('five sweeps at K %i %s attributes are those of the reference', async (width, _, attributes) => {
    const options = someSamplerOptions({ attributes }, width);
    const [actual, expected] = [await swept(engine, options, 5), await swept(reference!, options, 5)];
    expectCloseState(actual.state, expected.state);
    expect(worstError(actual.outputs, expected.outputs, CHAIN)).toBeLessThan(1);
    for (const [i, result] of actual.results.entries()) {
      const { squaredErrorSum, samples, noise } = expected.results[i];
      expect(result.samples).toBe(samples);
      expect(worstError([result.squaredErrorSum], [squaredErrorSum], CHAIN)).toBeLessThan(1);
      expect(worstError([result.noise], [noise], CHAIN)).toBeLessThan(1);
    }
  });
});

test('an engine without sweeps refuses models of the kind bayes by name, and auto passes it over', async () => {
  const shape = { embeddingWidth: 8, hiddenLayers: [], kind: 'bayes' as const };
  await expect(openEngine('tfjs:wasm', { threads: 1, shape })).rejects.toMatchObject({
    code: 'ENGINE_UNSUPPORTED',
    message: expect.stringContaining('engine tfjs:wasm has no models of the kind bayes'),
  });
  expect((await openEngine('auto', { threads: 1, shape })).openSampler).toBeDefined();
});
