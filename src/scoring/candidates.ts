// Which movies may be recommended, as bitmaps: those of the filter, less the excluded and, unless asked for, the rated ones.

import { allMoviesTimes, type Bitmap, keepCommon, moviesAt, removeMovies } from '../engines/bitmap.js';
import { filterMovieIndices, type MovieFilter } from '../store/movies.js';
import type { Store } from '../store/store.js';

/** null: all of them. */
export type FilteredMovies = Bitmap | null;

export interface Conditions {
  filter: MovieFilter | null;
  excludeMovieIndices: readonly number[];
  includeRated: boolean;
}

/** What passes the filter of each request; equal filters share a statement and a bitmap. */
export function filteredMovies(store: Store, requests: readonly Conditions[]): Promise<FilteredMovies[]> {
  const bitmaps = new Map<string, Promise<FilteredMovies>>();
  return Promise.all(
    requests.map(({ filter }) => {
      const key = JSON.stringify(filter);
      const bitmap = bitmaps.get(key) ?? moviesOf(store, filter);
      bitmaps.set(key, bitmap);
      return bitmap;
    }),
  );
}

async function moviesOf(store: Store, filter: MovieFilter | null): Promise<FilteredMovies> {
  if (!filter) return null;
  const indices = await filterMovieIndices(store, filter);
  const movies = indices.reduce((most, index) => Math.max(most, index + 1), 0);
  return moviesAt(movies, indices);
}

/** One for each request; movies: how many embedding rows the bitmaps are for; `rated` are those of each user. */
export function candidatesOf(
  movies: number,
  requests: readonly Conditions[],
  filtered: readonly FilteredMovies[],
  rated: readonly Int32Array[],
): Bitmap[] {
  const { rows } = allMoviesTimes(movies, requests.length);
  for (const [i, { excludeMovieIndices, includeRated }] of requests.entries()) {
    const allowed = filtered[i];
    if (allowed) keepCommon(rows[i], allowed);
    removeMovies(rows[i], excludeMovieIndices);
    if (!includeRated) removeMovies(rows[i], rated[i]);
  }
  return rows;
}
