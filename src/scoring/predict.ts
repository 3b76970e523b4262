// Predicted ratings for pairs of user and movie: from the model where it has or finds a row for the user and has seen the movie or its
// genres, by fallback elsewhere.

import { clipToScale } from '../store/scale.js';
import type { Store } from '../store/store.js';
import { type Describable, describe, movieRow } from './described.js';
import { fallbackRating } from './fallback.js';
import { type Asker, type PredictionSource, rowsOf, sourceFor } from './foldIns.js';
import type { ModelHost } from './modelHost.js';

/** Row of the embedding, and what else the store knows. */
export type Subject = Describable;

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
  const described = describe(
    host,
    pairs.map(({ movie }) => movie),
  );
  const movieRows = pairs.map(({ movie }) => movieRow(host, described, movie.idx));
  const known = [...pairs.keys()].filter((i) => rows.indices[i] >= 0 && movieRows[i] >= 0);
  const { outputs, deviations } = await host.predict({
    userIndices: Int32Array.from(known, (i) => rows.indices[i]),
    movieIndices: Int32Array.from(known, (i) => movieRows[i]),
    ...{ folded: rows.folded, described: described.movies },
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
