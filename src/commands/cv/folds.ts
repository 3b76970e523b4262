// The folds of marquee cv: random ones over all ratings of a file or of the store, or given as pairs of files. One after another, so that
// only one of them is in memory.

import type { Config } from '../../config.js';
import { AppError } from '../../errors.js';
import { type RatingRows, readRatingFile } from '../../loading/ratingFile.js';
import { readDetails } from '../../loading/tables.js';
import { readRatings } from '../../store/ratingReader.js';
import {
  attributesOf,
  type FoldRows,
  fixedFold,
  foldOf,
  type IndexedRatings,
  indexRatings,
} from '../../training/crossValidate.js';
import type { SplitRatings } from '../../training/split.js';
import { withStore } from '../session.js';

export interface Folds {
  count: number;
  open(fold: number): Promise<{ rows: FoldRows; sides: SplitRatings }>;
}

export interface Reading {
  config: Config;
  /** Whether a preset learns from what is known of users and movies beside ratings. */
  withAttributes: boolean;
}

/** @throws AppError USAGE, or as readRows */
export async function openFolds(
  path: string | undefined,
  { foldFiles, folds, splitSeed }: { foldFiles?: string[]; folds: number; splitSeed: number },
  reading: Reading,
): Promise<Folds> {
  if (foldFiles) {
    return { count: foldFiles.length, open: (fold) => openFoldFiles(path, foldFiles[fold], reading) };
  }
  const rows = await readRows(path, reading);
  return {
    count: folds,
    open: async (fold) => ({ rows, sides: foldOf(rows, folds, fold, splitSeed) }),
  };
}

/** Of a file or folder; without a path of the store. @throws AppError as readRatingFile, or RUN_NO_RATINGS */
export async function readRows(
  path: string | undefined,
  { config, withAttributes }: Reading,
): Promise<IndexedRatings & FoldRows> {
  if (path !== undefined) return withDetails(await readRatingFile(path), withAttributes ? path : undefined);
  const table = await withStore(config, ({ store, signal }) =>
    readRatings(store, { signal, withAttributes }),
  );
  if (table.ratings.length === 0) throw new AppError('RUN_NO_RATINGS', 'the store holds no ratings');
  return { ...table, users: table.userIds.length, movies: table.movieIds.length };
}

/** path: of the set, to read what it tells of movies and users; undefined: it is not asked for, or there is none. */
async function withDetails(
  ratings: RatingRows,
  path: string | undefined,
): Promise<IndexedRatings & FoldRows> {
  const rows = indexRatings(ratings);
  return path === undefined ? rows : { ...rows, attributes: attributesOf(rows, await readDetails(path)) };
}

async function openFoldFiles(folder: string | undefined, pair: string, { withAttributes }: Reading) {
  const names = pair.split(':');
  if (names.length !== 2) throw new AppError('USAGE', `--fold-files expects <train>:<test>, not "${pair}"`);
  const files = names.map((name) => (folder === undefined ? name : `${folder}/${name}`));
  const [train, test] = [await readRatingFile(files[0]), await readRatingFile(files[1])];
  const rows = await withDetails(joined(train, test), withAttributes ? folder : undefined);
  return { rows, sides: fixedFold(rows, train.ratings.length) };
}

function joined(train: RatingRows, test: RatingRows): RatingRows {
  const at = train.ratings.length;
  const join = <T extends Int32Array | Float32Array>(into: T, a: T, b: T): T => {
    into.set(a);
    into.set(b, at);
    return into;
  };
  const count = at + test.ratings.length;
  return {
    userIds: join(new Int32Array(count), train.userIds, test.userIds),
    movieIds: join(new Int32Array(count), train.movieIds, test.movieIds),
    ratings: join(new Float32Array(count), train.ratings, test.ratings),
  };
}
