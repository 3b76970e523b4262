// A made-up data set in MovieLens' layout: planted tastes plus known noise, so that what a model can reach is known.
// Streams, so that sets of ml-20m's size need no memory to speak of. It is not data about people.
// Files are written under names of their own and renamed when whole: whoever reads the folder meanwhile, or writes the
// same set to it, never meets half a file.

import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AppError } from '../errors.js';
import { makeFolder } from '../store/folders.js';
import { clipToScale, HALF_STARS } from '../store/scale.js';
import { GENRES, genresOf, NOISE, type PlantedSet, plantRatings, startOf, yearOf } from './plantedTastes.js';

/** What rounding to half stars adds to the variance: step² / 12. */
const ROUNDING_VARIANCE = 0.5 ** 2 / 12;
const FIRST_TIME = 1_000_000_000;
const LINES_PER_WRITE = 5_000;
/** "0.5" for one half star, and so on. */
const STAR_TEXTS = Array.from({ length: 11 }, (_, halves) => (halves / 2).toFixed(1));

export type SyntheticOptions = PlantedSet;

export interface SyntheticWriting {
  /** Called with the ratings made so far. */
  onProgress?: (ratings: number) => void;
  signal?: AbortSignal;
}

export interface WrittenSet {
  ratings: number;
  /** The RMSE of a perfect model if the scale had no ends: planted noise and rounding. */
  noise: number;
  /**
   * The RMSE of the planted expectations, clipped to the scale, against the ratings as written. Near the ends of the scale the
   * mean of what is written lies a little inside the expectation: who knew that, too, would reach 0.2 % less (1,000,000 ratings).
   */
  plantedRmse: number;
}

/** Grows while ratings are made. */
interface Tally {
  /** Σ (clipped expectation − rating)². */
  squares: number;
}

/**
 * Writes ratings.csv and movies.csv, in place of those that are there.
 * @throws AppError USAGE when there are too few pairs for so many ratings; SYNTH_FAILED when it cannot write or is stopped
 */
export async function writeSyntheticSet(
  folder: string,
  options: SyntheticOptions,
  writing: SyntheticWriting = {},
): Promise<WrittenSet> {
  const { users, movies, ratings } = options;
  if (ratings > (users * movies) / 2) {
    throw new AppError(
      'USAGE',
      `${ratings} ratings need at least ${ratings * 2} pairs of ${users} users and ${movies} movies`,
    );
  }
  const tally = { squares: 0 };
  try {
    await writeFiles(folder, options, tally, writing);
  } catch (error) {
    throw explain(error, folder, writing.signal);
  }
  const plantedRmse = Math.sqrt(tally.squares / ratings);
  return { ratings, noise: Math.sqrt(NOISE ** 2 + ROUNDING_VARIANCE), plantedRmse };
}

async function writeFiles(
  folder: string,
  options: SyntheticOptions,
  tally: Tally,
  { onProgress, signal }: SyntheticWriting,
): Promise<void> {
  const suffix = `.${randomUUID()}.tmp`;
  // Movies first, so that new ratings never stand beside older movies.
  const paths = [join(folder, 'movies.csv'), join(folder, 'ratings.csv')];
  const [movies, ratings] = paths.map((path) => path + suffix);
  await makeFolder(folder);
  try {
    await writeFile(movies, moviesCsv(options.movies, options.seed), { flag: 'wx' });
    const blocks = Readable.from(ratingBlocks(options, tally, onProgress));
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
function* ratingBlocks(
  options: SyntheticOptions,
  tally: Tally,
  onProgress?: (ratings: number) => void,
): Generator<string> {
  let [made, block] = [0, 'userId,movieId,rating,timestamp\n'];
  for (const lines of userLines(options, tally)) {
    for (const line of lines) {
      block += line;
      if (++made % LINES_PER_WRITE > 0) continue;
      yield block;
      block = '';
      onProgress?.(made);
    }
  }
  if (block !== '') yield block;
}

/** The lines of each user in turn. */
function* userLines(options: SyntheticOptions, tally: Tally): Generator<string[]> {
  for (const { user, movies, expected, ratings } of plantRatings(options)) {
    let time = FIRST_TIME + Math.floor(startOf(user, options.seed) * 3e8);
    const lines: string[] = [];
    for (const [i, movie] of movies.entries()) {
      tally.squares += (clipToScale(expected[i], HALF_STARS) - ratings[i]) ** 2;
      time += 60;
      lines.push(`${user},${movie},${STAR_TEXTS[2 * ratings[i]]},${time}\n`);
    }
    yield lines;
  }
}

function moviesCsv(movies: number, seed: number): string {
  const lines = ['movieId,title,genres'];
  for (let movie = 1; movie <= movies; movie++) {
    const names = genresOf(movie, seed).map((genre) => GENRES[genre]);
    const title = `${names.join(' and ')}, part ${movie} (${yearOf(movie, seed)})`;
    lines.push(`${movie},"${title}",${names.join('|')}`);
  }
  return `${lines.join('\n')}\n`;
}
