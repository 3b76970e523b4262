// One suite for every engine: each must give the numbers of the reference engine, and the reference those of the definition.
// An engine that cannot run here is skipped with its reason in the test's name.

import type {
  Engine,
  EngineDoor,
  ModelShape,
  Parameters,
  Trainer,
  TrainerOptions,
  TrainingRatings,
} from '#src/engines/engine.js';
import { initialParameters } from '#src/engines/init.js';
import { ENGINE_DOORS } from '#src/engines/open.js';
import { randomStream, randomUnit } from '#src/engines/random.js';
import { referenceDoor } from '#src/engines/reference.js';
import { copyParameters } from '#src/engines/shape.js';

// The reference sums in float64, the engines in float32 (unit roundoff 6e-8) and in another order. One step loses a few
// roundings; 52 steps with momentum 0.9 gather up to ten times each. Measured on the tfjs engines: at most 0.17 of the bound.
const ONE_STEP = { absolute: 2e-6, relative: 1e-5 };
const MANY_STEPS = { absolute: 2e-5, relative: 1e-4 };

const DEPTHS = [{ hiddenLayers: [8] }, { hiddenLayers: [8, 6] }, { hiddenLayers: [8, 6, 4] }];

function aShape(changes: Partial<ModelShape> = {}): ModelShape {
  return { users: 40, movies: 30, embeddingWidth: 3, hiddenLayers: [8], ...changes };
}

/** Ratings of ±2 by all users and movies but the last of each. */
function someRatings({ users, movies }: ModelShape, count: number, seed = 1): TrainingRatings {
  const draw = (stream: number, below: number) =>
    Array.from({ length: count }, (_, i) => Math.floor(below * randomUnit(randomStream(seed, stream), i)));
  return {
    userIndices: Int32Array.from(draw(100, users - 1)),
    movieIndices: Int32Array.from(draw(101, movies - 1)),
    targets: Float32Array.from(draw(102, 9), (step) => step / 2 - 2),
  };
}

/** Larger than Keras starts with, so that all parts of the network matter within a few steps. */
function someParameters(shape: ModelShape, scale = 4): Parameters {
  return initialParameters(shape, 3).map((tensor, index) => ({
    ...tensor,
    values: tensor.name.endsWith('_biases')
      ? tensor.values.map((_, i) => 0.1 + 0.05 * ((i + index) % 3))
      : tensor.values.map((value) => (index < 2 ? scale * value : value)),
  }));
}

function someOptions(changes: Partial<TrainerOptions> & { count?: number } = {}): TrainerOptions {
  const shape = changes.shape ?? aShape();
  return {
    shape,
    parameters: someParameters(shape),
    optimizer: { learningRate: 0.05, momentum: 0.9, batchSize: 16 },
    ratings: someRatings(shape, changes.count ?? 200),
    seed: 5,
    ...changes,
  };
}

type Work = [epoch: number, firstStep: number, steps: number][];

interface Outcome {
  parameters: Parameters;
  velocities: Parameters;
  squaredErrorSum: number;
  samples: number;
}

async function trained(engine: Engine, options: TrainerOptions, work: Work): Promise<Outcome> {
  const trainer = await engine.openTrainer(options);
  const outcome = { squaredErrorSum: 0, samples: 0 };
  for (const [epoch, firstStep, steps] of work) {
    const result = await trainer.train(epoch, firstStep, steps);
    outcome.squaredErrorSum += result.squaredErrorSum;
    outcome.samples += result.samples;
  }
  const [parameters, velocities] = [await trainer.parameters(), await trainer.velocities()];
  await trainer.close();
  return { ...outcome, parameters, velocities };
}

/** Gradients of the batch mean: w₀ − w₁ of one step with rate 1 and no momentum. */
async function gradientsOf(engine: Engine, options: TrainerOptions): Promise<Parameters> {
  const optimizer = { learningRate: 1, momentum: 0, batchSize: options.optimizer.batchSize };
  const { parameters } = await trained(engine, { ...options, optimizer }, [[0, 0, 1]]);
  return parameters.map((after, index) => ({
    ...after,
    values: after.values.map((value, i) => options.parameters[index].values[i] - value),
  }));
}

interface Tolerance {
  absolute: number;
  relative: number;
}

