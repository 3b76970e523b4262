// Figures of ranked lists: by hand, and against a plain reference that sorts all scores of every user.

import type { ModelShape } from '#src/engines/engine.js';
import { initialParameters } from '#src/engines/init.js';
import { randomStream, randomUnit } from '#src/engines/random.js';
import { referenceDoor } from '#src/engines/reference.js';
import { HALF_STARS } from '#src/store/scale.js';
import { fitBaselines } from '#src/training/baselines.js';
import { movieBiasesOf, rankMovies, relevantFrom } from '#src/training/ranking.js';
import { tallyRankings } from '#src/training/rankingFigures.js';
import type { RatingSet } from '#src/training/split.js';

test('the figures of two lists of two places, counted by hand', () => {
  const tally = tallyRankings([2], { ratingCounts: new Int32Array([3, 1, 0, 0]), users: 3 });
  tally.add(new Int32Array([0, 1, 2]), new Set([1, 2, 3]));
  tally.add(new Int32Array([0, 2, 3]), new Set([0]));
  const [figures] = tally.figures();
  // The first: a hit on place 2 of 2, of three liked movies. The second: its only liked movie on place 1.
  const ideal = 1 + 1 / Math.log2(3);
  expect(figures.ndcg).toBeCloseTo((1 / Math.log2(3) / ideal + 1) / 2, 12);
  expect(figures.recall).toBeCloseTo((1 / 3 + 1) / 2, 12);
  expect(figures.precision).toBe(0.5);
  expect(figures.map).toBeCloseTo((0.5 / 2 + 1) / 2, 12);
  expect(figures.hitRate).toBe(1);
  expect(figures.coverage).toBe(0.75);
  // Movie 0 was rated by all, movie 1 by one user, movie 2 by none: 0, 1 and 2 bits.
  expect(figures.novelty).toBe((0.5 + 1) / 2);
  expect(figures.diversity).toBe(0.5);
  expect(figures).toMatchObject({ k: 2, users: 2 });
});

test('relevant is the upper quarter of the scale: 4 stars of five, 8 points of ten', () => {
  expect(relevantFrom(HALF_STARS)).toBe(4);
  expect(relevantFrom({ minimum: 1, maximum: 5, step: 1 })).toBe(4);
  expect(relevantFrom({ minimum: 1, maximum: 10, step: 1 })).toBe(8);
});

test('ranking takes all movies but those of the training ratings, and has popularity and biases beside it', async () => {
  const shape: ModelShape = { users: 40, movies: 130, embeddingWidth: 4, hiddenLayers: [8] };
  const parameters = initialParameters(shape, 5);
  const { train, test: held } = someSides(shape);
  const userIds = Int32Array.from({ length: shape.users }, (_, user) => user + 1);
  const movieBiases = movieBiasesOf(fitBaselines(train, shape.users, shape.movies), shape.movies);
  const engine = await referenceDoor.open({ threads: 1 });
  const told: number[] = [];
  const rankings = await rankMovies(
    engine,
    { shape, parameters, ratingMean: 3 },
    { train, test: held, userIds, scale: HALF_STARS, movieBiases },
    { onEvent: (event) => event.event === 'ranking' && told.push(event.users) },
  );

  const scorer = await engine.openScorer(shape, parameters);
  const ndcgOf = async (scoresOf: (user: number) => Promise<ArrayLike<number>>) => {
    const gains: number[] = [];
    for (let user = 0; user < shape.users; user++) {
      const liked = moviesOf(held, user, 4);
      if (liked.length === 0) continue;
      const rated = moviesOf(train, user, 0);
      const scores = await scoresOf(user);
      const list = Array.from({ length: shape.movies }, (_, movie) => movie)
        .filter((movie) => !rated.includes(movie))
        .sort((a, b) => scores[b] - scores[a] || a - b)
        .slice(0, 10);
      const gain = list.reduce(
        (sum, movie, i) => sum + (liked.includes(movie) ? 1 / Math.log2(i + 2) : 0),
        0,
      );
      const best = liked.slice(0, 10).reduce((sum, _, i) => sum + 1 / Math.log2(i + 2), 0);
      gains.push(gain / best);
    }
    return gains.reduce((sum, gain) => sum + gain, 0) / gains.length;
  };
  const popularity = train.movieIndices.reduce(
    (counts, movie) => counts.map((count, i) => count + Number(i === movie)),
    new Array<number>(shape.movies).fill(0),
  );
  const figure = (name: string) => rankings.find((row) => row.name === name && row.k === 10)!.ndcg;
  const ours = await ndcgOf(async (user) =>
    (await scorer.scoreMovies(Int32Array.of(user))).map((output) => Math.fround(output + 3)),
  );
  expect(figure('this model')).toBeCloseTo(ours, 12);
  expect(figure('popularity')).toBeCloseTo(await ndcgOf(async () => popularity), 12);
  expect(figure('user+movie bias')).toBeCloseTo(await ndcgOf(async () => movieBiases), 12);
  expect(told.at(-1)).toBe(rankings[0].users);
  expect(rankings.map(({ k }) => k)).toEqual([5, 10, 20, 50, 100, 5, 10, 20, 50, 100, 5, 10, 20, 50, 100]);
});

function someSides({ users, movies }: ModelShape): { train: RatingSet; test: RatingSet } {
  const key = randomStream(3, 1);
  const rows = Array.from({ length: users * movies }, (_, i) => ({
    user: Math.floor(i / movies),
    movie: i % movies,
    side: randomUnit(key, 2 * i),
    rating: Math.ceil(10 * randomUnit(key, 2 * i + 1)) / 2,
  }));
  const setOf = (some: typeof rows): RatingSet => ({
    userIndices: Int32Array.from(some, ({ user }) => user),
    movieIndices: Int32Array.from(some, ({ movie }) => movie),
    ratings: Float32Array.from(some, ({ rating }) => rating),
  });
  return {
    train: setOf(rows.filter(({ side }) => side < 0.2)),
    test: setOf(rows.filter(({ side, user }) => side > 0.96 && user % 5 > 0)),
  };
}

function moviesOf({ userIndices, movieIndices, ratings }: RatingSet, user: number, from: number): number[] {
  return [...movieIndices].filter((_, i) => userIndices[i] === user && ratings[i] >= from);
}
