// A rating scale: what ratings and predictions are clipped and rounded to. One place, so that loading, evaluation and the API
// agree; which scale the store has is for ratingScale.ts.

export interface RatingScale {
  minimum: number;
  maximum: number;
  /** What ratings are rounded to where they are counted; ratings between the steps are allowed. */
  step: number;
}

/** The table takes no rating beyond it, on either side. */
export const RATING_LIMIT = 1e6;

/** MovieLens' own, and what is assumed of a store that holds no ratings yet. */
export const HALF_STARS: RatingScale = { minimum: 0.5, maximum: 5, step: 0.5 };

export function isOnScale(rating: number, { minimum, maximum }: RatingScale): boolean {
  return rating >= minimum && rating <= maximum;
}

/** Clips a predicted rating to the scale. */
export function clipToScale(
  rating: number,
  { minimum, maximum }: Pick<RatingScale, 'minimum' | 'maximum'>,
): number {
  return Math.min(maximum, Math.max(minimum, rating));
}

/** Rounds to the nearest step of the scale, halves upwards. */
export function roundToScale(rating: number, scale: RatingScale): number {
  return scale.minimum + stepOf(rating, scale) * scale.step;
}

/** The place of the nearest step, from 0. */
export function stepOf(rating: number, scale: RatingScale): number {
  return Math.round((clipToScale(rating, scale) - scale.minimum) / scale.step);
}

/** The steps of the scale, lowest first: 0.5, 1, … 5. */
export function scaleSteps({ minimum, maximum, step }: RatingScale): number[] {
  const steps = Math.round((maximum - minimum) / step) + 1;
  return Array.from({ length: steps }, (_, place) => minimum + place * step);
}
