// What may be searched, what is drawn from it, and what comes next; without a database.

import { resolveHyperparameters } from '#src/store/hyperparameterChecks.js';
import type { RunStatus } from '#src/store/prisma/client.js';
import { nextStep, onRung, rungsOf, type Trial } from '#src/store/searchPlan.js';
import { resolveSearchRequest, type SearchArguments } from '#src/store/searchRequest.js';

const SPACE = {
  learningRate: { min: 1e-4, max: 1e-1, scale: 'log' as const },
  embeddingWidth: { min: 4, max: 7 },
  momentum: { min: 0.5, max: 0.9 },
  optimizer: { choices: ['sgd', 'adam'] },
  hiddenLayers: { choices: [[], [64, 32]] },
};

test('the same seed draws the same trials, and more trials begin with the same ones', () => {
  const [four, ten] = [drawn({ seed: 3, trials: 4 }), drawn({ seed: 3, trials: 10 })];
  expect(four).toEqual(ten.slice(0, 4));
  expect(drawn({ seed: 4, trials: 4 })).not.toEqual(four);
  expect(drawn({ seed: 3, trials: 2 })).toEqual([
    [0.05871, 4, 0.7466, 'sgd', '64,32'],
    [0.002344, 6, 0.7662, 'sgd', '64,32'],
  ]);
});

test('trials differ, lie in the space and have the rest of the preset', () => {
  const trials = resolveSearchRequest(asked({ trials: 200 }), 'test').trials;
  expect(new Set(trials.map((trial) => JSON.stringify(trial))).size).toBe(200);
  expect(new Set(trials.map(({ embeddingWidth }) => embeddingWidth))).toEqual(new Set([4, 5, 6, 7]));
  expect(new Set(trials.map(({ optimizer }) => optimizer))).toEqual(new Set(['sgd', 'adam']));
  expect(new Set(trials.map(({ hiddenLayers }) => hiddenLayers.join()))).toEqual(new Set(['', '64,32']));
  const rates = trials.map(({ learningRate }) => learningRate);
  expect(Math.min(...rates)).toBeGreaterThanOrEqual(1e-4);
  expect(Math.max(...rates)).toBeLessThanOrEqual(1e-1);
  // By ratio, a third of them lies in each power of ten.
  const small = rates.filter((rate) => rate < 1e-3).length;
  expect(small).toBeGreaterThan(45);
  expect(small).toBeLessThan(90);
  for (const trial of trials)
    expect(trial).toMatchObject({ batchSize: 1024, epochs: 25, validationFraction: 0.1, biases: true });
});

test('a space with fewer combinations than trials is tried whole, without what is no model', () => {
  const space = { biases: { choices: [true, false] }, hiddenLayers: { choices: [[], [8]] } };
  const { trials } = resolveSearchRequest({ preset: 'paper', space, trials: 100 }, 'test');
  const parts = trials.map(({ biases, hiddenLayers }) => `${biases} ${hiddenLayers.join()}`);
  expect(parts.sort()).toEqual(['false 8', 'true ', 'true 8']);
});

test.each<[string, Partial<SearchArguments>, string]>([
  [
    'an unknown name',
    { space: { learningrate: { min: 0, max: 1 } } },
    'cannot vary "learningrate": expected one of embeddingWidth, hiddenLayers, biases, dotProduct, optimizer, learningRate,',
  ],
  [
    'what trials are judged by',
    { space: { validationFraction: { min: 0, max: 0.5 } } },
    'cannot vary "validationFraction"',
  ],
  [
    'the epochs of successive halving',
    { strategy: 'HALVING', space: { epochs: { min: 3, max: 9 } } },
    'cannot vary "epochs"',
  ],
  [
    'what a chain does not have',
    { preset: 'fast', space: { learningRate: { min: 0.1, max: 1 } } },
    'cannot vary "learningRate": expected one of embeddingWidth, epochs, burnIn',
  ],
  ['nothing', { space: {} }, 'the space is empty: name at least one of embeddingWidth'],
  [
    'neither choices nor a range',
    { space: { momentum: { min: 0.1 } } },
    'gives momentum neither choices nor a range, or both',
  ],
  [
    'a value out of range',
    { space: { learningRate: { min: 0.1, max: 20 } } },
    'gives learningRate the value 20: expected a number from 0.000001 to 10',
  ],
  [
    'a part of a whole number',
    { space: { batchSize: { choices: [256, 2.5] } } },
    'gives batchSize the value 2.5: expected a whole number from 1 to 65536',
  ],
  [
    'a range upside down',
    { space: { momentum: { min: 0.9, max: 0.1 } } },
    'gives momentum the range 0.9 to 0.1: expected min below max',
  ],
  [
    'a log range from 0',
    { space: { l2Embeddings: { min: 0, max: 1, scale: 'log' } } },
    'gives l2Embeddings a log range from 0',
  ],
  [
    'a strange scale',
    { space: { momentum: { min: 0.1, max: 0.9, scale: 'sqrt' as 'log' } } },
    'gives momentum the scale "sqrt": expected linear or log',
  ],
  [
    'a range of names',
    { space: { optimizer: { min: 1, max: 2 } } },
    'gives optimizer a range: expected choices',
  ],
  [
    'a width that is no list',
    { space: { hiddenLayers: { choices: [64] } } },
    'gives hiddenLayers the value 64: expected a list of widths',
  ],
  ['too many trials', { trials: 501 }, 'trials is 501: expected a whole number from 1 to 500'],
  [
    'one rung',
    { strategy: 'HALVING', trials: 2 },
    'successive halving of 2 trials and 25 epochs has a single rung',
  ],
  [
    'no validation ratings',
    { hyperparameters: { validationFraction: 0 } },
    'validationFraction is 0: trials are judged by ratings held out',
  ],
])('a search of %s is refused, and what is allowed is told', (_name, changes, message) => {
  const space = { learningRate: { min: 0.01, max: 0.1 } };
  expect(() => resolveSearchRequest({ space, ...changes }, 'test')).toThrow(message);
});

