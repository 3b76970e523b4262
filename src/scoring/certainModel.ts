// Questions that engines do not answer: how sure a prediction is, rows that are solved for now, orders other than by expectation.
// Runs in the thread of a model that was sampled; plain loops, some milliseconds for a catalogue of MovieLens' size.

import {
  type Belief,
  type Beliefs,
  beliefAt,
  deviationsOf,
  expectedOutput,
  outputVariance,
  type SideBeliefs,
  spreadOf,
} from '../engines/beliefs.js';
import { hasMovie } from '../engines/bitmap.js';
import type { Certainty } from '../engines/certainty.js';
import { choleskyLower, multiply } from '../engines/denseMatrix.js';
import { draws, normal, STAGES, stageOf } from '../engines/draws.js';
import type { TopMovies } from '../engines/engine.js';
import { contributionsTo, type FoldedIn, foldIn, type OwnRatings } from '../engines/foldIn.js';
import { type DescribedMovies, describeMovies } from '../engines/moviePrior.js';
import { offer, type Places } from '../engines/places.js';
import type {
  DescribedRequest,
  FoldInRatings,
  PairsToPredict,
  RankRequest,
  ReasonsRequest,
} from './messages.js';

/** CAUTIOUS goes by what the expected rating is above with a probability of 95 %: the lower end of its 90 % interval. */
const CAUTION = deviationsOf(0.9);

export interface CertainModel {
  /** Deviations of ratings. */
  predict(pairs: PairsToPredict): { outputs: Float32Array; deviations: Float32Array };
  rank(request: RankRequest): TopMovies;
  /** What a ranking of each user goes by at movies that the model was not trained with (B × movies). */
  scoreDescribed(request: DescribedRequest): { scores: Float32Array };
  /** What each of the ratings that are folded in adds to the rating of each movie, in stars (movies × ratings). */
  reasons(request: ReasonsRequest): { weights: Float32Array };
}

export function openCertainModel(certainty: Certainty): CertainModel {
  const { beliefs } = certainty;
  const sampleOf = sampler(beliefs);
  return {
    predict({ userIndices, movieIndices, folded, described }) {
      const believe = believer(certainty, folded);
      const known = beliefs.movies.noises.length;
      const others = described && { ...beliefs, movies: describe(certainty, described) };
      const outputs = new Float32Array(userIndices.length);
      const deviations = new Float32Array(userIndices.length);
      for (const [i, movie] of movieIndices.entries()) {
        const user = believe(userIndices[i]);
        const [of, row] = movie < known ? [beliefs, movie] : [others!, movie - known];
        outputs[i] = expectedOutput(user, of.movies, row);
        deviations[i] = spreadOf(of, user, row).rating;
      }
      return { outputs, deviations };
    },
    rank(request) {
      const believe = believer(certainty, request.folded);
      return rank(beliefs, sampleOf, believe, request);
    },
    scoreDescribed(request) {
      const { order, entities, seeds, userIndices, offset, folded, described } = request;
      const believe = believer(certainty, folded);
      const movies = describe(certainty, described);
      const sampleOf = sampler({ ...beliefs, movies }, described.movieIndices);
      const count = described.movieIndices.length;
      const scores = new Float32Array(userIndices.length * count);
      for (const [b, row] of userIndices.entries()) {
        const user = believe(row);
        const sample = () => sampleOf(user, entities[b], seeds[b]);
        const score = scorerOf({ ...beliefs, movies }, order, user, sample);
        for (let movie = 0; movie < count; movie++) scores[b * count + movie] = score(movie) + offset;
      }
      return { scores };
    },
    reasons({ folded, movieIndices }) {
      const ratings = ratingsAt(folded, 0);
      const user = foldIn(beliefs, certainty.prior, certainty.tastes, ratings);
      const weights = Array.from(movieIndices, (movie) => [
        ...contributionsTo(beliefs, user, ratings, movie),
      ]);
      return { weights: Float32Array.from(weights.flat()) };
    },
  };
}

