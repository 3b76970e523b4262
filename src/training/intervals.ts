// Whether intervals hold what they promise: the share of held-out ratings that lies within the interval of each level.

import { type Beliefs, beliefAt, deviationsOf, spreadOf } from '../engines/beliefs.js';
import { clipToScale, type RatingScale } from '../store/scale.js';
import type { RatingSet } from './split.js';

/** The levels that each evaluation measures. */
const INTERVAL_LEVELS = [0.5, 0.8, 0.9, 0.95] as const;

export interface IntervalShare {
  level: number;
  /** Share of the ratings that it held, 0 to 1. */
  held: number;
}

/** rawScores: expected ratings in stars, not clipped. */
export function measureIntervals(
  beliefs: Beliefs,
  { userIndices, movieIndices, ratings }: RatingSet,
  rawScores: Float32Array,
  scale: RatingScale,
): IntervalShare[] {
  const spreadAt = (i: number) =>
    spreadOf(beliefs, beliefAt(beliefs.users, beliefs.D, userIndices[i]), movieIndices[i]).rating;
  return sharesHeld(ratings, rawScores, spreadAt, scale);
}

/** spreadAt: the deviation of each rating. */
export function sharesHeld(
  ratings: Float32Array,
  rawScores: Float32Array,
  spreadAt: (i: number) => number,
  scale: Pick<RatingScale, 'minimum' | 'maximum'>,
): IntervalShare[] {
  const deviations = INTERVAL_LEVELS.map(deviationsOf);
  const held = INTERVAL_LEVELS.map(() => 0);
  for (let i = 0; i < ratings.length; i++) {
    const spread = spreadAt(i);
    for (const [level, deviation] of deviations.entries()) {
      const low = clipToScale(rawScores[i] - deviation * spread, scale);
      const high = clipToScale(rawScores[i] + deviation * spread, scale);
      if (ratings[i] >= low && ratings[i] <= high) held[level]++;
    }
  }
  return held.map((count, i) => ({ level: INTERVAL_LEVELS[i], held: count / ratings.length }));
}