/** The largest |a − e| / (absolute + relative·|e|): at most 1 is within the tolerance. */
function worstError(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: Tolerance): number {
  expect(actual.length).toBe(expected.length);
  return Array.from(expected).reduce((worst, e, i) => {
    const error = Math.abs(actual[i] - e) / (tolerance.absolute + tolerance.relative * Math.abs(e));
    return Number.isNaN(error) ? Number.POSITIVE_INFINITY : Math.max(worst, error);
  }, 0);
}

function expectClose(actual: Parameters, expected: Parameters, tolerance: Tolerance): void {
  expect(actual.map(({ name, shape }) => ({ name, shape }))).toEqual(
    expected.map(({ name, shape }) => ({ name, shape })),
  );
  const errors = actual.map(({ name, values }, index) => ({
    name,
    error: worstError(values, expected[index].values, tolerance),
  }));
  expect(errors.filter(({ error }) => error > 1)).toEqual([]);
}

function bitsOf(parameters: Parameters): number[][] {
  return parameters.map(({ values }) => Array.from(new Uint32Array(values.slice().buffer)));
}

/** Two groups of users, two of movies: a user likes the movies of their own group (+1) and dislikes the others (−1). */
function aCheckerboard(): TrainingRatings {
  const pairs = Array.from({ length: 8 * 8 }, (_, i) => ({ user: i >> 3, movie: i & 7 }));
  return {
    userIndices: Int32Array.from(pairs, ({ user }) => user),
    movieIndices: Int32Array.from(pairs, ({ movie }) => movie),
    targets: Float32Array.from(pairs, ({ user, movie }) => (user < 4 === movie < 4 ? 1 : -1)),
  };
}

async function checkerboardError(engine: Engine): Promise<number> {
  const shape = aShape({ users: 8, movies: 8, embeddingWidth: 4, hiddenLayers: [16] });
  const optimizer = { learningRate: 0.1, momentum: 0.9, batchSize: 16 };
  const ratings = aCheckerboard();
  const trainer = await engine.openTrainer({
    shape,
    parameters: initialParameters(shape, 1),
    optimizer,
    ratings,
    seed: 1,
  });
  for (let epoch = 0; epoch < 120; epoch++) await trainer.train(epoch, 0, 4);
  const predicted = await trainer.predict(ratings.userIndices, ratings.movieIndices);
  await trainer.close();
  return Math.max(...predicted.map((value, i) => Math.abs(value - ratings.targets[i])));
}

async function failureOf(work: () => Promise<unknown>): Promise<string> {
  return work().then(
    () => 'no error',
    (error) => (error as Error).message,
  );
}

const reference = await referenceDoor.open();
const probed = await (async () => {
  const engines: { door: EngineDoor; reason: string | null; engine: Engine | null }[] = [];
  for (const door of ENGINE_DOORS) {
    const { available, reason } = await door.probe();
    engines.push({ door, reason, engine: available ? await door.open() : null });
  }
  return engines;
})();

describe('reference', () => {
  /** Loss of the first batch as a float64, without changing anything. */
  async function lossOf(options: TrainerOptions, parameters: Parameters): Promise<number> {
    const optimizer = { ...options.optimizer, learningRate: 0, momentum: 0 };
    const { squaredErrorSum, samples } = await trained(reference, { ...options, parameters, optimizer }, [
      [0, 0, 1],
    ]);
    return squaredErrorSum / samples;
  }

  /** (loss(w + ε) − loss(w − ε)) / 2ε for each parameter. */
  async function centralDifferences(options: TrainerOptions, step: number): Promise<number[][]> {
    const slopes: number[][] = [];
    for (const [index, { values }] of options.parameters.entries()) {
      slopes.push([]);
      for (let i = 0; i < values.length; i++) {
        const above = copyParameters(options.parameters);
        const below = copyParameters(options.parameters);
        above[index].values[i] += step;
        below[index].values[i] -= step;
        const width = above[index].values[i] - below[index].values[i];
        slopes[index].push(((await lossOf(options, above)) - (await lossOf(options, below))) / width);
      }
    }
    return slopes;
  }

  test.each(DEPTHS)('gradients are the slopes of the loss, hidden layers %j', async ({ hiddenLayers }) => {
    const shape = aShape({ users: 5, movies: 4, hiddenLayers });
    const options = someOptions({ shape, parameters: someParameters(shape, 20), count: 16 });
    const slopes = await centralDifferences(options, 2 ** -10);
    const gradients = await gradientsOf(reference, options);
    // Central differences err by ε² · third derivative; w₀ − w₁ in float32 by 6e-8 · |w|.
    const errors = gradients.map(({ values }, index) =>
      worstError(values, slopes[index], { absolute: 2e-6, relative: 1e-4 }),
    );
    expect(errors.filter((error) => error > 1)).toEqual([]);
    expect(gradients.every(({ values }) => values.some((value) => Math.abs(value) > 1e-3))).toBe(true);
  });

  test('a step of one weight can be followed by hand', async () => {
    // ŷ = w₂·relu(w₁ₐ·p + w₁ᵦ·q + b₁) + b₂ = 3·(1·1 + 2·0.5 + 0) + 0 = 6; t = 5; loss 1; dloss/dŷ = 2.
    const shape = aShape({ users: 1, movies: 1, embeddingWidth: 1, hiddenLayers: [1] });
    const values = [[1], [0.5], [1, 2], [0], [3], [0]];
    const parameters = initialParameters(shape, 1).map((tensor, index) => ({
      ...tensor,
      values: Float32Array.from(values[index]),
    }));
    const ratings = {
      userIndices: Int32Array.of(0),
      movieIndices: Int32Array.of(0),
      targets: Float32Array.of(5),
    };
    const gradients = await gradientsOf(reference, someOptions({ shape, parameters, ratings }));
    expect(gradients.map((tensor) => Array.from(tensor.values))).toEqual([[6], [12], [6, 3], [6], [4], [2]]);
  });

  test('a checkerboard of tastes is learned', async () => {
    expect(await checkerboardError(reference)).toBeLessThan(0.02);
  });
});

