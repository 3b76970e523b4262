// Scorer.topMovies in its plain meaning: score every movie, keep the best n of those that are allowed.
// For engines without a kernel of their own for it; the others are held to it by test/engines.topMovies.test.ts.

import assert from 'node:assert/strict';
import { wordsOf } from './bitmap.js';
import type { Scorer, TopMovies, TopMoviesRequest } from './engine.js';
import { offer, type Place, type Places } from './places.js';

export async function topMoviesByScores(
  scorer: Pick<Scorer, 'scoreMovies'>,
  movies: number,
  request: TopMoviesRequest,
): Promise<TopMovies> {
  checkTopMovies(movies, request);
  const { userIndices, n, offset, allowed, afterScores, afterIndices } = request;
  const B = userIndices.length;
  const W = wordsOf(movies);
  const counts = new Int32Array(B);
  const movieIndices = new Int32Array(B * n);
  const scores = new Float32Array(B * n);
  for (let b = 0; b < B; b++) {
    // One user at a time: all their scores at once would be B × M numbers.
    const outputs = await scorer.scoreMovies(userIndices.subarray(b, b + 1));
    const places: Places = {
      count: 0,
      scores: scores.subarray(b * n, (b + 1) * n),
      movieIndices: movieIndices.subarray(b * n, (b + 1) * n),
    };
    const after = { score: afterScores[b], index: afterIndices[b] };
    offerAllowed(places, after, outputs, offset, allowed.subarray(b * W, (b + 1) * W));
    counts[b] = places.count;
  }
  return { counts, movieIndices, scores };
}

/** Asserts all but the user indices, which scoreMovies or the engine checks. */
export function checkTopMovies(movies: number, request: TopMoviesRequest): void {
  const { userIndices, n, offset, allowed, afterScores, afterIndices } = request;
  const B = userIndices.length;
  assert(Number.isSafeInteger(n) && n > 0, `n is ${n}: expected a whole number from 1`);
  assert(Number.isFinite(offset), `offset ${offset}`);
  assert.equal(allowed.length, B * wordsOf(movies), 'one bit for each user and movie in `allowed`');
  assert.equal(afterScores.length, B, 'one of afterScores for each user');
  assert.equal(afterIndices.length, B, 'one of afterIndices for each user');
}

/** outputs (M) of one user; allowed (⌈M/32⌉): bits past the last movie mean nothing. */
function offerAllowed(
  places: Places,
  after: Place,
  outputs: Float32Array,
  offset: number,
  allowed: Uint32Array,
): void {
  for (let word = 0; word < allowed.length; word++) {
    let bits = allowed[word];
    while (bits !== 0) {
      const index = word * 32 + 31 - Math.clz32(bits & -bits);
      bits &= bits - 1;
      if (index < outputs.length) offer(places, after, Math.fround(outputs[index] + offset), index);
    }
  }
}
