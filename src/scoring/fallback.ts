// The answer for what a model has never seen: the mean plus damped biases of user and movie, from today's statistics.
// The same damping as the "user+movie bias" baseline; a user or movie without ratings adds nothing.

const USER_DAMPING = 15;
const MOVIE_DAMPING = 10;

export interface Statistics {
  ratingCount: number;
  meanRating: number | null;
}

/** In stars, not clipped. */
export function fallbackRating(mean: number, user: Statistics, movie: Statistics): number {
  return mean + dampedBias(user, mean, USER_DAMPING) + dampedBias(movie, mean, MOVIE_DAMPING);
}

function dampedBias({ ratingCount, meanRating }: Statistics, mean: number, damping: number): number {
  return meanRating === null ? 0 : (ratingCount * (meanRating - mean)) / (ratingCount + damping);
}