describe.each(probed.filter(({ engine }) => engine === null))('$door.name', ({ door, reason }) => {
  test.skip(`${door.name} cannot run here: ${reason}`, () => {});
});

describe.each(probed.flatMap(({ door, engine }) => (engine ? [{ name: door.name, engine }] : [])))(
  '$name',
  ({ engine }) => {
    async function expectSameTraining(options: TrainerOptions, work: Work, tolerance: Tolerance) {
      const actual = await trained(engine, options, work);
      const expected = await trained(reference, options, work);
      expectClose(actual.parameters, expected.parameters, tolerance);
      expectClose(actual.velocities, expected.velocities, tolerance);
      expect(actual.samples).toBe(expected.samples);
      expect(worstError([actual.squaredErrorSum], [expected.squaredErrorSum], tolerance)).toBeLessThan(1);
      return actual;
    }

    test.each(DEPTHS)('gradients are those of the batch mean, hidden layers %j', async ({ hiddenLayers }) => {
      const options = someOptions({ shape: aShape({ hiddenLayers }) });
      expectClose(await gradientsOf(engine, options), await gradientsOf(reference, options), ONE_STEP);
    });

    test.each(DEPTHS)('four epochs of dense momentum, hidden layers %j', async ({ hiddenLayers }) => {
      // 200 ratings in batches of 16: 13 steps an epoch, the last of 8.
      const options = someOptions({ shape: aShape({ hiddenLayers }) });
      const work: Work = [
        [0, 0, 13],
        [1, 0, 13],
        [2, 0, 13],
        [3, 0, 13],
      ];
      const { parameters, velocities, samples } = await expectSameTraining(options, work, MANY_STEPS);
      expect(samples).toBe(800);
      // The last user and the last movie have no ratings.
      expect(Array.from(parameters[0].values.subarray(-3))).toEqual(
        Array.from(options.parameters[0].values.subarray(-3)),
      );
      expect(Array.from(velocities[1].values.subarray(-3), Math.abs)).toEqual([0, 0, 0]);
    });

    test('rows that a batch does not touch keep moving with their momentum', async () => {
      // One rating of user 0 in epoch order 0 … 9; steps of one rating each: a user's row is touched once.
      const shape = aShape({ users: 10, movies: 10 });
      const indices = Int32Array.of(0, 1, 2, 3, 4, 5, 6, 7, 8, 9);
      const ratings = { userIndices: indices, movieIndices: indices, targets: new Float32Array(10).fill(2) };
      const optimizer = { learningRate: 0.05, momentum: 0.9, batchSize: 1 };
      await expectSameTraining(someOptions({ shape, ratings, optimizer }), [[0, 0, 10]], ONE_STEP);
    });

    test('velocities given at the start are carried on', async () => {
      const velocities = someParameters(aShape(), 0.1);
      await expectSameTraining(someOptions({ velocities }), [[0, 0, 5]], ONE_STEP);
    });

    test('duplicates in a batch are summed', async () => {
      const ratings = {
        userIndices: new Int32Array(16).fill(3),
        movieIndices: Int32Array.from({ length: 16 }, (_, i) => i % 2),
        targets: Float32Array.from({ length: 16 }, (_, i) => i / 8 - 1),
      };
      await expectSameTraining(someOptions({ ratings }), [[0, 0, 1]], ONE_STEP);
    });

    test('a batch larger than the ratings takes them all', async () => {
      const optimizer = { learningRate: 0.05, momentum: 0.9, batchSize: 1024 };
      const work: Work = [
        [0, 0, 1],
        [1, 0, 1],
      ];
      const { samples } = await expectSameTraining(someOptions({ optimizer, count: 21 }), work, ONE_STEP);
      expect(samples).toBe(42);
    });

    test('a wide batch on a wide layer, where kernels take other paths', async () => {
      const shape = aShape({ embeddingWidth: 10, hiddenLayers: [130] });
      const optimizer = { learningRate: 0.08, momentum: 0.9, batchSize: 257 };
      await expectSameTraining(someOptions({ shape, optimizer, count: 600 }), [[0, 0, 3]], ONE_STEP);
    });

    test('the same seed gives the same bits', async () => {
      const work: Work = [[0, 0, 13]];
      const first = await trained(engine, someOptions(), work);
      const second = await trained(engine, someOptions(), work);
      expect(bitsOf(second.parameters)).toEqual(bitsOf(first.parameters));
      expect(bitsOf(second.velocities)).toEqual(bitsOf(first.velocities));
      expect(second.squaredErrorSum).toBe(first.squaredErrorSum);
    });

    test('training resumed in the middle of an epoch gives the same bits', async () => {
      const whole = await trained(engine, someOptions(), [
        [0, 0, 13],
        [1, 0, 13],
      ]);
      const half = await trained(engine, someOptions(), [
        [0, 0, 13],
        [1, 0, 6],
      ]);
      const { parameters, velocities } = half;
      const resumed = await trained(engine, someOptions({ parameters, velocities }), [[1, 6, 7]]);
      expect(bitsOf(resumed.parameters)).toEqual(bitsOf(whole.parameters));
      expect(bitsOf(resumed.velocities)).toEqual(bitsOf(whole.velocities));
    });

    test('the given parameters are copied, and what is handed out is a copy', async () => {
      const options = someOptions();
      const before = bitsOf(options.parameters);
      const trainer = await engine.openTrainer(options);
      const handedOut = await trainer.parameters();
      for (const { values } of handedOut) values.fill(9);
      await trainer.train(0, 0, 2);
      expect(bitsOf(options.parameters)).toEqual(before);
      for (const { values } of options.parameters) values.fill(9);
      const { parameters } = await trained(engine, someOptions(), [[0, 0, 2]]);
      expect(bitsOf(await trainer.parameters())).toEqual(bitsOf(parameters));
      await trainer.close();
    });

    test('a trainer predicts with its parameters as they stand', async () => {
      const options = someOptions();
      const { userIndices, movieIndices } = options.ratings;
      const outputs = await Promise.all(
        [engine, reference].map(async (each) => {
          const trainer = await each.openTrainer(options);
          await trainer.train(0, 0, 3);
          const predicted = await trainer.predict(userIndices, movieIndices);
          await trainer.close();
          return predicted;
        }),
      );
      expect(worstError(outputs[0], outputs[1], ONE_STEP)).toBeLessThan(1);
    });

    test.each(DEPTHS)('a scorer agrees with the reference, hidden layers %j', async ({ hiddenLayers }) => {
      const shape = aShape({ hiddenLayers });
      const [users, movies] = [Int32Array.of(0, 39, 7, 7), Int32Array.of(29, 0, 3, 3)];
      const [actual, expected] = await Promise.all(
        [engine, reference].map(async (each) => {
          const scorer = await each.openScorer(shape, someParameters(shape));
          const outputs = [await scorer.predict(users, movies), await scorer.scoreMovies(users)];
          await scorer.close();
          return outputs;
        }),
      );
      expect(worstError(actual[0], expected[0], ONE_STEP)).toBeLessThan(1);
      expect(worstError(actual[1], expected[1], ONE_STEP)).toBeLessThan(1);
      expect(actual[1].length).toBe(4 * 30);
      expect(actual[1][30 + 0]).toBeCloseTo(actual[0][1], 5);
    });

    test('catalogues and lists of pairs that take several blocks are scored whole', async () => {
      const shape = aShape({ users: 2, movies: 4_100, hiddenLayers: [2048] });
      const movies = Int32Array.from({ length: 4_100 }, (_, m) => m);
      const scorer = await engine.openScorer(shape, someParameters(shape));
      const byCatalogue = await scorer.scoreMovies(Int32Array.of(1));
      const byPairs = await scorer.predict(new Int32Array(4_100).fill(1), movies);
      await scorer.close();
      expect(worstError(byCatalogue, byPairs, ONE_STEP)).toBeLessThan(1);
      const { predict } = await openPredict(shape, movies.subarray(-20));
      expect(worstError(byPairs.subarray(-20), predict, ONE_STEP)).toBeLessThan(1);
    });

    async function openPredict(shape: ModelShape, movies: Int32Array) {
      const scorer = await reference.openScorer(shape, someParameters(shape));
      return { predict: await scorer.predict(new Int32Array(movies.length).fill(1), movies) };
    }

    test('no pairs and no users give empty answers', async () => {
      const scorer = await engine.openScorer(aShape(), someParameters(aShape()));
      expect((await scorer.predict(new Int32Array(0), new Int32Array(0))).length).toBe(0);
      expect((await scorer.scoreMovies(new Int32Array(0))).length).toBe(0);
      await scorer.close();
    });

    test('a user or movie outside the shape is refused', async () => {
      const scorer = await engine.openScorer(aShape(), someParameters(aShape()));
      const messages = [
        await failureOf(() => scorer.predict(Int32Array.of(0), Int32Array.of(30))),
        await failureOf(() => scorer.scoreMovies(Int32Array.of(-1))),
      ];
      await scorer.close();
      expect(messages).toEqual(['movie index 30 is outside 0…29', 'user index -1 is outside 0…39']);
    });

    test('a step beyond the epoch is refused', async () => {
      const trainer = await engine.openTrainer(someOptions());
      expect(await failureOf(() => trainer.train(0, 13, 1))).toContain('batch 13 of 13');
      await trainer.close();
    });

    test('after closing, calls are errors and closing again is not', async () => {
      const trainer = await engine.openTrainer(someOptions());
      await trainer.close();
      await trainer.close();
      expect(await failureOf(() => trainer.train(0, 0, 1))).toContain('closed');
      expect(await failureOf(() => trainer.parameters())).toContain('closed');
      const scorer = await engine.openScorer(aShape(), someParameters(aShape()));
      await scorer.close();
      await scorer.close();
      expect(await failureOf(() => scorer.scoreMovies(Int32Array.of(0)))).toContain('closed');
    });
  },
);

