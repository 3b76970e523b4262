// The interval that a rating lies in with a probability, from its mean and standard deviation.

import { deviationsOf } from '../engines/beliefs.js';
import { clipToScale, type RatingScale } from '../store/scale.js';

export interface RatingInterval {
  low: number;
  high: number;
  level: number;
}

/** 0 < level < 1. */
export function intervalOf(
  rawScore: number,
  deviation: number,
  level: number,
  scale: RatingScale,
): RatingInterval {
  const reach = deviationsOf(level) * deviation;
  return { low: clipToScale(rawScore - reach, scale), high: clipToScale(rawScore + reach, scale), level };
}