/** The belief of a row: of the model, or solved for from what is folded in, once for each message. */
function believer({ beliefs, prior, tastes }: Certainty, folded: FoldInRatings | null) {
  const solved = new Map<number, FoldedIn>();
  const users = beliefs.users.noises.length;
  return (row: number): Belief => {
    if (row < users) return beliefAt(beliefs.users, beliefs.D, row);
    const known = solved.get(row) ?? foldIn(beliefs, prior, tastes, ratingsAt(folded!, row - users));
    solved.set(row, known);
    return known;
  };
}

function describe({ moviePrior, prior }: Certainty, described: DescribedMovies): SideBeliefs {
  return describeMovies(moviePrior!, prior.typical, described);
}

function ratingsAt({ starts, movieIndices, targets }: FoldInRatings, place: number): OwnRatings {
  const [from, to] = [starts[place], starts[place + 1]];
  return { movieIndices: movieIndices.subarray(from, to), targets: targets.subarray(from, to) };
}

function rank(
  beliefs: Beliefs,
  sampleOf: ReturnType<typeof sampler>,
  believe: (row: number) => Belief,
  { order, seeds, entities, userIndices, n, allowed, offset, afterScores, afterIndices }: RankRequest,
): TopMovies {
  const B = userIndices.length;
  const words = allowed.length / B;
  const top = {
    counts: new Int32Array(B),
    movieIndices: new Int32Array(B * n),
    scores: new Float32Array(B * n),
  };
  for (let b = 0; b < B; b++) {
    const user = believe(userIndices[b]);
    const score = scorerOf(beliefs, order, user, () => sampleOf(user, entities[b], seeds[b]));
    const places: Places = {
      count: 0,
      scores: top.scores.subarray(b * n, (b + 1) * n),
      movieIndices: top.movieIndices.subarray(b * n, (b + 1) * n),
    };
    const after = { score: afterScores[b], index: afterIndices[b] };
    const bitmap = allowed.subarray(b * words, (b + 1) * words);
    for (let movie = 0; movie < beliefs.movies.noises.length; movie++)
      if (hasMovie(bitmap, movie)) offer(places, after, Math.fround(score(movie) + offset), movie);
    top.counts[b] = places.count;
  }
  return top;
}

function scorerOf(
  { movies }: Beliefs,
  order: RankRequest['order'],
  user: Belief,
  sample: () => { user: Belief; movies: SideBeliefs },
): (movie: number) => number {
  switch (order) {
    case 'EXPECTED_RATING':
      return (movie) => expectedOutput(user, movies, movie);
    case 'CAUTIOUS':
      return (movie) =>
        expectedOutput(user, movies, movie) - CAUTION * Math.sqrt(outputVariance(user, movies, movie));
    case 'EXPLORE': {
      const drawn = sample();
      return (movie) => expectedOutput(drawn.user, drawn.movies, movie);
    }
    default:
      return order satisfies never;
  }
}

/** Rows drawn from what is believed of them; the movies' are kept until another seed is asked for. entities: who the movies are to it. */
function sampler({ D, movies }: Beliefs, entities: Int32Array | null = null) {
  let kept: { seed: number; movies: SideBeliefs } | null = null;
  const draw = ({ mean, variance, covariance }: Belief, seed: number, side: number, row: number) => {
    const stream = draws(seed, 0, stageOf(STAGES.request, side), row);
    const z = Float64Array.from(mean, (_, k) => normal(stream, k));
    const away = covariance
      ? multiply(choleskyLower(covariance, D), z, D)
      : z.map((number, k) => Math.sqrt(variance[k]) * number);
    return mean.map((value, k) => value + away[k]);
  };
  return (user: Belief, entity: number, seed: number) => {
    if (kept?.seed !== seed) {
      const means = new Float32Array(movies.means.length);
      for (let row = 0; row < movies.noises.length; row++)
        means.set(draw(beliefAt(movies, D, row), seed, 1, entities?.[row] ?? row), row * D);
      kept = { seed, movies: { ...movies, means } };
    }
    return { user: { ...user, mean: draw(user, seed, 0, entity) }, movies: kept.movies };
  };
}
