// Every engine on the whole family of models and with both optimizers: the numbers of the reference engine.
// What an engine does not have it must refuse, and name one that has it.

import fc from 'fast-check';
import type { ModelShape, OptimizerSettings } from '#src/engines/engine.js';
import { referenceDoor } from '#src/engines/reference.js';
import {
  aShape,
  EPOCH_STEPS,
  expectCloseOutcome,
  expectSameBits,
  failureOf,
  gradientsOf,
  MANY_STEPS,
  ONE_STEP,
  openAllWays,
  openEngines,
  runnableOf,
  someOptions,
  someParameters,
  type Tolerance,
  testShape,
  trained,
  valuesOf,
  wholeEpochs,
  worstError,
} from './support/engines.js';

const [reference] = (await openEngines([referenceDoor])).map(({ engine }) => engine!);
const runnable = runnableOf(await openAllWays());

// A step of adam has about the size of the rate however small the gradient is. Where a gradient cancels to nearly nothing, an
// error of 1e-8 in it moves the parameter by rate · 1e-8/(√v + ε), up to 3e-3 of the rate at the first step. Measured on the
// tfjs engines: at most 0.18 of the bound.
const ADAM_STEPS: Tolerance = { absolute: 2e-5, relative: 1e-4 };

const L2 = { embeddings: 0.02, biases: 0.05, weights: 0.01 };
const SGD = { kind: 'sgd', learningRate: 0.05, momentum: 0.9, batchSize: 16 } as const;
const ADAM = { kind: 'adam', learningRate: 0.005, momentum: 0, batchSize: 16 } as const;
const OPTIMIZERS = [SGD, ADAM].map((optimizer) => ({ ...optimizer, learningRateDecay: 0.8, l2: L2 }));

const FLAGS = [false, true];
/** All combinations of parts, but the one without any. */
const PARTS = [[], [1], [130]]
  .flatMap((hiddenLayers) => FLAGS.map((biases) => ({ hiddenLayers, biases })))
  .flatMap((parts) => FLAGS.map((dotProduct) => aShape({ ...parts, dotProduct })))
  .filter(({ hiddenLayers, biases, dotProduct }) => hiddenLayers.length > 0 || biases || dotProduct);
const WIDTHS = [1, 7, 10, 64, 256]
  .flatMap((embeddingWidth) => [[], [33]].map((hiddenLayers) => ({ embeddingWidth, hiddenLayers })))
  .map((sizes) => aShape({ ...sizes, biases: true, dotProduct: true }));
const FACTORIZATION = aShape({ hiddenLayers: [], biases: true, dotProduct: true });
const EVERYTHING = aShape({ biases: true, dotProduct: true });

function toleranceOf({ kind }: OptimizerSettings): Tolerance {
  return kind === 'adam' ? ADAM_STEPS : MANY_STEPS;
}

