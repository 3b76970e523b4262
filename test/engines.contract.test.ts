// One suite for every engine: each must give the numbers of the reference engine, and behave as the contract says.
// An engine that cannot run here is skipped with its reason in the test's name. The family of models and the optimizers:
// engines.family.test.ts.

import type { Engine, ModelShape, TrainerOptions } from '#src/engines/engine.js';
import { referenceDoor } from '#src/engines/reference.js';
import { tfjsCpuDoorFor } from '#src/engines/tfjs.js';
import { bitsOf } from './support/bits.js';
import {
  aShape,
  checkerboardError,
  EPOCH_STEPS,
  expectClose,
  expectCloseOutcome,
  expectSameBits,
  failureOf,
  gradientsOf,
  MANY_STEPS,
  ONE_STEP,
  type Outcome,
  openAllWays,
  openEngines,
  runnableOf,
  someOptions,
  someParameters,
  type Tolerance,
  testShape,
  trained,
  type Work,
  wholeEpochs,
  worstError,
} from './support/engines.js';

const [reference] = (await openEngines([referenceDoor])).map(({ engine }) => engine!);
const runnable = runnableOf(await openAllWays());

const OPTIMIZERS = [
  { kind: 'sgd', learningRate: 0.05, learningRateDecay: 0.8, momentum: 0.9, batchSize: 16 },
  { kind: 'adam', learningRate: 0.005, learningRateDecay: 0.8, momentum: 0, batchSize: 16 },
] as const;
const DEPTHS = [[8], [8, 6], [8, 6, 4]].map((hiddenLayers) => aShape({ hiddenLayers }));

/** Two epochs, and not quite one and a half. */
async function wholeAndHalf(engine: Engine, options: TrainerOptions): Promise<Outcome[]> {
  const first: Work = [[0, 0, EPOCH_STEPS]];
  return [
    await trained(engine, options, [...first, [1, 0, EPOCH_STEPS]]),
    await trained(engine, options, [...first, [1, 0, 2]]),
  ];
}

