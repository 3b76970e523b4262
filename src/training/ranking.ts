// Ranking over the full catalogue, at the end of a run: for users with liked test ratings, all movies but those of their training ratings
// are candidates. Beside it two orders that need no model. What the figures are is in rankingFigures.ts.

import { setImmediate } from 'node:timers/promises';
import { allMoviesTimes, removeMovies } from '../engines/bitmap.js';
import type { Engine, ModelShape, Parameters, Scorer } from '../engines/engine.js';
import { mix32 } from '../engines/random.js';
import { RANKING_LENGTHS, type RankingRecord, THIS_MODEL } from '../store/rankings.js';
import { type RatingScale, scaleSteps } from '../store/scale.js';
import type { Baseline } from './baselines.js';
import type { TrainingOptions } from './events.js';
import { type RankingTally, tallyRankings } from './rankingFigures.js';
import type { RatingSet } from './split.js';

/** Share of the scale from its lowest rating upwards; 4 stars of 0.5 … 5, 4 of 1 … 5, 8 of 1 … 10. */
const RELEVANT_FROM = 0.75;
/** Multiply-adds that ranking may take; 3,500 users of ml-20m for `paper`, all of them for factor models. */
const WORK = 2e12;
/** What looking at one score costs beside its making, in multiply-adds. */
const WORK_OF_PLACE = 64;
const BATCH_WORK = 1e10;
const MAX_BATCH = 256;
const SAMPLE_SEED = 1;

export interface RankedModel {
  shape: ModelShape;
  parameters: Parameters;
  ratingMean: number;
}

/** Sides in the order of the table: by user. Ratings of `train` are not looked at. */
export interface RankingSides {
  train: RatingSet;
  test: RatingSet;
  userIds: Int32Array;
  scale: RatingScale;
  /** What the baseline of biases predicts for one user (M): its order is the same for all. */
  movieBiases: Float64Array;
}

/** @throws the reason of a signal */
export async function rankMovies(
  engine: Engine,
  model: RankedModel,
  sides: RankingSides,
  { onEvent, signal, handBack }: TrainingOptions = {},
): Promise<RankingRecord[]> {
  const { shape, parameters } = model;
  const rated = rowsByUser(sides.train, shape.users);
  const liked = rowsByUser(likedOf(sides.test, sides.scale), shape.users);
  const users = sampleUsers(liked, sides.userIds, Math.max(1, Math.floor(WORK / workOf(shape))));
  const catalogue = { ratingCounts: countsOf(sides.train.movieIndices, shape.movies), users: shape.users };
  const orders: [string, Int32Array][] = [
    ['popularity', orderBy(catalogue.ratingCounts)],
    ['user+movie bias', orderBy(sides.movieBiases)],
  ];
  const tallies = orders.map(() => tallyRankings(RANKING_LENGTHS, catalogue));
  const ours = tallyRankings(RANKING_LENGTHS, catalogue);
  const scorer = await engine.openScorer(shape, parameters);
  try {
    const batch = Math.min(MAX_BATCH, Math.max(1, Math.floor(BATCH_WORK / workOf(shape))));
    for (let begin = 0; begin < users.length; begin += batch) {
      const some = users.subarray(begin, begin + batch);
      await addModelLists(ours, scorer, model, some, rated, liked);
      for (const user of some)
        addOrderLists(tallies, orders, new Set(rated.of(user)), new Set(liked.of(user)));
      onEvent?.({ event: 'ranking', users: begin + some.length, total: users.length });
      await setImmediate();
      signal?.throwIfAborted();
      handBack?.throwIfAborted();
    }
  } finally {
    await scorer.close();
  }
  const named = [[THIS_MODEL, ours] as const, ...tallies.map((tally, i) => [orders[i][0], tally] as const)];
  return named.flatMap(([name, tally]) => tally.figures().map((figures) => ({ name, ...figures })));
}

/** The lowest step of the scale that is in its upper quarter. */
export function relevantFrom(scale: RatingScale): number {
  const from = scale.minimum + RELEVANT_FROM * (scale.maximum - scale.minimum);
  return scaleSteps(scale).find((step) => step >= from - 1e-9) ?? scale.maximum;
}

