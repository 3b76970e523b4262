// marquee cv: cross-validation of presets side by side on a rating file, as published figures are measured. Needs no database.

import type { Command } from 'commander';
import type { Engine } from '../engines/engine.js';
import { openEngine } from '../engines/open.js';
import { AppError } from '../errors.js';
import { readRatingFile } from '../loading/ratingFile.js';
import { DEFAULT_SEED, DEFAULT_SPLIT, resolveHyperparameters } from '../store/hyperparameters.js';
import { type FoldFigures, indexRatings, measureFold } from '../training/crossValidate.js';
import { type Folds, openFolds } from './cv/folds.js';
import { validateNewUsers } from './cv/newUsers.js';
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
  newUsers?: number[];
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
    .option(
      '--new-users <n,…>',
      'folds of users instead: fold them in with n of their ratings, predict the others',
      (text: string) => list(text).map(wholeNumber(1, 1000)),
    )
    .option('--engine <name>', 'as in `marquee engines`, or auto: the fastest there is', 'auto')
    .option('--seed <n>', 'of the model', wholeNumber(0, 2 ** 31 - 1), DEFAULT_SEED)
    .option('--split-seed <n>', 'of the folds', wholeNumber(0, 2 ** 31 - 1), DEFAULT_SPLIT.seed)
    .option('--json', 'one line of JSON per event')
    .action(async (path: string | undefined, options: CvOptions) => {
      const stop = new AbortController();
      const unlisten = stopOnSignals(stop);
      try {
        await validateAll(path, options, io, stop.signal);
      } finally {
        unlisten();
      }
    });
}

function list(text: string): string[] {
  return text.split(',');
}

async function validateAll(
  path: string | undefined,
  { newUsers, ...options }: CvOptions,
  io: Io,
  signal: AbortSignal,
): Promise<void> {
  if (!newUsers) {
    const folds = await openFolds(path, options);
    for (const preset of options.preset) await validate(preset, path ?? '', folds, options, io, signal);
    return;
  }
  if (path === undefined || options.foldFiles)
    throw new AppError('USAGE', '--new-users needs a path and makes its own folds');
  const ratings = indexRatings(await readRatingFile(path));
  for (const preset of options.preset)
    await validateNewUsers(preset, path, ratings, { ...options, newUsers }, io, signal);
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
  const baselines = figures[0].baselines.map(({ name }, i) => ({
    name,
    rmse: spreadOf(figures.map((f) => f.baselines[i].rmse)).mean,
    mae: spreadOf(figures.map((f) => f.baselines[i].mae)).mean,
  }));
  const protocol = foldFiles ? foldFiles.join(' ') : `${folds} folds`;
  output.event(
    {
      event: 'cv',
      ...{ cv: path, preset, protocol, seed, splitSeed, engine: engine.name, device: engine.device },
      folds: figures,
      baselines,
      ...{ rmse: rmse.mean, rmseSpread: rmse.spread, mae: mae.mean, maeSpread: mae.spread, seconds },
    },
    `${baselineLine(baselines)}\n${preset} on ${path || protocol}: RMSE ${rmse.mean.toFixed(5)} ± ${rmse.spread.toFixed(5)}  ` +
      `MAE ${mae.mean.toFixed(5)} ± ${mae.spread.toFixed(5)}  (${engine.name}, ${engine.device}; ${seconds.toFixed(1)} s)`,
  );
}

function baselineLine(baselines: readonly { name: string; rmse: number }[]): string {
  return `RMSE of ${baselines.map(({ name, rmse }) => `${name} ${rmse.toFixed(4)}`).join(', ')}`;
}

/** Mean and standard deviation over the folds. */
function spreadOf(values: number[]): { mean: number; spread: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, spread: values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : 0 };
}
