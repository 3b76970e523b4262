// The parts of a ranking: bitmaps of movies, places, and the best of given scores.

import {
  allMovies,
  type Bitmap,
  hasMovie,
  keepCommon,
  moviesAt,
  noMovies,
  removeMovies,
} from '#src/engines/bitmap.js';
import type { TopMoviesRequest } from '#src/engines/engine.js';
import { emptyPlaces, offer, type Place, type Places, TOP } from '#src/engines/places.js';
import { topMoviesByScores } from '#src/engines/topMovies.js';

const SCORES = [3, 5, 1, 5, 4];

/** A scorer whose user u gives movie m the score scores[u][m]. */
function aScorer(...scores: number[][]) {
  return {
    scoreMovies: async (users: Int32Array) =>
      Float32Array.from(Array.from(users).flatMap((user) => scores[user])),
  };
}

/** For user 0: the three best of all five movies from the top, unless changed. */
function aRequest(changes: Partial<TopMoviesRequest> = {}): TopMoviesRequest {
  return {
    userIndices: Int32Array.of(0),
    n: 3,
    offset: 0,
    allowed: allMovies(5),
    afterScores: Float32Array.of(Infinity),
    afterIndices: Int32Array.of(-1),
    ...changes,
  };
}

async function bestOf(scores: number[], changes: Partial<TopMoviesRequest> = {}): Promise<number[]> {
  const best = await topMoviesByScores(aScorer(scores), scores.length, aRequest(changes));
  return Array.from(best.movieIndices.subarray(0, best.counts[0]));
}

function indicesOf(bitmap: Bitmap): number[] {
  return Array.from({ length: bitmap.length * 32 }, (_, index) => index).filter((index) =>
    hasMovie(bitmap, index),
  );
}

function listOf({ count, scores, movieIndices }: Places): Place[] {
  return Array.from({ length: count }, (_, i) => ({ score: scores[i], index: movieIndices[i] }));
}

test('the best come first, ties by index, each with its score', async () => {
  const best = await topMoviesByScores(aScorer(SCORES), 5, aRequest());
  expect(best).toEqual({
    counts: Int32Array.of(3),
    movieIndices: Int32Array.of(1, 3, 4),
    scores: Float32Array.of(5, 5, 4),
  });
});

test('only movies of the bitmap are listed, and bits past the last movie mean nothing', async () => {
  expect(await bestOf(SCORES, { allowed: moviesAt(5, [0, 2, 4]) })).toEqual([4, 0, 2]);
  expect(await bestOf(SCORES, { allowed: noMovies(5) })).toEqual([]);
  expect(await bestOf(SCORES, { allowed: Uint32Array.of(0xffff_ffff), n: 40 })).toEqual([1, 3, 4, 0, 2]);
});

test('the next page begins after the last place of the one before, also within a tie', async () => {
  const after = (score: number, index: number) => ({
    afterScores: Float32Array.of(score),
    afterIndices: Int32Array.of(index),
  });
  expect(await bestOf(SCORES, after(5, 1))).toEqual([3, 4, 0]);
  expect(await bestOf(SCORES, after(4.5, 9))).toEqual([4, 0, 2]);
  expect(await bestOf(SCORES, after(1, 2))).toEqual([]);
});

test('the offset is added in float64 and the sum rounded once; places are by the rounded score', async () => {
  // Both sums are 2²⁴ in float32, so the tie goes to the lower index, although the second output is larger.
  const outputs = [16_777_215, 16_777_216];
  const request = aRequest({ n: 2, offset: 0.6, allowed: allMovies(2) });
  const best = await topMoviesByScores(aScorer(outputs), 2, request);
  expect(best.scores).toEqual(Float32Array.of(16_777_216, 16_777_216));
  expect(best.movieIndices).toEqual(Int32Array.of(0, 1));
  const other = await topMoviesByScores(aScorer([-25]), 1, { ...request, offset: 3.525529 });
  expect(other.scores[0]).toBe(Math.fround(-25 + 3.525529));
  expect(other.scores[0]).not.toBe(Math.fround(-25 + Math.fround(3.525529)));
});

