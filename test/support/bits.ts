// Whether numbers are the same to the last bit, told by digests: jest takes 5 µs to compare a number, and models have many.

import { createHash } from 'node:crypto';
import type { Parameters } from '#src/engines/engine.js';

export function digestOf(values: Float32Array): string {
  return createHash('md5').update(values).digest('hex');
}

/** Name, shape and digest of each tensor. */
export function bitsOf(tensors: Parameters): string[] {
  return tensors.map(({ name, shape, values }) => `${name} (${shape.join(' × ')}): ${digestOf(values)}`);
}