function likedOf({ userIndices, movieIndices, ratings }: RatingSet, scale: RatingScale) {
  const threshold = relevantFrom(scale);
  const isLiked = (_: number, i: number) => ratings[i] >= threshold;
  return { userIndices: userIndices.filter(isLiked), movieIndices: movieIndices.filter(isLiked) };
}

interface RowsByUser {
  of(user: number): Int32Array;
}

function rowsByUser(
  { userIndices, movieIndices }: Pick<RatingSet, 'userIndices' | 'movieIndices'>,
  users: number,
): RowsByUser {
  const starts = new Int32Array(users + 1);
  for (const user of userIndices) starts[user + 1]++;
  for (let user = 0; user < users; user++) starts[user + 1] += starts[user];
  const next = starts.slice();
  const rows = new Int32Array(movieIndices.length);
  for (let i = 0; i < rows.length; i++) rows[next[userIndices[i]]++] = movieIndices[i];
  return { of: (user) => rows.subarray(starts[user], starts[user + 1]) };
}

/** All who like a movie of the test ratings, or `limit` of them by a hash of their ids: the same ones for the same ratings. */
function sampleUsers(liked: RowsByUser, userIds: Int32Array, limit: number): Int32Array {
  const users = Int32Array.from(userIds, (_, user) => user).filter((user) => liked.of(user).length > 0);
  if (users.length <= limit) return users;
  const hashOf = (user: number) => mix32(mix32(SAMPLE_SEED) ^ userIds[user]) >>> 0;
  return users
    .sort((a, b) => hashOf(a) - hashOf(b))
    .slice(0, limit)
    .sort();
}

/** Multiply-adds for one user: all movies. */
function workOf({ movies, embeddingWidth, hiddenLayers }: ModelShape): number {
  let [pair, inputs] = [WORK_OF_PLACE + embeddingWidth, 2 * embeddingWidth];
  for (const width of hiddenLayers) {
    pair += inputs * width;
    inputs = width;
  }
  return movies * pair;
}

async function addModelLists(
  tally: RankingTally,
  scorer: Scorer,
  { shape: { movies }, ratingMean }: RankedModel,
  users: Int32Array,
  rated: RowsByUser,
  liked: RowsByUser,
): Promise<void> {
  const n = Math.min(movies, Math.max(...RANKING_LENGTHS));
  const { counts, movieIndices } = await scorer.topMovies({
    ...{ userIndices: users, n, offset: ratingMean },
    allowed: candidatesOf(users, movies, rated),
    afterScores: new Float32Array(users.length).fill(Number.POSITIVE_INFINITY),
    afterIndices: new Int32Array(users.length).fill(-1),
  });
  for (const [b, user] of users.entries())
    tally.add(movieIndices.subarray(b * n, b * n + counts[b]), new Set(liked.of(user)));
}

function candidatesOf(users: Int32Array, movies: number, rated: RowsByUser): Uint32Array {
  const { bits, rows } = allMoviesTimes(movies, users.length);
  for (const [b, user] of users.entries()) removeMovies(rows[b], rated.of(user));
  return bits;
}

/** Orders that are the same for all users but for what each has rated. */
function addOrderLists(
  tallies: readonly RankingTally[],
  orders: readonly [string, Int32Array][],
  rated: ReadonlySet<number>,
  liked: ReadonlySet<number>,
): void {
  const n = Math.max(...RANKING_LENGTHS);
  for (const [i, [, order]] of orders.entries()) {
    const list: number[] = [];
    for (let place = 0; place < order.length && list.length < n; place++)
      if (!rated.has(order[place])) list.push(order[place]);
    tallies[i].add(Int32Array.from(list), liked);
  }
}

/** Highest first, ties by index. */
function orderBy(values: ArrayLike<number>): Int32Array {
  return Int32Array.from(values, (_, movie) => movie).sort((a, b) => values[b] - values[a] || a - b);
}

export function movieBiasesOf(baselines: readonly Baseline[], movies: number): Float64Array {
  const bias = baselines.find(({ name }) => name === 'user+movie bias')!;
  return Float64Array.from({ length: movies }, (_, movie) => bias.predict(0, movie));
}

export function countsOf(indices: Int32Array, size: number): Int32Array {
  const counts = new Int32Array(size);
  for (const index of indices) counts[index]++;
  return counts;
}
