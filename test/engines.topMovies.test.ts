// Scorer.topMovies of every engine that can run here, held to a full sort of the reference's scores.
// With parameters of whole numbers every sum is exact in float32, in whatever order an engine adds: so are the places, ties included.

import { allMovies, moviesAt, noMovies, wordsOf } from '#src/engines/bitmap.js';
import type { ModelShape, Parameters, Scorer, TopMovies, TopMoviesRequest } from '#src/engines/engine.js';
import { referenceDoor } from '#src/engines/reference.js';
import { parameterShapes, sizeOf } from '#src/engines/shape.js';
import { openAllWays, openEngines, runnableOf } from './support/engines.js';

const SETTINGS = { threads: 2 };
const USERS = 6;
/** For 36 of the whole numbers from −40 to 40, adding it in float32 gives another sum than in float64, rounded once. */
const OFFSET = 3.525529;

function aShape(movies: number): ModelShape {
  return { users: USERS, movies, embeddingWidth: 5, hiddenLayers: [12] };
}

/** Numbers from 0 to 1 exclusive; the same for the same seed. */
function aRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function parametersOf(shape: ModelShape, next: () => number): Parameters {
  return parameterShapes(shape).map((parameter) => ({
    ...parameter,
    values: Float32Array.from({ length: sizeOf(parameter.shape) }, next),
  }));
}

/** −1, 0 and 1: few different scores, many ties. */
function wholeParameters(shape: ModelShape): Parameters {
  const random = aRandom(7);
  return parametersOf(shape, () => Math.floor(3 * random()) - 1);
}

function realParameters(shape: ModelShape): Parameters {
  const random = aRandom(8);
  return parametersOf(shape, () => random() - 0.5);
}

/** Every user once, everything allowed, from the top, unless changed. */
function aRequest({ movies }: ModelShape, changes: Partial<TopMoviesRequest> = {}): TopMoviesRequest {
  const B = changes.userIndices?.length ?? USERS;
  return {
    userIndices: Int32Array.from({ length: B }, (_, user) => user),
    n: 10,
    offset: OFFSET,
    allowed: repeated(allMovies(movies), B),
    afterScores: new Float32Array(B).fill(Infinity),
    afterIndices: new Int32Array(B).fill(-1),
    ...changes,
  };
}

function repeated(bitmap: Uint32Array, times: number): Uint32Array {
  return Uint32Array.from({ length: bitmap.length * times }, (_, word) => bitmap[word % bitmap.length]);
}

interface Listed {
  index: number;
  score: number;
}

function listsOf({ counts, movieIndices, scores }: TopMovies, n: number): Listed[][] {
  return Array.from(counts, (count, b) =>
    Array.from({ length: count }, (_, i) => ({ index: movieIndices[b * n + i], score: scores[b * n + i] })),
  );
}

/** What is right, by a full sort of all scores. */
async function expectedLists(
  scorer: Scorer,
  { movies }: ModelShape,
  request: TopMoviesRequest,
): Promise<Listed[][]> {
  const outputs = await scorer.scoreMovies(request.userIndices);
  return Array.from(request.userIndices, (_, b) => {
    const [score, index] = [request.afterScores[b], request.afterIndices[b]];
    return Array.from({ length: movies }, (_, m) => ({
      index: m,
      score: Math.fround(outputs[b * movies + m] + request.offset),
    }))
      .filter(
        (place) => (request.allowed[b * wordsOf(movies) + (place.index >> 5)] >>> (place.index & 31)) & 1,
      )
      .filter((place) => place.score < score || (place.score === score && place.index > index))
      .sort((a, z) => z.score - a.score || a.index - z.index)
      .slice(0, request.n);
  });
}

const runnable = runnableOf([...(await openEngines([referenceDoor])), ...(await openAllWays())]);

