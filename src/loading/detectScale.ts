// What scale a first import's ratings are on, told by the first of them: half stars unless many lie outside, otherwise the
// smallest usual scale that nearly all fit. The rest of the file is then held to it. It refuses to guess from few: a stray
// line is to be rejected, not to stretch the scale.

import { HALF_STARS, isOnScale, RATING_LIMIT, type RatingScale } from '../store/scale.js';

/** So many outside of half stars, and such a share of all, are no strays any more. */
const MIN_OUTSIDE = 5;
const MIN_SHARE_OUTSIDE = 0.05;
const STRAY_SHARE = 0.01;
/** From so many whole ratings on, it is no chance that there are no half stars. */
const MIN_FOR_WHOLE = 1000;
const MAX_STEPS = 20;
const STEPS = [1, 0.5, 0.25, 0.2, 0.1] as const;

/** Usual scales, the smaller first. */
const USUAL: readonly (readonly [number, number])[] = [
  [0, 1],
  [-1, 1],
  [1, 5],
  [0.5, 5],
  [0, 5],
  [1, 10],
  [0, 10],
  [-5, 5],
  [-10, 10],
  [0, 100],
  [-100, 100],
];

/** ratings: the first of the file; those that are no numbers left out. */
export function detectScale(ratings: readonly number[]): RatingScale {
  const outside = ratings.filter((rating) => !isOnScale(rating, HALF_STARS)).length;
  if (outside < MIN_OUTSIDE || outside < ratings.length * MIN_SHARE_OUTSIDE) {
    const isWhole = ratings.length >= MIN_FOR_WHOLE && ratings.every((rating) => Number.isInteger(rating));
    return isWhole ? { minimum: 1, maximum: 5, step: 1 } : HALF_STARS;
  }
  const [minimum, maximum] = USUAL.find((ends) => fits(ratings, ends)) ?? endsOf(ratings);
  const within = ratings.filter((rating) => rating >= minimum && rating <= maximum);
  return { minimum, maximum, step: stepFor(within, minimum, maximum) };
}

function fits(ratings: readonly number[], [minimum, maximum]: readonly [number, number]): boolean {
  const strays = ratings.filter((rating) => rating < minimum || rating > maximum).length;
  return strays <= ratings.length * STRAY_SHARE;
}

/** Without the strays at each end. */
function endsOf(ratings: readonly number[]): readonly [number, number] {
  const sorted = ratings.filter((rating) => Math.abs(rating) <= RATING_LIMIT).sort((a, b) => a - b);
  const strays = Math.floor((sorted.length * STRAY_SHARE) / 2);
  const [minimum, maximum] = [sorted[strays], sorted[sorted.length - 1 - strays]];
  return minimum < maximum ? [minimum, maximum] : [minimum - 1, maximum + 1];
}

/** The widest step that all ratings are on, where that gives few enough; a tenth of the scale otherwise. */
function stepFor(ratings: readonly number[], minimum: number, maximum: number): number {
  const isStep = (step: number) =>
    [...ratings, maximum].every((rating) => {
      const steps = (rating - minimum) / step;
      return Math.abs(steps - Math.round(steps)) < 1e-6;
    });
  const step = STEPS.find(isStep);
  return step && (maximum - minimum) / step <= MAX_STEPS ? step : (maximum - minimum) / 10;
}
