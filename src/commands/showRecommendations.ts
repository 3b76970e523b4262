// What quickstart shows of the model that it trained: the best movies for the first user, asked for as the API does.

import type { EngineSettings } from '../engines/engine.js';
import { createRecommender } from '../scoring/recommender.js';
import { moviesByIndex } from '../store/movies.js';
import type { Model } from '../store/prisma/client.js';
import type { Store } from '../store/store.js';
import { pageOfUsers } from '../store/users.js';
import type { Output } from './output.js';

const RECOMMENDATIONS = 10;

export async function showRecommendations(
  store: Store,
  model: Model,
  settings: EngineSettings,
  output: Output,
): Promise<void> {
  const [user] = await pageOfUsers(store, 'USER_ID', 1, null);
  const recommender = createRecommender(store, settings);
  try {
    const request = {
      user,
      filter: null,
      excludeMovieIndices: [],
      includeRated: false,
      first: RECOMMENDATIONS,
      after: null,
      ...{ order: 'EXPECTED_RATING' as const, seed: 0 },
    };
    const [suggestions] = await recommender.recommend(model.id, [request]);
    const movies = await moviesByIndex(
      store,
      suggestions.map(({ movieIndex }) => movieIndex),
    );
    const rows = suggestions.map(({ rating }, i) => ({
      rank: i + 1,
      title: movies[i].title,
      year: movies[i].year,
      rating,
    }));
    const lines = rows.map(
      ({ rank, title, year, rating }) =>
        `  ${String(rank).padStart(2)}. ${rating.toFixed(2)}  ${title}${year ? ` (${year})` : ''}`,
    );
    output.event(
      { event: 'recommendations', userId: user.userId, recommendations: rows },
      `recommended for user ${user.userId} (predicted stars):\n${lines.join('\n')}`,
    );
  } finally {
    await recommender.close();
  }
}
