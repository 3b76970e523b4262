// What the made-up users like, and by how much: every number is a pure function of the seed and of who is meant.
// Apart from loading/synthetic.ts, which only writes files. What many ratings share is computed once and kept:
// 8 bytes a movie and bias, and the leanings of the one user who is rating.

import { mix32 } from '../engines/random.js';
import { HALF_STARS, roundToScale } from '../store/scale.js';

/** Planted: each genre is a taste; users like some and dislike others. */
export const GENRES = ['Action', 'Comedy', 'Drama', 'Romance', 'Sci-Fi', 'Thriller'];
const MEAN = 3.5;
const USER_SPREAD = 0.35;
const MOVIE_SPREAD = 0.4;
/** With it, ratings spread as those of ml-20m do: 1.05 at its sizes; 0.5 gave 0.91, and tastes too faint to be found early. */
const TASTE_SPREAD = 0.8;
/** Standard deviation of what no model can know. */
export const NOISE = 0.6;

/** Picks per movie wanted after which any movie will do. */
const PATIENCE = 4;

export interface PlantedTastes {
  /** Lets `user` rate from now on: 1-based. */
  turnTo(user: number): void;
  /** What the user would give the movie (1-based) on average: mean, leanings of both, taste for the movie's genres. */
  expected(movie: number): number;
  /** Noise of this user's rating of the movie. */
  noise(movie: number): number;
  /** `count` different movies, popular ones (low numbers) more often, in ascending order. */
  pickMovies(count: number): Int32Array;
}

export interface PlantedSet {
  users: number;
  movies: number;
  ratings: number;
  seed: number;
}

/** Parallel arrays, an entry for each rating. */
export interface PlantedRatings {
  /** 1-based, as are the movies, which ascend. */
  user: number;
  movies: Int32Array;
  /** What the user would give on average. */
  expected: Float64Array;
  /** With noise, on the scale of half stars. */
  ratings: Float64Array;
}

/** What each user in turn rates, `ratings` in all, spread as evenly as whole numbers allow. */
export function* plantRatings({ users, movies, ratings, seed }: PlantedSet): Generator<PlantedRatings> {
  const tastes = plantTastes(movies, seed);
  for (let user = 1; user <= users; user++) {
    const count = Math.floor((ratings * user) / users) - Math.floor((ratings * (user - 1)) / users);
    tastes.turnTo(user);
    const picked = tastes.pickMovies(count);
    const expected = Float64Array.from(picked, (movie) => tastes.expected(movie));
    const given = expected.map((mean, i) => roundToScale(mean + tastes.noise(picked[i]), HALF_STARS));
    yield { user, movies: picked, expected, ratings: given };
  }
}

export function plantTastes(movies: number, seed: number): PlantedTastes {
  const movieBias = new Float64Array(movies + 1);
  // A movie has one genre or two; where it has one, both are the same.
  const genres = [new Uint8Array(movies + 1), new Uint8Array(movies + 1)];
  for (let movie = 1; movie <= movies; movie++) {
    movieBias[movie] = MOVIE_SPREAD * normal(seed, 2, movie);
    const own = genresOf(movie, seed);
    genres[0][movie] = own[0];
    genres[1][movie] = own[own.length - 1];
  }
  const userTastes = new Float64Array(GENRES.length);
  let [user, userBias] = [0, 0];
  return {
    turnTo(next) {
      user = next;
      userBias = USER_SPREAD * normal(seed, 1, user);
      for (let genre = 0; genre < GENRES.length; genre++)
        userTastes[genre] = normal(seed, 3, user * GENRES.length + genre);
    },
    expected(movie) {
      const [first, second] = [genres[0][movie], genres[1][movie]];
      const bias = userBias + movieBias[movie];
      if (first === second) return MEAN + bias + TASTE_SPREAD * userTastes[first];
      return MEAN + bias + (TASTE_SPREAD * (userTastes[first] + userTastes[second])) / Math.SQRT2;
    },
    noise: (movie) => NOISE * normal(seed, user, movie),
    pickMovies: (count) => pickMovies(user, count, movies, seed),
  };
}

/** In ascending order, one or two. */
export function genresOf(movie: number, seed: number): number[] {
  const first = Math.floor(uniform(seed, 4, movie) * GENRES.length);
  const second = Math.floor(uniform(seed, 5, movie) * GENRES.length);
  return first === second ? [first] : [Math.min(first, second), Math.max(first, second)];
}

export function yearOf(movie: number, seed: number): number {
  return 1950 + Math.floor(uniform(seed, 6, movie) * 70);
}

/** When the user begins to rate, as a share of the time there is. */
export function startOf(user: number, seed: number): number {
  return uniform(seed, 7, user);
}

function pickMovies(user: number, count: number, movies: number, seed: number): Int32Array {
  const picked = new Set<number>();
  for (let draw = 0; picked.size < count; draw++) {
    const u = uniform(seed, user, draw + 0x10000);
    // Squaring favours low numbers; after many repeats any movie will do, so that it ends.
    const place = draw < PATIENCE * count ? u * u : u;
    picked.add(1 + Math.floor(place * movies));
  }
  return Int32Array.from(picked).sort();
}

/** Standard normal by Box and Muller, as a pure function of its keys. */
function normal(seed: number, a: number, b: number): number {
  const radius = Math.sqrt(-2 * Math.log(1 - uniform(seed ^ 0x5bd1e995, a, b)));
  return radius * Math.cos(2 * Math.PI * uniform(seed ^ 0x1b873593, a, b));
}

/** Uniform in [0, 1), as a pure function of its keys. */
function uniform(seed: number, a: number, b: number): number {
  return (mix32(mix32(mix32(seed + 1) ^ a) ^ b) >>> 0) / 2 ** 32;
}
