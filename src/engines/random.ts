// Random numbers by counter: number i of a stream is a hash of (seed, stream, i), so any of them can be had alone,
// in any order, on any device with 32-bit integers. Not for secrets.

import assert from 'node:assert/strict';

/** What a seed is used for: each use draws from a stream of its own. */
export const STREAMS = { epochOrder: 0, firstParameter: 1, sweeps: 1000 } as const;

/** 2³² divided by the golden ratio, the step of Weyl sequences (Knuth, TAOCP vol. 3, §6.4). */
const GOLDEN = 0x9e3779b9;

// Held here because looking Math up is slow in the contexts that Jest runs tests in: orders took ten times as long.
const { imul } = Math;

export interface RandomStream {
  firstKey: number;
  secondKey: number;
}

/**
 * A bijection on u32 in which each input bit flips each output bit about half the time. May return a negative int32: use >>> 0.
 * Constants: the two-round xorshift-multiply hash of lowest known bias, 16 21f0aaad 15 d35a2d97 15,
 * from github.com/skeeto/hash-prospector (found by TheIronBorn).
 */
export function mix32(value: number): number {
  let x = value;
  x = imul(x ^ (x >>> 16), 0x21f0aaad);
  x = imul(x ^ (x >>> 15), 0xd35a2d97);
  return x ^ (x >>> 15);
}

/** Keys of one stream of a seed, a non-negative safe integer. */
export function randomStream(seed: number, stream: number): RandomStream {
  assert(Number.isSafeInteger(seed) && seed >= 0, `a seed is a non-negative safe integer, not ${seed}`);
  const low = mix32((seed % 2 ** 32) + GOLDEN);
  const key = mix32(mix32(low ^ Math.floor(seed / 2 ** 32)) + imul(stream, GOLDEN));
  return { firstKey: mix32(key + GOLDEN), secondKey: mix32(key + 2 * GOLDEN) };
}

/** Number `counter` of the stream: a u32. Two keys and two rounds, so that streams are not shifts of one another. */
export function randomU32({ firstKey, secondKey }: RandomStream, counter: number): number {
  return mix32(mix32(counter ^ firstKey) ^ secondKey) >>> 0;
}

/** Number `counter` of the stream in [0, 1), with the 24 bits a float32 can hold. */
export function randomUnit(stream: RandomStream, counter: number): number {
  return (randomU32(stream, counter) >>> 8) / 2 ** 24;
}