test('successive halving trains the best third of each rung anew, with three times the epochs', () => {
  expect(rungsOf('HALVING', 27, 25)).toEqual([
    { rung: 1, trials: 27, divisor: 9 },
    { rung: 2, trials: 9, divisor: 3 },
    { rung: 3, trials: 3, divisor: 1 },
  ]);
  expect(rungsOf('HALVING', 10, 1000).map(({ trials }) => trials)).toEqual([10, 3, 1]);
  expect(rungsOf('RANDOM', 27, 25)).toEqual([{ rung: 1, trials: 27, divisor: 1 }]);
  const fast = resolveHyperparameters('fast', {});
  const sweeps = rungsOf('HALVING', 9, fast.epochs).map((rung) => onRung(fast, rung));
  expect(sweeps.map(({ epochs, burnIn }) => [epochs, burnIn])).toEqual([
    [3, 1],
    [10, 4],
    [30, 12],
  ]);
});

test('what is next follows from the trials that there are', () => {
  const rungs = rungsOf('HALVING', 4, 9);
  const first = [aTrial(1, 1, 0.9), aTrial(1, 2, 'FAILED'), aTrial(1, 3, 0.8), aTrial(1, 4, 0.8)];
  expect(nextStep(rungs, [...first.slice(0, 3), aTrial(1, 4, 'RUNNING')])).toEqual({ kind: 'wait' });
  // Of two that are equally good the one that was drawn first.
  expect(nextStep(rungs, first)).toEqual({ kind: 'train', rung: rungs[1], trials: [3] });
  expect(nextStep(rungs, [...first, aTrial(2, 3, 'QUEUED')])).toEqual({ kind: 'wait' });
  expect(nextStep(rungs, [...first, aTrial(2, 3, 0.7)])).toMatchObject({
    kind: 'crown',
    winner: { trial: 3 },
  });
  // A rung that failed as a whole gets the next best.
  expect(nextStep(rungs, [...first, aTrial(2, 3, 'FAILED')])).toMatchObject({ kind: 'train', trials: [4] });
  const exhausted = [...first, aTrial(2, 3, 'FAILED'), aTrial(2, 4, 'FAILED'), aTrial(2, 1, 'CANCELLED')];
  expect(nextStep(rungs, exhausted)).toEqual({ kind: 'fail' });
  expect(nextStep(rungs, [aTrial(1, 1, 'FAILED')])).toEqual({ kind: 'fail' });
});

function asked(changes: Partial<SearchArguments>): SearchArguments {
  return { preset: 'paper', hyperparameters: { biases: true }, space: SPACE, ...changes };
}

/** What varies, of the trials. */
function drawn(changes: Partial<SearchArguments>) {
  return resolveSearchRequest(asked(changes), 'test').trials.map(
    ({ learningRate, embeddingWidth, momentum, optimizer, hiddenLayers }) => [
      ...[learningRate, embeddingWidth, momentum, optimizer, hiddenLayers.join()],
    ],
  );
}

let runs = 0;
function aTrial(rung: number, trial: number, outcome: number | RunStatus): Trial {
  runs++;
  const isNumber = typeof outcome === 'number';
  return {
    ...{ id: runs, rung, trial },
    ...{ status: isNumber ? 'SUCCEEDED' : outcome, validationRmse: isNumber ? outcome : null },
  };
}
