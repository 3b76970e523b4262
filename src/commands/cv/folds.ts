// The folds of marquee cv: random ones over all ratings of a file, or given as pairs of files. One after another, so that only one of
// them is in memory.

import { AppError } from '../../errors.js';
import { type RatingRows, readRatingFile } from '../../loading/ratingFile.js';
import { fixedFold, foldOf, type IndexedRatings, indexRatings } from '../../training/crossValidate.js';
import type { SplitRatings } from '../../training/split.js';

export interface Folds {
  count: number;
  open(fold: number): Promise<{ sizes: IndexedRatings; sides: SplitRatings }>;
}

/** @throws AppError USAGE, or as readRatingFile */
export async function openFolds(
  path: string | undefined,
  { foldFiles, folds, splitSeed }: { foldFiles?: string[]; folds: number; splitSeed: number },
): Promise<Folds> {
  if (foldFiles) {
    return { count: foldFiles.length, open: (fold) => openFoldFiles(path, foldFiles[fold]) };
  }
  if (path === undefined) throw new AppError('USAGE', 'cv needs a path, or --fold-files <train>:<test>');
  const sizes = indexRatings(await readRatingFile(path));
  return {
    count: folds,
    open: async (fold) => ({ sizes, sides: foldOf(sizes, folds, fold, splitSeed) }),
  };
}

async function openFoldFiles(folder: string | undefined, pair: string) {
  const names = pair.split(':');
  if (names.length !== 2) throw new AppError('USAGE', `--fold-files expects <train>:<test>, not "${pair}"`);
  const files = names.map((name) => (folder === undefined ? name : `${folder}/${name}`));
  const [train, test] = [await readRatingFile(files[0]), await readRatingFile(files[1])];
  const sizes = indexRatings(joined(train, test));
  return { sizes, sides: fixedFold(sizes, train.ratings.length) };
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
