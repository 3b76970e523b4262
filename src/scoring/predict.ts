// Predicted ratings for pairs of user and movie: from the model where it has seen both, by fallback elsewhere.

import { clipToScale } from '../store/scale.js';
import { fallbackRating, type Statistics } from './fallback.js';
import type { ModelHost } from './modelHost.js';

export type PredictionSource = 'MODEL' | 'FALLBACK';

export interface Subject extends Statistics {
  /** Row of the embedding. */
  idx: number;
}

export interface ScoredPair {
  /** In stars, clipped to the scale. */
  rating: number;
  /** In stars, not clipped. */
  rawScore: number;
  source: PredictionSource;
}

export async function predictPairs(
  host: ModelHost,
  pairs: readonly { user: Subject; movie: Subject }[],
): Promise<ScoredPair[]> {
  const known = pairs.filter(
    ({ user, movie }) => isKnownUser(host, user.idx) && isKnownMovie(host, movie.idx),
  );
  const outputs = await host.predict(
    Int32Array.from(known, (pair) => pair.user.idx),
    Int32Array.from(known, (pair) => pair.movie.idx),
  );
  const outputOf = new Map(known.map((pair, i) => [pair, outputs[i]]));
  return pairs.map((pair) => {
    const output = outputOf.get(pair);
    if (output !== undefined) return toScored(host, host.ratingMean + output, 'MODEL');
    return toScored(host, fallbackRating(host.ratingMean, pair.user, pair.movie), 'FALLBACK');
  });
}

export function isKnownUser(host: ModelHost, index: number): boolean {
  return (host.userRatingCounts[index] ?? 0) > 0;
}

export function isKnownMovie(host: ModelHost, index: number): boolean {
  return (host.movieRatingCounts[index] ?? 0) > 0;
}

export function toScored(
  { scale }: Pick<ModelHost, 'scale'>,
  rawScore: number,
  source: PredictionSource,
): ScoredPair {
  return { rating: clipToScale(rawScore, scale), rawScore, source };
}
