// Presets and hyperparameters: what is resolved, what is refused, and how older records read.

import { resolveHyperparameters } from '#src/store/hyperparameterChecks.js';
import { PRESETS, sizedHyperparameters, storedHyperparameters } from '#src/store/hyperparameters.js';

function refusalOf(preset: string, overrides: object): string {
  try {
    resolveHyperparameters(preset, overrides);
    return 'no refusal';
  } catch (error) {
    return `${(error as { code: string }).code}: ${(error as Error).message}`;
  }
}

test('a preset with some settings replaced, null and undefined meaning the preset', () => {
  const resolved = resolveHyperparameters('paper', {
    epochs: 3,
    biases: true,
    optimizer: 'adam',
    momentum: undefined,
    l2Biases: null as never,
  });
  expect(resolved).toEqual({ ...PRESETS.paper, epochs: 3, biases: true, optimizer: 'adam' });
});

test('paper is the network of the paper: hidden layers alone, sgd at a constant rate, no L2', () => {
  expect(PRESETS.paper).toEqual({
    kind: 'gradient',
    burnIn: 0,
    sideInformation: false,
    validationFraction: 0,
    patience: 0,
    embeddingWidth: 10,
    hiddenLayers: [1024],
    biases: false,
    dotProduct: false,
    optimizer: 'sgd',
    learningRate: 0.08,
    learningRateDecay: 1,
    momentum: 0.9,
    l2Embeddings: 0,
    l2Biases: 0,
    l2Weights: 0,
    batchSize: 1024,
    epochs: 25,
  });
});

test('mf is matrix factorization: biases and a dot product, no hidden layers', () => {
  expect(PRESETS.mf).toMatchObject({ hiddenLayers: [], embeddingWidth: 64, biases: true, dotProduct: true });
});

test('fast and accurate are models of the kind bayes: matrix factorization by sweeps, the first of which are left out', () => {
  const parts = { kind: 'bayes', hiddenLayers: [], biases: true, dotProduct: true };
  expect(PRESETS.fast).toMatchObject({ ...parts, embeddingWidth: 15, epochs: 30, burnIn: 12 });
  expect(PRESETS.accurate).toMatchObject({ ...parts, embeddingWidth: 31, epochs: 130, burnIn: 30 });
});

test.each([
  ['accurate', {}, 1_000_000, { embeddingWidth: 31, epochs: 130 }],
  ['accurate', {}, 199_999, { embeddingWidth: 31, epochs: 230 }],
  ['accurate', {}, 49_999, { embeddingWidth: 15, epochs: 230 }],
  ['accurate', { epochs: 60 }, 49_999, { embeddingWidth: 15, epochs: 60 }],
  ['accurate', { embeddingWidth: 7 }, 49_999, { embeddingWidth: 7, epochs: 230 }],
  ['fast', {}, 1000, { embeddingWidth: 15, epochs: 30 }],
  ['paper', {}, 1000, { embeddingWidth: 10, epochs: 25 }],
])('%s with %j on %i training ratings', (preset, overrides, trainRatings, expected) => {
  const asked = resolveHyperparameters(preset, overrides);
  expect(sizedHyperparameters(preset, asked, trainRatings)).toEqual({ ...asked, ...expected });
});

test.each([{ hiddenLayers: [8] }, { biases: false }, { dotProduct: false }])(
  'the kind bayes with %j is refused',
  (overrides) => {
    expect(refusalOf('accurate', overrides)).toContain(
      'kind is bayes: expected biases and dotProduct, and no hidden layers',
    );
  },
);

test('every preset keeps to the rules', () => {
  for (const [name, preset] of Object.entries(PRESETS))
    expect(resolveHyperparameters(name, {})).toEqual(preset);
});

test.each([
  [{ embeddingWidth: 257 }, 'embeddingWidth is 257: expected a whole number from 1 to 256'],
  [{ hiddenLayers: [8, 0] }, 'hiddenLayers is 0: expected a whole number from 1 to 8192'],
  [{ hiddenLayers: new Array(9).fill(8) }, 'hiddenLayers has 9 widths: expected 0 to 8'],
  [{ learningRateDecay: 1.1 }, 'learningRateDecay is 1.1: expected a number from 0.01 to 1'],
  [{ l2Embeddings: -1 }, 'l2Embeddings is -1: expected a number from 0 to 10'],
  [{ optimizer: 'adagrad' }, 'optimizer is adagrad: expected sgd or adam'],
  [{ sideInformation: true }, 'sideInformation is true: only the kind bayes makes use of it'],
  [{ validationFraction: 0.6 }, 'validationFraction is 0.6: expected a number from 0 to 0.5'],
  [{ patience: 3 }, 'patience is 3, with nothing to judge by: set validationFraction, to 0.05 say'],
  [{ biases: 'yes' }, 'biases is yes: expected true or false'],
])('%j is refused', (overrides, message) => {
  expect(refusalOf('paper', overrides)).toContain(`HYPERPARAMETER_INVALID: ${message}`);
});

test('a model without any part is refused, with what to add', () => {
  expect(refusalOf('paper', { hiddenLayers: [] })).toContain('add hidden layers, biases or dotProduct');
  expect(refusalOf('mf', { biases: false, dotProduct: false })).toContain(
    'add hidden layers, biases or dotProduct',
  );
  expect(refusalOf('mf', { biases: false })).toBe('no refusal');
});

test('a run recorded before there was a choice of parts and optimizers reads as it was trained', () => {
  const stored = {
    embeddingWidth: 10,
    hiddenLayers: [1024],
    learningRate: 0.08,
    momentum: 0.9,
    batchSize: 1024,
    epochs: 25,
  };
  expect(storedHyperparameters(stored)).toEqual(PRESETS.paper);
});
