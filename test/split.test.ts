import type { RatingTable } from '#src/store/ratingReader.js';
import { HALF_STARS } from '#src/store/scale.js';
import { isHeldOut, splitRatings } from '#src/training/split.js';

const SPLIT = { kind: 'HASH', testFraction: 0.2, seed: 42 } as const;

test('every rating is on exactly one side, in its old order', () => {
  const table = aTable(200, 50);
  const { train, test } = splitRatings(table, SPLIT);
  expect(train.ratings.length + test.ratings.length).toBe(10_000);
  expect(pairsOf(train)).toEqual(
    allPairs(200, 50).filter(([user, movie]) => !isHeldOut(SPLIT, 100 + user, 7 + movie)),
  );
  expect(pairsOf(test)).toEqual(
    allPairs(200, 50).filter(([user, movie]) => isHeldOut(SPLIT, 100 + user, 7 + movie)),
  );
});

test('about the asked share is held out, of every user and every movie', () => {
  const held = allPairs(1000, 1000).filter(([user, movie]) => isHeldOut(SPLIT, user, movie));
  expect(held.length / 1_000_000).toBeCloseTo(0.2, 2);
  const ofUser = new Map<number, number>();
  for (const [user] of held) ofUser.set(user, (ofUser.get(user) ?? 0) + 1);
  expect(Math.min(...ofUser.values())).toBeGreaterThan(140);
  expect(Math.max(...ofUser.values())).toBeLessThan(260);
});

test('a rating keeps its side when ratings are added or the rows of the embeddings change', () => {
  const before = splitRatings(aTable(10, 10), SPLIT).test;
  const after = splitRatings(aTable(20, 10), SPLIT).test;
  expect(pairsOf(after).filter(([user]) => user < 10)).toEqual(pairsOf(before));
});

test('another seed holds out other ratings', () => {
  const sides = allPairs(100, 100).map(([user, movie]) => [
    isHeldOut(SPLIT, user, movie),
    isHeldOut({ ...SPLIT, seed: 43 }, user, movie),
  ]);
  const both = sides.filter(([a, b]) => a && b).length;
  expect(both / 10_000).toBeCloseTo(0.04, 1);
  expect(sides.some(([a, b]) => a !== b)).toBe(true);
});

test('by time the newest are held out; of the same second the later ones of the table', () => {
  const table = { ...aTable(2, 3), times: Float64Array.of(5, 1, 3, 3, 9, 3) };
  const { train, test } = splitRatings(table, { ...SPLIT, kind: 'TEMPORAL', testFraction: 0.5 });
  expect(pairsOf(test)).toEqual([
    [0, 0],
    [1, 1],
    [1, 2],
  ]);
  expect(train.ratings.length).toBe(3);
});

test('the last rating of each user is held out, ties by movie; who has one rating keeps it in training', () => {
  const table = {
    ...aTable(3, 2),
    userIndices: Int32Array.of(0, 0, 0, 1, 2, 2),
    movieIndices: Int32Array.of(0, 1, 2, 0, 0, 1),
    times: Float64Array.of(7, 7, 2, 9, 4, 3),
  };
  const { train, test } = splitRatings(table, { ...SPLIT, kind: 'LEAVE_LAST_OUT' });
  expect(pairsOf(test)).toEqual([
    [0, 1],
    [2, 0],
  ]);
  expect(train.ratings.length).toBe(4);
});

function aTable(users: number, movies: number): RatingTable {
  const pairs = allPairs(users, movies);
  return {
    userIndices: Int32Array.from(pairs, ([user]) => user),
    movieIndices: Int32Array.from(pairs, ([, movie]) => movie),
    ratings: new Float32Array(pairs.length).fill(3),
    userIds: Int32Array.from({ length: users }, (_, i) => 100 + i),
    movieIds: Int32Array.from({ length: movies }, (_, i) => 7 + i),
    scale: HALF_STARS,
    latestRatedAt: null,
    checksum: '',
  };
}

function allPairs(users: number, movies: number): [number, number][] {
  return Array.from({ length: users * movies }, (_, i) => [Math.floor(i / movies), i % movies]);
}

function pairsOf({
  userIndices,
  movieIndices,
}: {
  userIndices: Int32Array;
  movieIndices: Int32Array;
}): number[][] {
  return Array.from(userIndices, (user, i) => [user, movieIndices[i]]);
}
