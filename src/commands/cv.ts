// marquee cv: cross-validation of presets side by side, as published figures are measured; on a rating file, without a database, or on
// the store.

import type { Command } from 'commander';
import type { Engine } from '../engines/engine.js';
import { openEngine } from '../engines/open.js';
import { AppError } from '../errors.js';
import { resolveHyperparameters } from '../store/hyperparameterChecks.js';
import { DEFAULT_SEED, DEFAULT_SPLIT, type Hyperparameters } from '../store/hyperparameters.js';
import { type FoldFigures, measureFold } from '../training/crossValidate.js';
import { type Folds, openFolds, readRows } from './cv/folds.js';
import { validateNewUsers } from './cv/newUsers.js';
import { wholeNumber } from './numbers.js';
import type { Output } from './output.js';
import type { Io } from './program.js';
import { formatCount } from './report.js';
import { stopOnSignals } from './session.js';

/** What was validated, where no path was given. */
const STORE = 'the store';

interface CvOptions {
  folds: number;
  foldFiles?: string[];
  preset: string[];
  sideInformation?: boolean;
  engine: string;
  seed: number;
  splitSeed: number;
  newUsers?: number[];
  json?: boolean;
}

export function addCv(program: Command, io: Io): void {
  program
    .command('cv [path]')
    .description(
      'cross-validate presets on a rating file, without a database; or, without a path, on the store',
    )
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
    .option('--side-information', 'with genres, decades and demographics, where the preset has none')
    .option('--no-side-information', 'without them, where the preset has them')
    .option('--engine <name>', 'as in `marquee engines`, or auto: the fastest there is', 'auto')
    .option('--seed <n>', 'of the model', wholeNumber(0, 2 ** 31 - 1), DEFAULT_SEED)
    .option('--split-seed <n>', 'of the folds', wholeNumber(0, 2 ** 31 - 1), DEFAULT_SPLIT.seed)
    .option('--json', 'one line of JSON per event')
    .action(async (path: string | undefined, options: CvOptions) => {
      const stop = new AbortController();
      const unlisten = stopOnSignals(stop);
      try {
        await validateAll(path, options, io, stop.signal);
      } catch (error) {
        if (!stop.signal.aborted) throw error;
        throw new AppError('RUN_CANCELLED', 'stopped before all folds were measured', { cause: error });
      } finally {
        unlisten();
      }
    });
}

function list(text: string): string[] {
  return text.split(',');
}

interface Candidate {
  preset: string;
  hyperparameters: Hyperparameters;
}

async function validateAll(
  path: string | undefined,
  { newUsers, ...options }: CvOptions,
  io: Io,
  signal: AbortSignal,
): Promise<void> {
  const { sideInformation } = options;
  const candidates = options.preset.map((preset) => ({
    preset,
    hyperparameters: resolveHyperparameters(preset, { sideInformation }),
  }));
  const reading = {
    config: io.config,
    withAttributes: candidates.some(({ hyperparameters }) => hyperparameters.sideInformation),
  };
  const name = path ?? (options.foldFiles ? '' : STORE);
  if (!newUsers) {
    const folds = await openFolds(path, options, reading);
    for (const candidate of candidates) await validate(candidate, name, folds, options, io, signal);
    return;
  }
  if (options.foldFiles) throw new AppError('USAGE', '--new-users makes its own folds');
  const rows = await readRows(path, reading);
  for (const candidate of candidates)
    await validateNewUsers(candidate, name, rows, { ...options, newUsers }, io, signal);
}

async function validate(
  { preset, hyperparameters }: Candidate,
  path: string,
  folds: Folds,
  options: CvOptions,
  io: Io,
  signal: AbortSignal,
): Promise<void> {
  const output = io.output(options);
  const engine = await openEngine(options.engine, { threads: io.config.threads, shape: hyperparameters });
  const figures: FoldFigures[] = [];
  for (let fold = 0; fold < folds.count; fold++) {
    const { rows, sides } = await folds.open(fold);
    const settings = { preset, hyperparameters, seed: options.seed };
    const name = `${preset}, fold ${fold + 1}/${folds.count}`;
    const measured = await measureFold(engine, rows, sides, settings, {
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
  summarize({ preset, hyperparameters }, path, figures, options, engine, output);
}

function describeFold(name: string, { rmse, mae, noise, ...fold }: FoldFigures): string {
  const counts = `${formatCount(fold.trainRatings)} + ${formatCount(fold.testRatings)} ratings`;
  const errors = `RMSE ${rmse.toFixed(5)}  MAE ${mae.toFixed(5)}${noise === null ? '' : `  noise ${noise.toFixed(4)}`}`;
  return `${name}: ${errors}  ${counts}, ${fold.seconds.toFixed(1)} s`;
}

/** The line without an event's name that scripts look for, and the same for people. */
function summarize(
  { preset, hyperparameters }: Candidate,
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
      ...{
        cv: path,
        preset,
        sideInformation: hyperparameters.sideInformation,
        protocol,
        seed,
        splitSeed,
        engine: engine.name,
        device: engine.device,
      },
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
