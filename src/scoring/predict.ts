// Predicted ratings for pairs of user and movie: from the model where it has seen the movie and has or finds a row for the user, by
// fallback elsewhere.

import { clipToScale } from '../store/scale.js';
import type { Store } from '../store/store.js';
import { fallbackRating, type Statistics } from './fallback.js';
import { type Asker, isKnownMovie, type PredictionSource, rowsOf, sourceFor } from './foldIns.js';
import type { ModelHost } from './modelHost.js';

export interface Subject extends Statistics {
  /** Row of the embedding. */
  idx: number;
}

export interface ScoredPair {
  /** In stars, clipped to the scale. */
  rating: number;
  /** In stars, not clipped. */
  rawScore: number;
  /** Of a rating around rawScore, its noise included; null where the model does not know. */
  standardDeviation: number | null;
  source: PredictionSource;
}

export async function predictPairs(
  store: Store,
  host: ModelHost,
  pairs: readonly { user: Asker; movie: Subject }[],
): Promise<ScoredPair[]> {
  const rows = await rowsOf(
    store,
    host,
    pairs.map(({ user }) => user),
  );
  const known = [...pairs.keys()].filter(
    (i) => rows.indices[i] >= 0 && isKnownMovie(host, pairs[i].movie.idx),
  );
  const { outputs, deviations } = await host.predict({
    userIndices: Int32Array.from(known, (i) => rows.indices[i]),
    movieIndices: Int32Array.from(known, (i) => pairs[i].movie.idx),
    folded: rows.folded,
  });
  const placeOf = new Map(known.map((i, place) => [i, place]));
  return pairs.map(({ user, movie }, i) => {
    const place = placeOf.get(i);
    if (place === undefined)
      return toScored(host, fallbackRating(host.ratingMean, user, movie), 'FALLBACK', Number.NaN);
    return toScored(host, host.ratingMean + outputs[place], sourceFor(host, user), deviations[place]);
  });
}

/** deviation: NaN where the model does not know. */
export function toScored(
  { scale }: Pick<ModelHost, 'scale'>,
  rawScore: number,
  source: PredictionSource,
  deviation: number,
): ScoredPair {
  const standardDeviation = Number.isNaN(deviation) ? null : deviation;
  return { rating: clipToScale(rawScore, scale), rawScore, standardDeviation, source };
}
