// Which movies may be recommended, as bitmaps: those of the filter, less the excluded and, unless asked for, the rated ones.

import { allMovies, type Bitmap, keepCommon, moviesAt, removeMovies } from '../engines/bitmap.js';
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

/** movies: how many embedding rows the bitmap is for; `rated` are those of the user. */
export function candidatesOf(
  movies: number,
  { excludeMovieIndices, includeRated }: Conditions,
  filtered: FilteredMovies,
  rated: Int32Array,
): Bitmap {
  const bitmap = allMovies(movies);
  if (filtered) keepCommon(bitmap, filtered);
  removeMovies(bitmap, excludeMovieIndices);
  if (!includeRated) removeMovies(bitmap, rated);
  return bitmap;
}
