// The validation side: a share of the training ratings that training does not see and that the test does not measure by, so
// that the best epoch can be chosen without looking at the test ratings.

import { mix32 } from '../engines/random.js';
import type { Hyperparameters } from '../store/hyperparameters.js';
import type { RatingSet, SplitRatings } from './split.js';

/** Keeps a hold-out apart from a split of the same seed. */
const SALT = 0x5a17;

/** What to train on and what to judge epochs by: the test ratings, where none are held out. */
export function validationSides(
  { train, test }: SplitRatings,
  { validationFraction }: Hyperparameters,
  seed: number,
): { train: RatingSet; validation: RatingSet } {
  return validationFraction === 0 ? { train, validation: test } : holdOut(train, validationFraction, seed);
}

/** By a seeded hash of the rows of user and movie. Keeps the order of the ratings within each side. */
function holdOut(
  set: RatingSet,
  fraction: number,
  seed: number,
): { train: RatingSet; validation: RatingSet } {
  const { userIndices, movieIndices } = set;
  const start = mix32((seed ^ SALT) + 1);
  const isValidation = userIndices.map((user, i) => {
    const hash = mix32(mix32(start ^ user) ^ movieIndices[i]) >>> 0;
    return hash < fraction * 2 ** 32 ? 1 : 0;
  });
  return { train: pick(set, isValidation, 0), validation: pick(set, isValidation, 1) };
}

function pick({ userIndices, movieIndices, ratings }: RatingSet, sides: Int32Array, side: number): RatingSet {
  const isPicked = (_: number, i: number) => sides[i] === side;
  return {
    userIndices: userIndices.filter(isPicked),
    movieIndices: movieIndices.filter(isPicked),
    ratings: ratings.filter(isPicked),
  };
}
