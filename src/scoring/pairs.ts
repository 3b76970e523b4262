// Predicted ratings for pairs of ids, as predictedRating of the API gives them; what the store does not know is answered by fallback.

import { findMovies } from '../store/movies.js';
import type { Store } from '../store/store.js';
import { findUsers } from '../store/users.js';
import { NOBODY } from './foldIns.js';
import type { ScoredPair, Subject } from './predict.js';
import type { Recommender } from './recommender.js';

/** What movies are that the store does not know. */
const NOTHING: Subject = { idx: -1, ratingCount: 0, meanRating: null };

/** One for each pair, in their order; a pair may come more than once. */
export async function predictIds(
  store: Store,
  recommender: Recommender,
  modelId: number,
  pairs: readonly { userId: number; movieId: number }[],
): Promise<ScoredPair[]> {
  const [users, movies] = await Promise.all([
    findUsers(
      store,
      pairs.map(({ userId }) => userId),
    ),
    findMovies(
      store,
      pairs.map(({ movieId }) => movieId),
    ),
  ]);
  const subjects = pairs.map(({ userId }, i) => ({
    user: users[i] ?? { ...NOBODY, userId },
    movie: movies[i] ?? NOTHING,
  }));
  return recommender.predict(modelId, subjects);
}