test('each user has a row, a bitmap and a place to go on from of their own', async () => {
  const best = await topMoviesByScores(aScorer(SCORES, [1, 2, 3, 4, 5]), 5, {
    userIndices: Int32Array.of(1, 0, 1),
    n: 2,
    offset: 0.5,
    allowed: Uint32Array.of(0b11111, 0b00001, 0b11111),
    afterScores: Float32Array.of(Infinity, Infinity, 4.5),
    afterIndices: Int32Array.of(-1, -1, 3),
  });
  expect(best.counts).toEqual(Int32Array.of(2, 1, 2));
  expect(best.movieIndices).toEqual(Int32Array.of(4, 3, 0, 0, 2, 1));
  expect(Array.from(best.scores.subarray(0, 3))).toEqual([5.5, 4.5, 3.5]);
});

test('pages of any size walk through all in the order of a full sort', async () => {
  const scores = Array.from({ length: 500 }, (_, i) => (i * 7919) % 97);
  const sorted = [...scores.keys()].sort((a, b) => scores[b] - scores[a] || a - b);
  const scorer = aScorer(scores);
  const walked: number[] = [];
  let request = aRequest({ n: 7, allowed: allMovies(500) });
  for (let more = true; more; ) {
    const { counts, movieIndices, scores: stars } = await topMoviesByScores(scorer, 500, request);
    const last = counts[0] - 1;
    walked.push(...movieIndices.subarray(0, counts[0]));
    request = {
      ...request,
      afterScores: Float32Array.of(stars[last]),
      afterIndices: Int32Array.of(movieIndices[last]),
    };
    more = counts[0] === 7;
  }
  expect(walked).toEqual(sorted);
});

test('a request that does not fit together is a broken promise', async () => {
  await expect(bestOf(SCORES, { n: 0 })).rejects.toThrow('n is 0: expected a whole number from 1');
  await expect(bestOf(SCORES, { n: 1.5 })).rejects.toThrow('n is 1.5');
  await expect(bestOf(SCORES, { offset: Number.NaN })).rejects.toThrow('offset NaN');
  await expect(bestOf(SCORES, { allowed: allMovies(33) })).rejects.toThrow('one bit for each user and movie');
  await expect(bestOf(SCORES, { afterScores: new Float32Array(2) })).rejects.toThrow('one of afterScores');
  await expect(bestOf(SCORES, { afterIndices: new Int32Array(0) })).rejects.toThrow('one of afterIndices');
});

test('places keep the best n of what they are offered, in whatever order it comes', () => {
  const places = emptyPlaces(2);
  for (const [score, index] of [
    [1, 0],
    [4, 7],
    [4, 3],
    [2, 1],
  ])
    offer(places, TOP, score, index);
  expect(listOf(places)).toEqual([
    { score: 4, index: 3 },
    { score: 4, index: 7 },
  ]);
});

test('a bitmap of all movies has no bit past the last one', () => {
  expect(allMovies(33)).toEqual(Uint32Array.of(0xffff_ffff, 1));
  expect(allMovies(64)).toEqual(Uint32Array.of(0xffff_ffff, 0xffff_ffff));
  expect(allMovies(0).length).toBe(0);
});

test('bitmaps are made of indices, narrowed by each other, and cleared movie by movie', () => {
  const bitmap = moviesAt(70, [0, 31, 32, 69]);
  expect(indicesOf(bitmap)).toEqual([0, 31, 32, 69]);
  removeMovies(bitmap, [31, 5]);
  expect(indicesOf(bitmap)).toEqual([0, 32, 69]);
  expect(indicesOf(keepCommon(allMovies(70), bitmap))).toEqual([0, 32, 69]);
});

test('movies that a bitmap has no bit for are left out', () => {
  const bitmap = moviesAt(40, [39, 40, 64, 1000, -1]);
  expect(indicesOf(bitmap)).toEqual([39]);
  removeMovies(bitmap, [64, 1000, -1]);
  expect(indicesOf(bitmap)).toEqual([39]);
  expect(hasMovie(bitmap, 1000)).toBe(false);
  expect(indicesOf(keepCommon(allMovies(70), moviesAt(40, [0, 39])))).toEqual([0, 39]);
});
