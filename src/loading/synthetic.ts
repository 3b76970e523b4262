// A made-up data set in MovieLens' layout: planted tastes plus known noise, so that what a model can reach is known.
// Streams, so that sets of ml-20m's size need no memory to speak of. It is not data about people.
// Files are written under names of their own and renamed when whole: whoever reads the folder meanwhile, or writes the
// same set to it, never meets half a file.

import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { mix32 } from '../engines/random.js';
import { AppError } from '../errors.js';
import { roundToScale } from '../store/scale.js';

/** Planted: each genre is a taste; users like some and dislike others. */
const GENRES = ['Action', 'Comedy', 'Drama', 'Romance', 'Sci-Fi', 'Thriller'];
const MEAN = 3.5;
const USER_SPREAD = 0.35;
const MOVIE_SPREAD = 0.4;
const TASTE_SPREAD = 0.5;
/** Standard deviation of what no model can know. */
const NOISE = 0.6;
/** What rounding to half stars adds to the variance: step² / 12. */
const ROUNDING_VARIANCE = 0.5 ** 2 / 12;
const FIRST_TIME = 1_000_000_000;
const LINES_PER_WRITE = 5_000;

export interface SyntheticOptions {
  users: number;
  movies: number;
  ratings: number;
  seed: number;
}

export interface SyntheticWriting {
  /** Called with the ratings made so far. */
  onProgress?: (ratings: number) => void;
  signal?: AbortSignal;
}

/**
 * Writes ratings.csv and movies.csv, in place of those that are there. The noise it gives is the RMSE of a perfect model,
 * clipping left aside.
 * @throws AppError USAGE when there are too few pairs for so many ratings; SYNTH_FAILED when it cannot write or is stopped
 */
export async function writeSyntheticSet(
  folder: string,
  options: SyntheticOptions,
  writing: SyntheticWriting = {},
): Promise<{ ratings: number; noise: number }> {
  const { users, movies, ratings } = options;
  if (ratings > (users * movies) / 2) {
    throw new AppError(
      'USAGE',
      `${ratings} ratings need at least ${ratings * 2} pairs of ${users} users and ${movies} movies`,
    );
  }
  try {
    await writeFiles(folder, options, writing);
  } catch (error) {
    throw explain(error, folder, writing.signal);
  }
  return { ratings, noise: Math.sqrt(NOISE ** 2 + ROUNDING_VARIANCE) };
}

async function writeFiles(
  folder: string,
  options: SyntheticOptions,
  { onProgress, signal }: SyntheticWriting,
): Promise<void> {
  const suffix = `.${randomUUID()}.tmp`;
  // Movies first, so that new ratings never stand beside older movies.
  const paths = [join(folder, 'movies.csv'), join(folder, 'ratings.csv')];
  const [movies, ratings] = paths.map((path) => path + suffix);
  await mkdir(folder, { recursive: true });
  try {
    await writeFile(movies, moviesCsv(options.movies, options.seed), { flag: 'wx' });
    const blocks = Readable.from(ratingBlocks(options, onProgress));
    await pipeline(blocks, createWriteStream(ratings, { flags: 'wx' }), { signal });
    for (const path of paths) await rename(path + suffix, path);
  } finally {
    for (const path of paths) await rm(path + suffix, { force: true }).catch(() => {});
  }
}

function explain(error: unknown, folder: string, signal?: AbortSignal): unknown {
  if (signal?.aborted)
    return new AppError('SYNTH_FAILED', 'writing was stopped; nothing was written', { cause: error });
  const { syscall, message } = error as NodeJS.ErrnoException;
  return syscall ? new AppError('SYNTH_FAILED', `${folder}: ${message}`, { cause: error }) : error;
}

/** ratings.csv in pieces that are worth a write each. */
function* ratingBlocks(options: SyntheticOptions, onProgress?: (ratings: number) => void): Generator<string> {
  let [made, block] = [0, 'userId,movieId,rating,timestamp\n'];
  for (const line of ratingLines(options)) {
    block += line;
    if (++made % LINES_PER_WRITE > 0) continue;
    yield block;
    block = '';
    onProgress?.(made);
  }
  if (block !== '') yield block;
}

function* ratingLines({ users, movies, ratings, seed }: SyntheticOptions): Generator<string> {
  for (let user = 1; user <= users; user++) {
    // Spread as evenly as whole numbers allow, so that the total is exact.
    const count = Math.floor((ratings * user) / users) - Math.floor((ratings * (user - 1)) / users);
    let time = FIRST_TIME + Math.floor(uniform(seed, 7, user) * 3e8);
    for (const movie of pickMovies(user, count, movies, seed)) {
      const rating = roundToScale(expected(user, movie, seed) + NOISE * normal(seed, user, movie));
      time += 60;
      yield `${user},${movie},${rating.toFixed(1)},${time}\n`;
    }
  }
}

/** `count` different movies, popular ones (low numbers) more often, in ascending order. */
function pickMovies(user: number, count: number, movies: number, seed: number): number[] {
  const picked = new Set<number>();
  for (let draw = 0; picked.size < count; draw++) {
    const u = uniform(seed, user, draw + 0x10000);
    // Squaring favours low numbers; after many repeats any movie will do, so that it ends.
    const place = draw < 4 * count ? u * u : u;
    picked.add(1 + Math.floor(place * movies));
  }
  return [...picked].sort((a, b) => a - b);
}

/** The planted rating: mean, leanings of user and movie, and the user's taste for the movie's genres. */
function expected(user: number, movie: number, seed: number): number {
  const genres = genresOf(movie, seed);
  let taste = 0;
  for (const genre of genres) taste += normal(seed, 3, user * GENRES.length + genre);
  const bias = USER_SPREAD * normal(seed, 1, user) + MOVIE_SPREAD * normal(seed, 2, movie);
  return MEAN + bias + (TASTE_SPREAD * taste) / Math.sqrt(genres.length);
}

function genresOf(movie: number, seed: number): number[] {
  const first = Math.floor(uniform(seed, 4, movie) * GENRES.length);
  const second = Math.floor(uniform(seed, 5, movie) * GENRES.length);
  return first === second ? [first] : [Math.min(first, second), Math.max(first, second)];
}

function moviesCsv(movies: number, seed: number): string {
  const lines = ['movieId,title,genres'];
  for (let movie = 1; movie <= movies; movie++) {
    const names = genresOf(movie, seed).map((genre) => GENRES[genre]);
    const year = 1950 + Math.floor(uniform(seed, 6, movie) * 70);
    lines.push(`${movie},"${names.join(' and ')}, part ${movie} (${year})",${names.join('|')}`);
  }
  return `${lines.join('\n')}\n`;
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
