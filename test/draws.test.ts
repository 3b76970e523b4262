// The random numbers of the sweeps: that they are distributed as they claim to be, and do not repeat from place to place.

import { draws, gamma, normal } from '#src/engines/draws.js';

const COUNT = 40_000;

function momentsOf(values: number[]) {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  const central = (power: number) => values.reduce((sum, x) => sum + (x - mean) ** power, 0) / values.length;
  return { mean, variance: central(2), skew: central(3), kurtosis: central(4) / central(2) ** 2 };
}

test('normal numbers have the moments of the normal distribution', () => {
  const stream = draws(1, 2, 3, 4);
  const { mean, variance, skew, kurtosis } = momentsOf(
    Array.from({ length: COUNT }, (_, i) => normal(stream, i)),
  );
  // Four standard errors: 1/√n, √(2/n), √(6/n), √(24/n).
  expect(Math.abs(mean)).toBeLessThan(4 / Math.sqrt(COUNT));
  expect(Math.abs(variance - 1)).toBeLessThan(4 * Math.sqrt(2 / COUNT));
  expect(Math.abs(skew)).toBeLessThan(4 * Math.sqrt(6 / COUNT));
  expect(Math.abs(kurtosis - 3)).toBeLessThan(4 * Math.sqrt(24 / COUNT));
});

test('first numbers of many rows and of many sweeps are as good as many numbers of one', () => {
  for (const at of [
    (i: number) => draws(1, 2, 3, i),
    (i: number) => draws(1, i, 3, 4),
    (i: number) => draws(i, 2, 3, 4),
  ]) {
    const { mean, variance } = momentsOf(Array.from({ length: COUNT }, (_, i) => normal(at(i), 0)));
    expect(Math.abs(mean)).toBeLessThan(4 / Math.sqrt(COUNT));
    expect(Math.abs(variance - 1)).toBeLessThan(4 * Math.sqrt(2 / COUNT));
  }
});

test('numbers of neighbouring rows, numbers and sweeps are not correlated', () => {
  const correlation = (a: (i: number) => number, b: (i: number) => number) =>
    Array.from({ length: COUNT }, (_, i) => a(i) * b(i)).reduce((sum, x) => sum + x, 0) / COUNT;
  const row = (i: number) => normal(draws(1, 2, 12, i), 0);
  expect(Math.abs(correlation(row, (i) => row(i + 1)))).toBeLessThan(4 / Math.sqrt(COUNT));
  expect(Math.abs(correlation(row, (i) => normal(draws(1, 2, 12, i), 1)))).toBeLessThan(4 / Math.sqrt(COUNT));
  expect(Math.abs(correlation(row, (i) => normal(draws(1, 3, 12, i), 0)))).toBeLessThan(4 / Math.sqrt(COUNT));
  expect(Math.abs(correlation(row, (i) => normal(draws(1, 2, 13, i), 0)))).toBeLessThan(4 / Math.sqrt(COUNT));
});

test.each([1, 5, 75.5, 1e6])('gamma numbers of shape %d have mean and variance of the shape', (shape) => {
  const values = Array.from({ length: COUNT }, (_, i) => gamma(draws(1, 2, 3, i), shape));
  const { mean, variance } = momentsOf(values);
  expect(Math.abs(mean - shape)).toBeLessThan(4 * Math.sqrt(shape / COUNT));
  // The variance of a sample's variance: (2 + 6/shape)·shape²/n.
  expect(Math.abs(variance - shape)).toBeLessThan(4 * shape * Math.sqrt((2 + 6 / shape) / COUNT));
});
