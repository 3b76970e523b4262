// The epoch order: a bijection for every count, different for every epoch and seed, without visible structure.

import { fillEpochOrder } from '#src/engines/shuffle.js';

function orderOf(count: number, { seed = 1, epoch = 0 } = {}): Uint32Array {
  const order = new Uint32Array(count);
  fillEpochOrder({ seed, epoch, count }, 0, order);
  return order;
}

/** Pearson's χ² of pairs (bucket of position, bucket of value) against the uniform distribution. */
function chiSquareOfBuckets(order: Uint32Array, buckets: number): number {
  const cells = new Float64Array(buckets * buckets);
  const bucketOf = (x: number) => Math.floor((x * buckets) / order.length);
  order.forEach((value, position) => {
    cells[bucketOf(position) * buckets + bucketOf(value)]++;
  });
  const expected = order.length / cells.length;
  return cells.reduce((sum, observed) => sum + (observed - expected) ** 2 / expected, 0);
}

/** Correlation of the values at positions i and i + lag. */
function correlationOfNeighbours(order: Uint32Array, lag: number): number {
  const mean = (order.length - 1) / 2;
  let covariance = 0;
  let variance = 0;
  for (let i = 0; i + lag < order.length; i++) {
    covariance += (order[i] - mean) * (order[i + lag] - mean);
    variance += (order[i] - mean) ** 2;
  }
  return covariance / variance;
}

test('an epoch visits every rating once', () => {
  expect([...orderOf(10, { seed: 7 })].sort((x, y) => x - y)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test.each([1, 2, 3, 4, 5, 7, 8, 9, 10, 15, 16, 17, 97, 143, 144, 145, 1009, 9999, 10_000, 10_001, 65_537])(
  'the order of %i ratings is a bijection, for several seeds and epochs',
  (count) => {
    for (const [seed, epoch] of [
      [0, 0],
      [1, 24],
      [2 ** 53 - 1, 1],
    ]) {
      const order = orderOf(count, { seed, epoch });
      expect(new Set(order).size).toBe(count);
      expect(order.every((value) => value < count)).toBe(true);
    }
  },
);

test('a batch can be read alone: it equals its part of the whole order', () => {
  const batch = new Uint32Array(100);
  fillEpochOrder({ seed: 5, epoch: 3, count: 12_345 }, 6000, batch);
  const whole = orderOf(12_345, { seed: 5, epoch: 3 });
  expect(Array.from(batch)).toEqual(Array.from(whole.subarray(6000, 6100)));
});

test('an order is the same on every machine and in every version, or stored runs could not be repeated', () => {
  expect(Array.from(orderOf(8, { seed: 42, epoch: 1 }))).toEqual([0, 4, 7, 3, 1, 5, 2, 6]);
});

test.each([
  ['epochs', { seed: 1, epoch: 0 }, { seed: 1, epoch: 1 }],
  ['seeds', { seed: 1, epoch: 0 }, { seed: 2, epoch: 0 }],
  ['seeds that differ only above 32 bits', { seed: 1, epoch: 0 }, { seed: 1 + 2 ** 32, epoch: 0 }],
])('two %s share no more positions than chance gives', (_, first, second) => {
  const other = orderOf(100_000, second);
  const shared = orderOf(100_000, first).filter((value, position) => value === other[position]).length;
  // A random pair of orders shares Poisson(1) positions: more than 8 has a chance of 1e-6.
  expect(shared).toBeLessThan(9);
});

test.each([90_000, 100_003])('positions and values of %i ratings look independent', (count) => {
  // 1,024 cells, about 961 degrees of freedom, standard deviation 44: six of them either way.
  const chiSquares = [1, 2, 3].map((seed) => chiSquareOfBuckets(orderOf(count, { seed }), 32));
  for (const chiSquare of chiSquares) {
    expect(chiSquare).toBeGreaterThan(700);
    expect(chiSquare).toBeLessThan(1225);
  }
});

test.each([1, 2, 300, 317])('ratings %i positions apart are not correlated', (lag) => {
  // Standard deviation of the correlation of 100,000 random values: 0.0032.
  expect(Math.abs(correlationOfNeighbours(orderOf(100_000, { seed: 11 }), lag))).toBeLessThan(0.015);
});

test('positions beyond the count are refused', () => {
  expect(() => fillEpochOrder({ seed: 1, epoch: 0, count: 10 }, 8, new Uint32Array(3))).toThrow(
    'positions 8 + 3 of 10',
  );
});