describe.each(runnable)('$name', ({ door, engine }) => {
  async function expectSameTraining(options: TrainerOptions, work: Work, tolerance: Tolerance) {
    const actual = await trained(engine, options, work);
    expectCloseOutcome(actual, await trained(reference, options, work), tolerance);
    return actual;
  }

  for (const shape of DEPTHS) {
    testShape({ door, engine }, 'gradients are those of the batch mean', shape, async () => {
      const options = someOptions({ shape });
      expectClose(await gradientsOf(engine, options), await gradientsOf(reference, options), ONE_STEP);
    });

    testShape({ door, engine }, 'two epochs of dense momentum', shape, async () => {
      const options = someOptions({ shape });
      await expectSameTraining(options, wholeEpochs(options, 2), MANY_STEPS);
    });

    testShape({ door, engine }, 'a scorer agrees with the reference', shape, async () => {
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
  }

  test('52 steps of dense momentum', async () => {
    // 200 ratings in batches of 16: 13 steps an epoch, the last of 8.
    const options = someOptions({ count: 200 });
    const { samples } = await expectSameTraining(options, wholeEpochs(options, 4), MANY_STEPS);
    expect(samples).toBe(800);
  });

  test('users and movies without ratings stay as they are without L2', async () => {
    const options = someOptions();
    const { parameters, state } = await trained(engine, options, wholeEpochs(options, 2));
    // The last user and the last movie have no ratings.
    expect(Array.from(parameters[0].values.subarray(-3))).toEqual(
      Array.from(options.parameters[0].values.subarray(-3)),
    );
    expect(Array.from(state.moments[0][1].values.subarray(-3), Math.abs)).toEqual([0, 0, 0]);
  });

  test('rows that a batch does not touch keep moving with their momentum', async () => {
    // One rating of user 0 in epoch order 0 … 9; steps of one rating each: a user's row is touched once.
    const shape = aShape({ users: 10, movies: 10 });
    const indices = Int32Array.of(0, 1, 2, 3, 4, 5, 6, 7, 8, 9);
    const ratings = { userIndices: indices, movieIndices: indices, targets: new Float32Array(10).fill(2) };
    const optimizer = { learningRate: 0.05, momentum: 0.9, batchSize: 1 };
    await expectSameTraining(someOptions({ shape, ratings, optimizer }), [[0, 0, 10]], ONE_STEP);
  });

  test('a state given at the start is carried on', async () => {
    const state = { steps: 7, moments: [someParameters(aShape(), 0.1)] };
    await expectSameTraining(someOptions({ state }), [[0, 0, 5]], ONE_STEP);
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
    const work: Work = [[0, 0, EPOCH_STEPS]];
    const first = await trained(engine, someOptions(), work);
    const second = await trained(engine, someOptions(), work);
    expectSameBits(second, first);
    expect(second.squaredErrorSum).toBe(first.squaredErrorSum);
  });

  test.each(OPTIMIZERS)('training by $kind resumed after an epoch gives the same bits', async (optimizer) => {
    const options = someOptions({ optimizer });
    const whole = await trained(engine, options, wholeEpochs(options, 3));
    const { parameters, state } = await trained(engine, options, wholeEpochs(options, 2));
    const resumed = await trained(engine, { ...options, parameters, state }, [[2, 0, EPOCH_STEPS]]);
    expectSameBits(resumed, whole);
  });

  // Others not to the same bits: they may catch up with the steps that a row missed when they hand the row out, or later.
  const isTfjs = door.name.startsWith('tfjs:');
  test.each(OPTIMIZERS)(
    `training by $kind goes on in the middle of an epoch${isTfjs ? ' to the same bits' : ''}`,
    async (optimizer) => {
      const options = someOptions({ optimizer });
      const [whole, { parameters, state }] = await wholeAndHalf(engine, options);
      const resumed = await trained(engine, { ...options, parameters, state }, [[1, 2, EPOCH_STEPS - 2]]);
      const { samples, squaredErrorSum } = whole;
      expectCloseOutcome({ ...resumed, samples, squaredErrorSum }, whole, ONE_STEP);
      if (isTfjs) expectSameBits(resumed, whole);
    },
  );

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

  // tfjs:cpu would take a minute for a layer that fills its blocks: they are made smaller instead.
  const hasSmallBlocks = door.name === 'tfjs:cpu';
  const shape = aShape({ users: 2, movies: 4_100, hiddenLayers: [hasSmallBlocks ? 16 : 2048] });
  testShape(
    { door, engine },
    'catalogues and pairs that take several blocks are scored whole',
    shape,
    async () => {
      const movies = Int32Array.from({ length: 4_100 }, (_, m) => m);
      const blocked = hasSmallBlocks ? await tfjsCpuDoorFor(2 ** 14).open({ threads: 1 }) : engine;
      const scorer = await blocked.openScorer(shape, someParameters(shape));
      const byCatalogue = await scorer.scoreMovies(Int32Array.of(1));
      const byPairs = await scorer.predict(new Int32Array(4_100).fill(1), movies);
      await scorer.close();
      expect(worstError(byCatalogue, byPairs, ONE_STEP)).toBeLessThan(1);
      const { predict } = await openPredict(shape, movies.subarray(-20));
      expect(worstError(byPairs.subarray(-20), predict, ONE_STEP)).toBeLessThan(1);
    },
  );

  async function openPredict(shape: ModelShape, movies: Int32Array) {
    const scorer = await reference.openScorer(shape, someParameters(shape));
    return { predict: await scorer.predict(new Int32Array(movies.length).fill(1), movies) };
  }

  test('the top movies are the best of those allowed, by score as served, then by index', async () => {
    const shape = aShape({ hiddenLayers: [], biases: true });
    // Movies 0, 3, 6, … score alike, and so do the two other thirds.
    const scorer = await engine.openScorer(shape, someParameters(shape));
    const outputs = await scorer.scoreMovies(Int32Array.of(4));
    const request = {
      userIndices: Int32Array.of(4, 4, 4),
      n: 8,
      offset: 3.5,
      allowed: Uint32Array.of(0xffffffff, 0b1001001, 0b1001001),
      afterScores: Float32Array.of(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, outputs[0] + 3.5),
      afterIndices: Int32Array.of(-1, -1, 0),
    };
    const { counts, movieIndices, scores } = await scorer.topMovies(request);
    await scorer.close();
    const best = [...outputs.keys()].sort((a, b) => outputs[b] - outputs[a] || a - b).slice(0, 8);
    expect([...counts]).toEqual([8, 3, 2]);
    expect([...movieIndices.subarray(0, 8)]).toEqual(best);
    expect([...scores.subarray(0, 8)]).toEqual(best.map((m) => Math.fround(outputs[m] + 3.5)));
    expect([...movieIndices.subarray(8, 11)]).toEqual([0, 3, 6]);
    expect([...movieIndices.subarray(16, 18)]).toEqual([3, 6]);
  });

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
    expect(await failureOf(() => trainer.train(0, EPOCH_STEPS, 1))).toContain('batch 5 of 5');
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
});

test('engines, trainers and scorers working at the same time give the bits they give alone', async () => {
  const work: Work = [[0, 0, 4]];
  const jobs = runnable.flatMap(({ engine }) => [engine, engine]);
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

// A step takes a software driver of webgpu up to 40 ms, whatever is in it, one of tfjs:webgpu ten times that, and these are 160.
test.each(runnable)(
  '$name learns a checkerboard of tastes',
  async ({ engine }) => {
    expect(await checkerboardError(engine)).toBeLessThan(0.02);
    expect(await checkerboardError(engine, { hiddenLayers: [], dotProduct: true })).toBeLessThan(0.02);
  },
  900_000,
);

describe('TensorFlow.js', () => {
  const tfjsEngines = runnable.filter(({ name }) => name.startsWith('tfjs:'));

  test.each(tfjsEngines)(
    '$name frees every tensor of its steps, predictions and scores',
    async ({ engine }) => {
      const { memory } = await import('@tensorflow/tfjs-core');
      const atFirst = memory().numTensors;
      const shape = aShape({ biases: true, dotProduct: true });
      const trainer = await engine.openTrainer(someOptions({ shape, optimizer: OPTIMIZERS[1] }));
      const scorer = await engine.openScorer(shape, someParameters(shape));
      const opened = memory().numTensors;
      await trainer.train(0, 0, EPOCH_STEPS);
      await trainer.predict(Int32Array.of(1), Int32Array.of(2));
      await trainer.parameters();
      await trainer.state();
      await scorer.scoreMovies(Int32Array.of(1, 2));
      expect(memory().numTensors).toBe(opened);
      await trainer.close();
      await scorer.close();
      expect(memory().numTensors).toBe(atFirst);
    },
  );
});
