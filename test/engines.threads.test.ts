// The bits of a model do not depend on how many threads computed it: parameters, optimizer state, losses, predictions, places.
// Batches are large enough that every thread has samples: a thread is woken for 64 of them.

import type { OptimizerSettings, TrainerOptions } from '#src/engines/engine.js';
import { bitsOf, digestOf } from './support/bits.js';
import {
  aShape,
  CPU_DOORS,
  openEngines,
  runnableOf,
  someOptions,
  someParameters,
  trained,
  wholeEpochs,
} from './support/engines.js';

const THREADS = [1, 2, 3, 4, 7];
const runnable = runnableOf(await openEngines(CPU_DOORS, { threads: 7 }));

const L2 = { embeddings: 0.002, biases: 0.005, weights: 0.001 };
const SGD = { kind: 'sgd', learningRate: 0.05, momentum: 0.9, batchSize: 256, l2: L2 } as const;
const ADAM = { kind: 'adam', learningRate: 0.005, momentum: 0, batchSize: 256, l2: L2 } as const;
/** Seven threads of 64 samples. */
const WIDE = { batchSize: 512 };
const SIZES = { users: 300, movies: 200 };
const PAPER = aShape({ ...SIZES, embeddingWidth: 10, hiddenLayers: [64] });
const FACTORIZATION = aShape({
  ...SIZES,
  embeddingWidth: 64,
  hiddenLayers: [],
  biases: true,
  dotProduct: true,
});
/** Units that do not fill the last group of 32, rows that do not fill vectors. */
const EVERYTHING = aShape({
  ...SIZES,
  embeddingWidth: 7,
  hiddenLayers: [130],
  biases: true,
  dotProduct: true,
});

/** 1,900 ratings: neither batches nor shares come out even. */
function optionsOf(shape: TrainerOptions['shape'], optimizer: OptimizerSettings): TrainerOptions {
  return someOptions({ shape, optimizer, count: 1_900 });
}

describe.each(runnable)('$name', ({ door }) => {
  test.each([
    ['the paper by sgd', PAPER, SGD],
    ['the paper by sgd in wide batches', PAPER, { ...SGD, ...WIDE }],
    ['matrix factorization by sgd', FACTORIZATION, { ...SGD, ...WIDE }],
    ['matrix factorization by adam', FACTORIZATION, ADAM],
    ['all parts by sgd', EVERYTHING, SGD],
    ['all parts by adam', EVERYTHING, { ...ADAM, ...WIDE }],
  ])('%s: 1, 2, 3, 4 and 7 threads train to the same bits', async (_, shape, optimizer) => {
    const options = optionsOf(shape, optimizer);
    // An epoch left in its middle: rows have steps to catch up with.
    const work = [...wholeEpochs(options, 2), [2, 0, 2] as [number, number, number]];
    const outcomes = [];
    for (const threads of THREADS) outcomes.push(await trained(await door.open({ threads }), options, work));
    const [alone, ...others] = outcomes.map(({ parameters, state, squaredErrorSum, samples }) => ({
      bits: [parameters, ...state.moments].map(bitsOf),
      ...{ steps: state.steps, squaredErrorSum, samples },
    }));
    expect(alone.samples).toBe(2 * 1_900 + 2 * optimizer.batchSize);
    for (const other of others) expect(other).toEqual(alone);
  });

  test.each([
    ['the paper', PAPER],
    ['matrix factorization', FACTORIZATION],
    ['all parts', EVERYTHING],
  ])('%s: 1, 2, 3, 4 and 7 threads predict and rank alike to the last bit', async (_, shape) => {
    // More than are scored at once: a whole block of 64, and a part of one.
    const B = 100;
    const users = Int32Array.from({ length: B }, (_, i) => (i * 7) % 300);
    const movies = users.map((user) => user % 200);
    const request = {
      ...{ userIndices: users, n: 20, offset: 3.5, allowed: new Uint32Array(B * 7).fill(0xffff_fffe) },
      ...{ afterScores: new Float32Array(B).fill(Infinity), afterIndices: new Int32Array(B).fill(-1) },
    };
    const answers = [];
    for (const threads of THREADS) {
      const scorer = await (await door.open({ threads })).openScorer(shape, someParameters(shape));
      const scores = [await scorer.predict(users, movies), await scorer.scoreMovies(users)];
      answers.push({ scores: scores.map(digestOf), top: await scorer.topMovies(request) });
      await scorer.close();
    }
    const [alone, ...others] = answers;
    for (const other of others) expect(other).toEqual(alone);
  });
});

test('more threads than a model has rows, units or samples do no harm', async () => {
  const shape = aShape({ users: 3, movies: 2, hiddenLayers: [1], biases: true });
  for (const { door } of runnable) {
    const options = someOptions({ shape, count: 5 });
    const [alone, many] = await Promise.all(
      [1, 16].map(async (threads) => trained(await door.open({ threads }), options, wholeEpochs(options, 3))),
    );
    expect(bitsOf(many.parameters)).toEqual(bitsOf(alone.parameters));
  }
});
