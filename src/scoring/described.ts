// Movies that the model was not trained with, but whose genres or decade it knows: it tells of them by these, as rows after its own.
// Of movies of which it knows nothing, fallback answers.

import type { DescribedMovies } from '../engines/moviePrior.js';
import { type MovieDetails, movieLabels } from '../store/attributes.js';
import type { Statistics } from './fallback.js';
import { isKnownMovie } from './foldIns.js';
import type { ModelHost } from './modelHost.js';

/** Genres and year are absent where there is nothing known of the movie. */
export interface Describable extends Statistics, Partial<MovieDetails> {
  /** Row of the embedding, or after its end. */
  idx: number;
}

export interface Described {
  /** Their place among the described, by idx. */
  places: ReadonlyMap<number, number>;
  /** null: there are none. */
  movies: DescribedMovies | null;
}

/** Those of the movies that are told of in this way; a movie may come more than once. */
export function describe(host: ModelHost, movies: readonly Describable[]): Described {
  const attributes = new Map<Describable, number[]>();
  const byIndex = new Map(movies.map((movie) => [movie.idx, movie]));
  for (const movie of host.attributePlaces.size > 0 ? byIndex.values() : []) {
    if (isKnownMovie(host, movie.idx)) continue;
    const places = movieLabels({ year: null, genres: [], ...movie }).map((label) =>
      host.attributePlaces.get(label),
    );
    const known = places.filter((place) => place !== undefined);
    if (known.length > 0) attributes.set(movie, known);
  }
  const found = [...attributes.keys()];
  if (found.length === 0) return { places: new Map(), movies: null };
  const starts = new Int32Array(found.length + 1);
  for (const [i, places] of [...attributes.values()].entries()) starts[i + 1] = starts[i] + places.length;
  return {
    places: new Map(found.map(({ idx }, place) => [idx, place])),
    movies: {
      starts,
      attributes: Int32Array.from([...attributes.values()].flat()),
      movieIndices: Int32Array.from(found, ({ idx }) => idx),
      ratingCounts: Int32Array.from(found, ({ ratingCount }) => ratingCount),
      meanTargets: Float32Array.from(
        found,
        ({ meanRating }) => (meanRating ?? host.ratingMean) - host.ratingMean,
      ),
    },
  };
}

/** The row that stands for a movie in questions to the model; −1: it has none, a fallback answers. */
export function movieRow(host: ModelHost, { places }: Described, idx: number): number {
  if (isKnownMovie(host, idx)) return idx;
  const place = places.get(idx);
  return place === undefined ? -1 : host.movieRatingCounts.length + place;
}
