// The rating scale of MovieLens: half stars from 0.5 to 5. One place, so that loading, evaluation and the API agree.

export const RATING_MIN = 0.5;
export const RATING_MAX = 5;
export const RATING_STEP = 0.5;

/** Clips a predicted rating to the scale. */
export function clipToScale(rating: number): number {
  return Math.min(RATING_MAX, Math.max(RATING_MIN, rating));
}

/** Rounds to the nearest step of the scale, halves upwards. */
export function roundToScale(rating: number): number {
  return clipToScale(Math.round(rating / RATING_STEP) * RATING_STEP);
}

/** The steps of the scale, lowest first: 0.5, 1, … 5. */
export function scaleSteps(): number[] {
  const steps = Math.round((RATING_MAX - RATING_MIN) / RATING_STEP) + 1;
  return Array.from({ length: steps }, (_, step) => RATING_MIN + step * RATING_STEP);
}
