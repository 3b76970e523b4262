// What the thread of a model and its host say to each other.

import type { EngineSettings, TopMovies, TopMoviesRequest } from '../engines/engine.js';

export interface ScoringInput extends EngineSettings {
  databaseUrl: string;
  modelId: number;
}

/** Sent once, before any reply. */
export interface ScoringReady {
  ratingMean: number;
  userRatingCounts: Int32Array;
  movieRatingCounts: Int32Array;
}

/** Question and answer of each method. */
export interface ScoringMethods {
  /** Raw outputs, without the model's mean. */
  predict: { question: PairsToPredict; answer: { outputs: Float32Array } };
  topMovies: { question: TopMoviesRequest; answer: TopMovies };
}

export interface PairsToPredict {
  userIndices: Int32Array;
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
