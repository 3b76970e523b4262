// The place in the memory of WebAssembly through which tensors, arguments and results go; those of scoring in blocks, so that
// its size is known when the memory is made.

import type { ModelShape } from './engine.js';
import { parameterShapes, sizeOf } from './shape.js';

/** Pairs in a block of `predict`. */
export const PAIRS_AT_ONCE = 65_536;
/** As SCORE_BLOCK in engines/cpu/model.h. */
export const USERS_AT_ONCE = 16;

export function scratchBytes(shape: ModelShape): number {
  const { movies } = shape;
  const tensors = parameterShapes(shape).map((parameter) => sizeOf(parameter.shape));
  const pairs = 3 * PAIRS_AT_ONCE;
  // scoreMovies: scores. topMovies: places as movie and score, one bit a movie, and four numbers a user.
  const perUser = 2 * movies + Math.ceil(movies / 32) + 4;
  return 4 * Math.max(pairs, USERS_AT_ONCE * perUser, ...tensors) + 64 * 8;
}