const runnable = probed.flatMap(({ engine }) => (engine ? [engine] : []));

test('engines, trainers and scorers working at the same time give the bits they give alone', async () => {
  const work: Work = [[0, 0, 10]];
  const jobs = runnable.flatMap((engine) => [engine, engine]);
  const apart: Outcome[] = [];
  for (const engine of jobs) apart.push(await trained(engine, someOptions(), work));
  const scoring = jobs.map(async (engine) => {
    const scorer = await engine.openScorer(aShape(), someParameters(aShape()));
    await scorer.scoreMovies(Int32Array.of(1, 2, 3));
    return scorer.close();
  });
  const together = await Promise.all(jobs.map((engine) => trained(engine, someOptions(), work)));
  await Promise.all(scoring);
  expect(together.map(({ parameters }) => bitsOf(parameters))).toEqual(
    apart.map(({ parameters }) => bitsOf(parameters)),
  );
});

describe('memory of TensorFlow.js', () => {
  const tfjsEngines = runnable.filter(({ name }) => name.startsWith('tfjs:'));

  test.each(tfjsEngines)('$name frees every tensor of its steps, predictions and scores', async (engine) => {
    const { memory } = await import('@tensorflow/tfjs-core');
    const atFirst = memory().numTensors;
    const trainer: Trainer = await engine.openTrainer(someOptions());
    const scorer = await engine.openScorer(aShape(), someParameters(aShape()));
    const opened = memory().numTensors;
    await trainer.train(0, 0, 13);
    await trainer.predict(Int32Array.of(1), Int32Array.of(2));
    await trainer.parameters();
    await scorer.scoreMovies(Int32Array.of(1, 2));
    expect(memory().numTensors).toBe(opened);
    await trainer.close();
    await scorer.close();
    expect(memory().numTensors).toBe(atFirst);
  });

  test.each(tfjsEngines)('$name learns a checkerboard of tastes', async (engine) => {
    expect(await checkerboardError(engine)).toBeLessThan(0.02);
  });
});
