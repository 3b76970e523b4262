// marquee cv --new-users: folds of users instead of ratings. Those of a fold are left out whole, folded in with a few of their ratings,
// and measured on the others: errors, and what the intervals held.

import { openEngine } from '../../engines/open.js';
import { AppError } from '../../errors.js';
import type { Hyperparameters } from '../../store/hyperparameters.js';
import type { FoldRows, IndexedRatings } from '../../training/crossValidate.js';
import { measureNewUsers, type NewUserFigures, userFoldOf } from '../../training/newUsers.js';
import type { Io } from '../program.js';
import { describeIntervals, formatCount } from '../report.js';

export interface NewUsersOptions {
  folds: number;
  /** How many ratings are given. */
  newUsers: number[];
  engine: string;
  seed: number;
  splitSeed: number;
  json?: boolean;
}

/** @throws AppError USAGE for a preset whose models fold nobody in */
export async function validateNewUsers(
  { preset, hyperparameters }: { preset: string; hyperparameters: Hyperparameters },
  path: string,
  ratings: IndexedRatings & FoldRows,
  options: NewUsersOptions,
  io: Io,
  signal: AbortSignal,
): Promise<void> {
  const { folds, newUsers, seed, splitSeed } = options;
  const output = io.output(options);
  if (hyperparameters.kind !== 'bayes')
    throw new AppError('USAGE', `--new-users needs presets of the kind bayes, which ${preset} is not`);
  const engine = await openEngine(options.engine, { threads: io.config.threads, shape: hyperparameters });
  const measured: NewUserFigures[][] = [];
  for (let fold = 0; fold < folds; fold++) {
    const sides = userFoldOf(ratings, folds, fold, splitSeed);
    const settings = { preset, hyperparameters, seed };
    const onProgress = (epoch: number, epochs: number) =>
      output.progress(
        { event: 'progress', preset, fold: fold + 1, epoch },
        (fold + epoch / epochs) / folds,
        `${preset}, fold ${fold + 1}/${folds}, epoch ${epoch}/${epochs}`,
      );
    const figures = await measureNewUsers(engine, ratings.movies, sides, settings, newUsers, {
      signal,
      onEvent: (event) => event.event === 'progress' && onProgress(event.epoch, event.epochs),
    });
    measured.push(figures);
  }
  for (const [i, given] of newUsers.entries()) {
    const summary = summaryOf(measured.map((figures) => figures[i]));
    output.event(
      { event: 'newUsers', cv: path, preset, given, folds, seed, splitSeed, engine: engine.name, ...summary },
      describe(preset, given, summary),
    );
  }
}

/** Over the folds, each rating counted once. */
function summaryOf(figures: readonly NewUserFigures[]) {
  const testRatings = figures.reduce((sum, each) => sum + each.testRatings, 0);
  if (testRatings === 0)
    throw new AppError(
      'USAGE',
      `--new-users ${figures[0].given}: nobody has so many ratings and others to measure on`,
    );
  const mean = (of: (each: NewUserFigures) => number) =>
    figures.reduce((sum, each) => sum + of(each) * each.testRatings, 0) / testRatings;
  return {
    users: figures.reduce((sum, { users }) => sum + users, 0),
    testRatings,
    rmse: Math.sqrt(mean(({ mse }) => mse)),
    mae: mean(({ mae }) => mae),
    intervals: figures[0].intervals.map(({ level }, i) => ({
      level,
      held: mean(({ intervals }) => intervals[i].held),
    })),
  };
}

function describe(
  preset: string,
  given: number,
  { users, testRatings, rmse, mae, intervals }: ReturnType<typeof summaryOf>,
): string {
  return [
    `${preset}, ${formatCount(users)} new users with ${given} ratings each: RMSE ${rmse.toFixed(4)}  MAE ${mae.toFixed(4)}`,
    `  on their other ${formatCount(testRatings)}; ${describeIntervals(intervals)}`,
  ].join('\n');
}