describe.each(runnable)('$name', ({ door, engine }) => {
  async function expectSameEpochs(shape: ModelShape, optimizer: OptimizerSettings, count: number) {
    const options = someOptions({ shape, optimizer, count });
    const work = wholeEpochs(options, 2);
    const [actual, expected] = [
      await trained(engine, options, work),
      await trained(reference, options, work),
    ];
    expectCloseOutcome(actual, expected, toleranceOf(optimizer));
  }

  for (const optimizer of OPTIMIZERS) {
    for (const shape of [...PARTS, ...WIDTHS]) {
      testShape({ door, engine }, `two epochs of ${optimizer.kind} with L2 and decay`, shape, () =>
        // Two steps an epoch, the last of four ratings.
        expectSameEpochs(shape, optimizer, 20),
      );
    }

    test.each([
      [1, 6],
      [7, 15],
      [100, 15],
      [1000, 15],
    ])(`batches of %i of %i ratings by ${optimizer.kind}`, async (batchSize, count) => {
      // A rate at which batches of one do not diverge.
      const slow = { ...optimizer, learningRate: 0.005, batchSize };
      for (const shape of [FACTORIZATION, EVERYTHING]) await expectSameEpochs(shape, slow, count);
    });

    test(`the same seed gives the same bits by ${optimizer.kind}, resumed after an epoch or not`, async () => {
      for (const shape of [FACTORIZATION, EVERYTHING]) {
        // Three steps an epoch.
        const options = someOptions({ shape, optimizer, count: 36 });
        const first = await trained(engine, options, wholeEpochs(options, 2));
        expectSameBits(await trained(engine, options, wholeEpochs(options, 2)), first);
        const { parameters, state } = await trained(engine, options, wholeEpochs(options, 1));
        const resumed = await trained(engine, { ...options, parameters, state }, [[1, 0, 3]]);
        expectSameBits(resumed, first);
      }
    });

    test(`one engine goes on by ${optimizer.kind} from what another left`, async () => {
      const options = someOptions({ shape: EVERYTHING, optimizer });
      const { parameters, state } = await trained(reference, options, wholeEpochs(options, 1));
      const resumed = { ...options, parameters, state };
      expectCloseOutcome(
        await trained(engine, resumed, [[1, 0, EPOCH_STEPS]]),
        await trained(reference, resumed, [[1, 0, EPOCH_STEPS]]),
        toleranceOf(optimizer),
      );
    });

    test(`the rate of an epoch by ${optimizer.kind} is that of the first times the decay for each epoch`, async () => {
      const options = someOptions({ shape: EVERYTHING });
      const late = { ...optimizer, learningRate: 0.016, learningRateDecay: 0.5 };
      const constant = { ...optimizer, learningRate: 0.002, learningRateDecay: 1 };
      expectSameBits(
        await trained(engine, { ...options, optimizer: late }, [[3, 0, EPOCH_STEPS]]),
        await trained(engine, { ...options, optimizer: constant }, [[3, 0, EPOCH_STEPS]]),
      );
    });
  }

  test.each([
    ['embeddings', { embeddings: 0.1 }, ['user_embeddings', 'movie_embeddings']],
    ['biases', { biases: 0.1 }, ['user_biases', 'movie_biases']],
    ['weights', { weights: 0.1 }, ['hidden_1_weights', 'output_weights']],
  ])('L2 of %s adds 2λw to their gradients and to no others', async (_, l2, names) => {
    const options = someOptions({ shape: EVERYTHING });
    const without = await gradientsOf(engine, options);
    const gradients = await gradientsOf(engine, { ...options, optimizer: { ...options.optimizer, l2 } });
    for (const [index, { name, values }] of gradients.entries()) {
      const lambda = names.includes(name) ? 0.1 : 0;
      const expected = options.parameters[index].values.map(
        (w, i) => without[index].values[i] + 2 * lambda * w,
      );
      expect([name, worstError(values, expected, ONE_STEP) < 1]).toEqual([name, true]);
    }
  });

  test('L2 and momentum move rows without ratings by sgd, too', async () => {
    const optimizer = { ...SGD, l2: L2 };
    const options = someOptions({ shape: EVERYTHING, optimizer });
    const { parameters } = await trained(engine, options, [[0, 0, 3]]);
    for (const [name, width] of [
      ['user_embeddings', 3],
      ['movie_biases', 1],
    ] as const) {
      const lambda = width === 1 ? L2.biases : L2.embeddings;
      const last = valuesOf(options.parameters, name).subarray(-width);
      const expected = Array.from(last, (start) => {
        let [w, v] = [start, 0];
        for (let step = 0; step < 3; step++) {
          v = 0.9 * v - 0.05 * 2 * lambda * w;
          w += v;
        }
        return w;
      });
      expect(worstError(valuesOf(parameters, name).subarray(-width), expected, ONE_STEP)).toBeLessThan(1);
    }
  });

  test('adam leaves rows that a batch is not about as they are, moments too, and moves all layers', async () => {
    const optimizer = { ...ADAM, l2: L2, batchSize: 1 };
    const options = someOptions({ shape: EVERYTHING, optimizer });
    const { parameters, state } = await trained(engine, options, [[0, 0, 1]]);
    const movedRows = (name: string) => {
      const [before, after] = [options.parameters, parameters].map((each) => valuesOf(each, name));
      return before.filter((value, i) => value !== after[i]).length;
    };
    expect(['user_embeddings', 'movie_embeddings', 'user_biases', 'movie_biases'].map(movedRows)).toEqual([
      3, 3, 1, 1,
    ]);
    expect(movedRows('output_weights')).toBe(8);
    for (const moment of state.moments) {
      expect(valuesOf(moment, 'user_biases').filter((value) => value !== 0).length).toBe(1);
      expect(valuesOf(moment, 'movie_embeddings').filter((value) => value !== 0).length).toBe(3);
    }
  });

  for (const shape of [...PARTS, ...WIDTHS]) {
    testShape({ door, engine }, 'a scorer agrees with the reference', shape, async () => {
      const [users, movies] = [Int32Array.of(0, 39, 7), Int32Array.of(29, 0, 3)];
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
    });
  }

  test('a shape without any part is refused', async () => {
    const shape = aShape({ hiddenLayers: [] });
    const opening = () => engine.openTrainer({ ...someOptions(), shape });
    expect(await failureOf(opening)).toContain('at least one part');
  });

  test('the state of another optimizer is refused', async () => {
    const options = someOptions();
    const { state } = await trained(engine, options, [[0, 0, 1]]);
    expect(await failureOf(() => engine.openTrainer({ ...options, optimizer: ADAM, state }))).toContain(
      'number of moments of adam',
    );
  });

  test('random models, optimizers and batches train as the reference trains them', async () => {
    await fc.assert(
      fc.asyncProperty(someCase, async ({ shape, optimizer, count, seed }) => {
        const hiddenLayers = [...shape.hiddenLayers];
        while (door.refusalOf({ ...shape, hiddenLayers }) !== null) hiddenLayers.pop();
        const allowed = { ...shape, hiddenLayers };
        fc.pre(hiddenLayers.length > 0 || shape.biases === true || shape.dotProduct === true);
        const options = someOptions({ shape: allowed, optimizer, count, seed });
        const work = wholeEpochs(options, 2);
        const [actual, expected] = [
          await trained(engine, options, work),
          await trained(reference, options, work),
        ];
        expectCloseOutcome(actual, expected, toleranceOf(optimizer));
      }),
      // On failure the message has the seed, the path and the smallest case.
      { seed: 20, numRuns: 25 },
    );
  });
});

