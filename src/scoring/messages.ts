// What the thread of a model and its host say to each other.

import type { EngineSettings, TopMovies, TopMoviesRequest } from '../engines/engine.js';
import type { DescribedMovies } from '../engines/moviePrior.js';
import type { RatingScale } from '../store/scale.js';
import type { ThreadError } from '../store/threadError.js';

export interface ScoringInput extends EngineSettings {
  databaseUrl: string;
  modelId: number;
}

/** Sent once, before any reply. */
export interface ScoringReady {
  ratingMean: number;
  scale: RatingScale;
  userRatingCounts: Int32Array;
  movieRatingCounts: Int32Array;
  /** Knows how sure it is, and folds users in. */
  isCertain: boolean;
  /** Attributes by which it can tell of movies that it was not trained with. */
  movieAttributes: readonly string[];
  ratingsReadAt: Date;
}

/** Sent once, instead: the model cannot be opened, and the thread may end. */
export interface ScoringRefusal {
  error: ThreadError;
}

/** Question and answer of each method. */
export interface ScoringMethods {
  /** Raw outputs, without the model's mean, and standard deviations of ratings around them (NaN where the model does not know). */
  predict: { question: PairsToPredict; answer: Predictions };
  topMovies: { question: RankRequest; answer: TopMovies };
  /** Of models that have attributes: what each user's ranking goes by at each described movie (B × movies). */
  scoreDescribed: { question: DescribedRequest; answer: { scores: Float32Array } };
  /** Of models that are certain. */
  reasons: { question: ReasonsRequest; answer: { weights: Float32Array } };
  neighbours: { question: NeighboursRequest; answer: Neighbours };
}

export interface NeighboursRequest {
  side: 'user' | 'movie';
  row: number;
  n: number;
}

/** Most similar first. */
export interface Neighbours {
  indices: Int32Array;
  /** −1 to 1. */
  similarities: Float32Array;
}

export interface Predictions {
  outputs: Float32Array;
  deviations: Float32Array;
}

/** Ratings of users whose rows are to be solved for: of the first those from starts[0] to starts[1], … */
export interface FoldInRatings {
  starts: Int32Array;
  movieIndices: Int32Array;
  /** Stars less the model's mean. */
  targets: Float32Array;
}

/** Rows from the model's number of users on are solved for, from `folded`; from its number of movies on they are `described`. */
export interface PairsToPredict {
  userIndices: Int32Array;
  movieIndices: Int32Array;
  folded: FoldInRatings | null;
  /** Absent or null: there are none. */
  described?: DescribedMovies | null;
}

/** By expected rating; by what it is above with a probability of 95 %; by a sample of what is believed of user and movies. */
export type RecommendationOrder = 'EXPECTED_RATING' | 'CAUTIOUS' | 'EXPLORE';

/** As TopMoviesRequest, with rows as in PairsToPredict. Orders other than by expected rating are for models that are certain. */
export interface RankRequest extends TopMoviesRequest {
  order: RecommendationOrder;
  /** For EXPLORE, of each user: who they are to the sample, and which sample. */
  entities: Int32Array;
  seeds: Int32Array;
  folded: FoldInRatings | null;
}

export type DescribedRequest = Pick<
  RankRequest,
  'order' | 'entities' | 'seeds' | 'userIndices' | 'offset' | 'folded'
> & { described: DescribedMovies };

/** About one user, whose ratings are folded in. */
export interface ReasonsRequest {
  folded: FoldInRatings;
  movieIndices: Int32Array;
}

export type ScoringMethod = keyof ScoringMethods;

export type ScoringRequest = {
  [Method in ScoringMethod]: { id: number; method: Method; question: ScoringMethods[Method]['question'] };
}[ScoringMethod];

/** Ends the thread once it has done what it is at; answered by CLOSED. */
export const CLOSE = 'close';
export const CLOSED = 'closed';

export type ScoringReply =
  | { id: number; answer: ScoringMethods[ScoringMethod]['answer'] }
  | { id: number; error: string };

/** The memory of a message's arrays, to be handed over instead of copied. */
export function buffersOf(message: object): ArrayBuffer[] {
  return Object.values(message)
    .filter((value) => ArrayBuffer.isView(value))
    .map((array) => array.buffer as ArrayBuffer);
}