describe.each(runnable)('$name', ({ engine }) => {
  /** Opens the reference and this engine with the same parameters, and closes both. */
  async function withScorers(
    shape: ModelShape,
    parameters: Parameters,
    work: (scorer: Scorer, reference: Scorer) => Promise<void>,
  ): Promise<void> {
    const reference = await (await referenceDoor.open(SETTINGS)).openScorer(shape, parameters);
    const scorer = await engine.openScorer(shape, parameters);
    try {
      await work(scorer, reference);
    } finally {
      await scorer.close();
      await reference.close();
    }
  }

  async function expectExact(movies: number, changes: Partial<TopMoviesRequest> = {}): Promise<Listed[][]> {
    const shape = aShape(movies);
    const request = aRequest(shape, changes);
    let lists: Listed[][] = [];
    await withScorers(shape, wholeParameters(shape), async (scorer, reference) => {
      lists = listsOf(await scorer.topMovies(request), request.n);
      expect(lists).toEqual(await expectedLists(reference, shape, request));
    });
    return lists;
  }

  test.each([1, 31, 32, 33, 100, 1000])('the best 10 of %i movies, with ties', async (movies) => {
    const lists = await expectExact(movies);
    expect(lists.map((list) => list.length)).toEqual(Array(USERS).fill(Math.min(10, movies)));
  });

  test('fewer places than asked for when there are fewer movies', async () => {
    const lists = await expectExact(45, { n: 60 });
    expect(lists.map((list) => list.length)).toEqual(Array(USERS).fill(45));
  });

  test('the one best movie', async () => {
    await expectExact(1000, { n: 1 });
  });

  test('bitmaps of no, few and all movies, each user with another', async () => {
    const allowed = Uint32Array.of(
      ...noMovies(100),
      ...moviesAt(100, [99]),
      ...moviesAt(100, [0, 31, 32, 63, 64, 98]),
      ...moviesAt(100, [5]),
      ...allMovies(100),
      ...noMovies(100),
    );
    const lists = await expectExact(100, { allowed, n: 20 });
    expect(lists.map((list) => list.length)).toEqual([0, 1, 6, 1, 20, 0]);
  });

  test('bits past the last movie mean nothing', async () => {
    const lists = await expectExact(33, { allowed: new Uint32Array(2 * USERS).fill(0xffff_ffff), n: 64 });
    expect(lists.map((list) => list.length)).toEqual(Array(USERS).fill(33));
  });

  test('a user may be asked for twice, and nobody at all', async () => {
    await expectExact(100, { userIndices: Int32Array.of(3, 0, 3) });
    expect(await expectExact(100, { userIndices: new Int32Array(0) })).toEqual([]);
  });

  test('a page goes on after a score and an index, in the middle of a tie, or below everything', async () => {
    const [middle] = (await expectExact(1000, { n: 1000 })).map((list) => list[500]);
    const lists = await expectExact(1000, {
      userIndices: Int32Array.of(0, 0, 0, 0),
      afterScores: Float32Array.of(middle.score, middle.score, -1e6, 1e6),
      afterIndices: Int32Array.of(middle.index, 2000, 0, 0),
    });
    expect(lists.map((list) => list.length)).toEqual([10, 10, 0, 10]);
  });

  test('page by page comes what comes at once: each movie once, in order', async () => {
    const shape = aShape(333);
    await withScorers(shape, realParameters(shape), async (scorer) => {
      const request = aRequest(shape, { userIndices: Int32Array.of(4), n: 333 });
      const [whole] = listsOf(await scorer.topMovies(request), 333);
      const walked: Listed[] = [];
      for (let page: Listed[] | null = null; page === null || page.length > 0; walked.push(...page)) {
        const last: Listed = walked.at(-1) ?? { score: Infinity, index: -1 };
        const afterScores = Float32Array.of(last.score);
        const next = { ...request, n: 50, afterScores, afterIndices: Int32Array.of(last.index) };
        [page] = listsOf(await scorer.topMovies(next), 50);
      }
      expect(walked).toEqual(whole);
      expect(new Set(walked.map(({ index }) => index)).size).toBe(333);
    });
  });

  test('scores are those of the reference to the precision of sums in float32', async () => {
    const shape = aShape(1000);
    await withScorers(shape, realParameters(shape), async (scorer, reference) => {
      const request = aRequest(shape, { n: 40 });
      const lists = listsOf(await scorer.topMovies(request), 40);
      const expected = await expectedLists(reference, shape, request);
      // A near tie may swap two movies, but never moves the score of a place by more than the error of a sum.
      const errors = lists.flatMap((list, b) =>
        list.map(({ score }, i) => Math.abs(score - expected[b][i].score)),
      );
      expect(errors.length).toBe(USERS * 40);
      expect(Math.max(...errors)).toBeLessThan(1e-5);
    });
  });

  test('broken promises are found at the boundary', async () => {
    const shape = aShape(100);
    await withScorers(shape, wholeParameters(shape), async (scorer) => {
      for (const changes of [
        { n: 0 },
        { n: 2.5 },
        { userIndices: Int32Array.of(USERS) },
        { userIndices: Int32Array.of(-1) },
        { allowed: allMovies(100) },
        { afterScores: new Float32Array(USERS - 1) },
        { afterIndices: new Int32Array(USERS + 1) },
      ]) {
        await expect(scorer.topMovies(aRequest(shape, changes))).rejects.toThrow();
      }
    });
  });

  test('a closed scorer says so', async () => {
    const shape = aShape(100);
    const scorer = await engine.openScorer(shape, wholeParameters(shape));
    await scorer.close();
    await expect(scorer.topMovies(aRequest(shape))).rejects.toThrow('closed');
  });
});
