import { type Place, topN } from '#src/scoring/topN.js';

const SCORES = new Float32Array([3, 5, 1, 5, 4]);

test('the best come first, ties by index', () => {
  expect(topN(SCORES, () => true, 3, null)).toEqual([
    { index: 1, score: 5 },
    { index: 3, score: 5 },
    { index: 4, score: 4 },
  ]);
});

test('only candidates are taken', () => {
  expect(topN(SCORES, (index) => index !== 1, 2, null).map((place) => place.index)).toEqual([3, 4]);
});

test('the next page begins after the last place of the one before', () => {
  expect(topN(SCORES, () => true, 2, { index: 1, score: 5 }).map((place) => place.index)).toEqual([3, 4]);
  expect(topN(SCORES, () => true, 5, { index: 2, score: 1 })).toEqual([]);
});

test('pages of any size walk through all in the order of a full sort', () => {
  const scores = Float32Array.from({ length: 500 }, (_, i) => (i * 7919) % 97);
  const sorted = [...scores.keys()].sort((a, b) => scores[b] - scores[a] || a - b);
  const walked: Place[] = [];
  for (
    let page = topN(scores, () => true, 7, null);
    page.length > 0;
    page = topN(scores, () => true, 7, walked.at(-1)!)
  ) {
    walked.push(...page);
  }
  expect(walked.map((place) => place.index)).toEqual(sorted);
});
