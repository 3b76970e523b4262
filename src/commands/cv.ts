// marquee cv: cross-validation of presets side by side on a rating file, as published figures are measured. Needs no database.

import type { Command } from 'commander';
import type { Engine } from '../engines/engine.js';
import { openEngine } from '../engines/open.js';
import { AppError } from '../errors.js';
import { type RatingRows, readRatingFile } from '../loading/ratingFile.js';
import { DEFAULT_SEED, DEFAULT_SPLIT, resolveHyperparameters } from '../store/hyperparameters.js';
import {
  type FoldFigures,
  fixedFold,
  foldOf,
  type IndexedRatings,
  indexRatings,
  measureFold,
} from '../training/crossValidate.js';
import type { SplitRatings } from '../training/split.js';
import { wholeNumber } from './numbers.js';
import type { Output } from './output.js';
import type { Io } from './program.js';
import { formatCount } from './report.js';
import { stopOnSignals } from './session.js';

interface CvOptions {
  folds: number;
  foldFiles?: string[];
  preset: string[];
  engine: string;
  seed: number;
  splitSeed: number;
  json?: boolean;
}

export function addCv(program: Command, io: Io): void {
  program
    .command('cv [path]')
    .description('cross-validate presets on a rating file, without a database')
    .option('--folds <k>', 'random folds over all ratings', wholeNumber(2, 100), 5)
    .option(
      '--fold-files <train:test,…>',
      'folds that are given as files, in the folder <path> or here',
      list,
    )
    .option('--preset <name,…>', 'one or more presets, side by side', list, ['accurate'])
    .option('--engine <name>', 'as in `marquee engines`, or auto: the fastest there is', 'auto')
    .option('--seed <n>', 'of the model', wholeNumber(0, 2 ** 31 - 1), DEFAULT_SEED)
    .option('--split-seed <n>', 'of the folds', wholeNumber(0, 2 ** 31 - 1), DEFAULT_SPLIT.seed)
    .option('--json', 'one line of JSON per event')
    .action(async (path: string | undefined, options: CvOptions) => {
      const stop = new AbortController();
      const unlisten = stopOnSignals(stop);
      try {
        const folds = await openFolds(path, options);
        for (const preset of options.preset)
          await validate(preset, path ?? '', folds, options, io, stop.signal);
      } finally {
        unlisten();
      }
    });
}

function list(text: string): string[] {
  return text.split(',');
}

/** Folds one after another, so that only one of them is in memory. */
interface Folds {
  count: number;
  open(fold: number): Promise<{ sizes: IndexedRatings; sides: SplitRatings }>;
}

async function openFolds(path: string | undefined, options: CvOptions): Promise<Folds> {
  const { foldFiles, folds, splitSeed } = options;
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

async function validate(
  preset: string,
  path: string,
  folds: Folds,
  options: CvOptions,
  io: Io,
  signal: AbortSignal,
): Promise<void> {
  const output = io.output(options);
  const hyperparameters = resolveHyperparameters(preset, {});
  const engine = await openEngine(options.engine, { threads: io.config.threads, shape: hyperparameters });
  const figures: FoldFigures[] = [];
  for (let fold = 0; fold < folds.count; fold++) {
    const { sizes, sides } = await folds.open(fold);
    const settings = { preset, hyperparameters, seed: options.seed };
    const name = `${preset}, fold ${fold + 1}/${folds.count}`;
    const measured = await measureFold(engine, sizes, sides, settings, {
      signal,
      onEvent: (event) => {
        if (event.event !== 'epoch') return;
        const share = (fold + event.epoch / event.epochs) / folds.count;
        const text = `${name}, epoch ${event.epoch}/${event.epochs}`;
        output.progress({ event: 'progress', preset, fold: fold + 1, epoch: event.epoch }, share, text);
      },
    });
    figures.push(measured);
    output.event({ event: 'fold', preset, fold: fold + 1, ...measured }, describeFold(name, measured));
  }
  summarize(preset, path, figures, options, engine, output);
}

function describeFold(name: string, { rmse, mae, trainRatings, testRatings, seconds }: FoldFigures): string {
  const counts = `${formatCount(trainRatings)} + ${formatCount(testRatings)} ratings`;
  return `${name}: RMSE ${rmse.toFixed(5)}  MAE ${mae.toFixed(5)}  ${counts}, ${seconds.toFixed(1)} s`;
}

/** The line without an event's name that scripts look for, and the same for people. */
function summarize(
  preset: string,
  path: string,
  figures: FoldFigures[],
  { folds, foldFiles, seed, splitSeed }: CvOptions,
  engine: Engine,
  output: Output,
): void {
  const [rmse, mae] = [spreadOf(figures.map((f) => f.rmse)), spreadOf(figures.map((f) => f.mae))];
  const seconds = figures.reduce((sum, figure) => sum + figure.seconds, 0);
  const protocol = foldFiles ? foldFiles.join(' ') : `${folds} folds`;
  output.event(
    {
      event: 'cv',
      ...{ cv: path, preset, protocol, seed, splitSeed, engine: engine.name, device: engine.device },
      folds: figures,
      ...{ rmse: rmse.mean, rmseSpread: rmse.spread, mae: mae.mean, maeSpread: mae.spread, seconds },
    },
    `${preset} on ${path || protocol}: RMSE ${rmse.mean.toFixed(5)} ± ${rmse.spread.toFixed(5)}  ` +
      `MAE ${mae.mean.toFixed(5)} ± ${mae.spread.toFixed(5)}  (${engine.name}, ${engine.device}; ${seconds.toFixed(1)} s)`,
  );
}

/** Mean and standard deviation over the folds. */
function spreadOf(values: number[]): { mean: number; spread: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, spread: values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : 0 };
}
