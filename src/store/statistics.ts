// Rating counts and means of movies by embedding row, genres and year: what those that a model was not trained with are ranked by.

import type { MovieDetails } from './attributes.js';
import type { Store } from './store.js';

export interface MovieStatistics extends MovieDetails {
  ratingCount: number;
  meanRating: number | null;
}

/** Of the movies at `indices` and of all from row `from` on. */
export async function movieStatistics(
  store: Store,
  indices: readonly number[],
  from: number,
): Promise<Map<number, MovieStatistics>> {
  const { rows } = await store.pool.query<MovieStatistics & { idx: number }>({
    name: 'movie-statistics',
    text: `select idx, rating_count as "ratingCount", mean_rating as "meanRating", year, genres
           from movies
           where idx = any($1::int[]) or idx >= $2`,
    values: [indices, from],
  });
  return new Map(rows.map((row) => [row.idx, row]));
}
