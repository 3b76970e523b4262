import { existsSync, readFileSync } from 'node:fs';
import { HALF_STARS } from '#src/store/scale.js';
import { aucAt } from '#src/training/auc.js';
import { fitBaselines } from '#src/training/baselines.js';
import { calibrationOf, confusionAt, errorsOf, evaluate, measureBaselines } from '#src/training/evaluate.js';
import type { RatingSet } from '#src/training/split.js';

const ML_100K = '../shared/data/ml-100k';
const withMl100k = existsSync(ML_100K) ? test : test.skip;

test('errors are the mean of the squares, its root, and the mean of the absolute values', () => {
  const errors = errorsOf(new Float32Array([1, 2, 5]), new Float32Array([2, 2, 3]));
  expect(errors.mse).toBeCloseTo(5 / 3, 12);
  expect(errors.rmse).toBeCloseTo(Math.sqrt(5 / 3), 12);
  expect(errors.mae).toBe(1);
});

test('positive means above the threshold, for actual and predicted alike', () => {
  const actual = new Float32Array([4, 4, 2, 2, 3]);
  const predicted = new Float32Array([5, 1, 5, 1, 3]);
  expect(confusionAt(3, actual, predicted)).toEqual({
    threshold: 3,
    truePositives: 1,
    falseNegatives: 1,
    falsePositives: 1,
    trueNegatives: 2,
  });
});

test('an evaluation puts the model beside four baselines on the same test ratings', () => {
  const train = aSet([0, 0, 1], [0, 1, 1], [4, 3, 2]);
  const test = aSet([0, 1], [1, 0], [3, 4]);
  const result = evaluate(
    test,
    new Float32Array([3, 3.5]),
    measureBaselines(fitBaselines(train, 2, 2), test, HALF_STARS),
    HALF_STARS,
  );
  expect(result.testRatings).toBe(2);
  expect(result.mse).toBe(0.125);
  expect(result.confusion.threshold).toBe(3.5);
  expect(result.baselines.map((baseline) => baseline.name)).toEqual([
    'global mean',
    'user mean',
    'movie mean',
    'user+movie bias',
  ]);
  expect(result.starConfusion[5]).toEqual([0, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
  expect(result.starConfusion[7]).toEqual([0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
});

test('AUC is the share of pairs in the right order, a tie counting half', () => {
  const actual = new Float32Array([5, 4, 4, 2, 3, 1]);
  const predicted = new Float32Array([4.5, 3, 2, 3, 2.5, 1]);
  // Positives 4.5, 3, 2 against negatives 3, 2.5, 1: 3 + 2.5 + 1 of 9.
  expect(aucAt(3.5, actual, predicted)).toBeCloseTo(6.5 / 9, 12);
  expect(aucAt(5, actual, predicted)).toBeNull();
});

test('calibration has what was given beside what was predicted, by quarters of a star', () => {
  const bins = calibrationOf(new Float32Array([3, 4, 5]), new Float32Array([3.25, 3.5, 3.375]));
  expect(bins).toEqual([
    { predictedFrom: 3.25, ratings: 2, meanPredicted: 3.3125, meanActual: 4 },
    { predictedFrom: 3.5, ratings: 1, meanPredicted: 3.5, meanActual: 4 },
  ]);
});

test('the user mean falls back to the global mean for a user without training ratings', () => {
  const baselines = fitBaselines(aSet([0, 0], [0, 1], [2, 4]), 2, 2);
  const userMean = baselines.find((baseline) => baseline.name === 'user mean')!;
  expect(userMean.predict(0, 0)).toBe(3);
  expect(userMean.predict(1, 0)).toBe(3);
});

withMl100k('on ml-100k u1.base/u1.test the user mean gets the published 1.06300 and 0.85019', () => {
  const [train, test] = ['u1.base', 'u1.test'].map(readTabs);
  const baselines = fitBaselines(train, 944, 1683);
  const userMean = baselines.find((baseline) => baseline.name === 'user mean')!;
  const predicted = test.ratings.map((_, i) => userMean.predict(test.userIndices[i], test.movieIndices[i]));
  const { rmse, mae } = errorsOf(test.ratings, predicted);
  expect(rmse.toFixed(5)).toBe('1.06300');
  expect(mae.toFixed(5)).toBe('0.85019');
});

withMl100k("over the five official folds of ml-100k the biases come near MyMediaLite's tuned 0.94192", () => {
  const folds = [1, 2, 3, 4, 5].map((fold) => {
    const [train, test] = [`u${fold}.base`, `u${fold}.test`].map(readTabs);
    const bias = fitBaselines(train, 944, 1683).find((baseline) => baseline.name === 'user+movie bias')!;
    const predicted = test.ratings.map((_, i) => bias.predict(test.userIndices[i], test.movieIndices[i]));
    return errorsOf(test.ratings, predicted).rmse;
  });
  const mean = folds.reduce((sum, rmse) => sum + rmse) / 5;
  expect(mean).toBeGreaterThan(0.941);
  expect(mean).toBeLessThan(0.947);
});

function aSet(userIndices: number[], movieIndices: number[], ratings: number[]): RatingSet {
  return {
    userIndices: Int32Array.from(userIndices),
    movieIndices: Int32Array.from(movieIndices),
    ratings: Float32Array.from(ratings),
  };
}

function readTabs(name: string): RatingSet {
  const rows = readFileSync(`${ML_100K}/${name}`, 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split('\t').map(Number));
  return {
    userIndices: Int32Array.from(rows, ([user]) => user),
    movieIndices: Int32Array.from(rows, ([, movie]) => movie),
    ratings: Float32Array.from(rows, ([, , rating]) => rating),
  };
}
