// Random numbers of the sweeps, by counter: each is a function of (seed, sweep, stage, entity, number), so what is drawn does not depend
// on who draws it, nor when. The kernels in engines/cpu/draws.h give the same numbers.

import { mix32, type RandomStream, randomStream, randomU32, STREAMS } from './random.js';

/** What a number is drawn for. */
export const STAGES = {
  start: 0,
  wishartDiagonal: 1,
  wishartBelow: 2,
  mean: 3,
  link: 4,
  linkPrecision: 5,
  row: 6,
  rowPrecision: 7,
  noise: 8,
  /** A sample for a request: no sweep draws it. */
  request: 9,
  attribute: 10,
  attributePrecision: 11,
} as const;

const GOLDEN = 0x9e3779b9;
const { imul } = Math;

/** side 0: users; 1: movies. */
export function stageOf(stage: number, side: number): number {
  return 2 * stage + side;
}

/** The numbers of one entity (a row, a feature, a column of a matrix) at one stage of one sweep. */
export function draws(seed: number, sweep: number, stage: number, entity: number): RandomStream {
  const { firstKey, secondKey } = randomStream(seed, STREAMS.sweeps);
  const first = mix32(mix32(firstKey + imul(sweep, GOLDEN)) ^ stage);
  const second = mix32(mix32(secondKey + imul(stage, GOLDEN)) ^ sweep);
  return { firstKey: mix32(first + imul(entity, GOLDEN)), secondKey: mix32(second ^ entity) };
}

/** In (0, 1): never 0, since its logarithm is taken. */
function openUnit(stream: RandomStream, counter: number): number {
  return ((randomU32(stream, counter) >>> 8) + 0.5) / 2 ** 24;
}

/** Number i of the standard normal; numbers 2i and 2i + 1 come from one pair of uniform ones (Box & Muller 1958). */
export function normal(stream: RandomStream, i: number): number {
  const pair = i - (i % 2);
  const radius = Math.sqrt(-2 * Math.log(openUnit(stream, pair)));
  const angle = 2 * Math.PI * openUnit(stream, pair + 1);
  return radius * (i === pair ? Math.cos(angle) : Math.sin(angle));
}

/** Gamma with this shape (≥ 1) and rate 1. Source: Marsaglia & Tsang 2000. */
export function gamma(stream: RandomStream, shape: number): number {
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (let counter = 0; ; counter += 4) {
    const x = normal(stream, counter);
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(openUnit(stream, counter + 2)) < 0.5 * x * x + d - d * v + d * Math.log(v))
      return d * v;
  }
}