const upTo = (max: number) => fc.integer({ min: 1, max });
const rate = (max: number) => upTo(8).map((eighths) => (max * eighths) / 8);
const share = (max: number) => fc.integer({ min: 0, max: 8 }).map((eighths) => (max * eighths) / 8);

const someCase = fc.record({
  shape: fc.record({
    users: fc.integer({ min: 2, max: 20 }),
    movies: fc.integer({ min: 2, max: 20 }),
    embeddingWidth: upTo(20),
    hiddenLayers: fc.array(upTo(20), { maxLength: 3 }),
    biases: fc.boolean(),
    dotProduct: fc.boolean(),
  }),
  optimizer: fc.oneof(
    fc.record({ ...someSettings(), kind: fc.constant('sgd' as const), learningRate: rate(0.02) }),
    fc.record({ ...someSettings(), kind: fc.constant('adam' as const), learningRate: rate(0.01) }),
  ),
  count: upTo(40),
  seed: fc.nat(),
});

function someSettings() {
  return {
    learningRateDecay: fc.constantFrom(1, 0.9, 0.5),
    momentum: fc.constantFrom(0, 0.5, 0.9),
    batchSize: upTo(40),
    l2: fc.record({ embeddings: share(0.1), biases: share(0.1), weights: share(0.1) }),
  };
}
