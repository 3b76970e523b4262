// marquee bench: how fast the engines are here, beside what the hardware could do and what TensorFlow.js does; how fast
// ratings get into PostgreSQL and out of it; and how soon the API answers.

import { availableParallelism } from 'node:os';
import { Argument, type Command, InvalidArgumentError, Option } from 'commander';
import { MAX_PARTITIONS } from '../store/ratingTable.js';
import { DATABASE_BENCHES, type DatabaseBenchName } from './bench/database.js';
import { type BenchFigures, figuresRow, headRow } from './bench/report.js';
import { runBench } from './bench/run.js';
import { BENCHMARKS_FILE, saveBench } from './bench/save.js';
import {
  BENCH_NAMES,
  BENCH_PRESETS,
  type BenchName,
  DEFAULT_RATE,
  type PresetName,
  SHAPES,
  type ShapeName,
  toSettings,
} from './bench/settings.js';
import { wholeNumber } from './numbers.js';
import type { Io } from './program.js';
import { withDatabase } from './session.js';

interface BenchOptions {
  engine?: string;
  shape?: ShapeName;
  preset: PresetName;
  threads: number;
  seconds: number;
  repeats: number;
  partitions: number;
  rate: number;
  save?: string | true;
  json?: boolean;
}

const HELP = `
Every engine is first held against plain loops on a small model; one that gives other numbers fails the bench.
  step   one optimizer step of 1,024 ratings: time, arithmetic per second, and the time over the least that this machine
         needs for it; compared with tfjs:wasm as TensorFlow.js publishes it, and with our kernels
  epoch  whole epochs of training, shuffling included, and what the order of an epoch costs alone
  score  predictions for pairs; every movie for one user and for blocks of 16; the ten best for one user
  gpu    steps of webgpu in batches of several sizes: time, the time over the least that this GPU needs, what a step costs the
         host, how long training takes to the paper's loss; compared with TensorFlow.js on the same GPU, and with PyTorch
         where python3 has it
  sweep  whole sweeps of the Gibbs sampler (--preset fast, accurate or maximum), over the arithmetic of their normal equations
         and over the memory that they move
For these five the ratings are made in memory, and no database is used.
  import  a synthetic set into an empty store, over COPY and a primary key alone; then one per cent of new ratings,
          by few users and by all
  cursor  all ratings into typed arrays, over binary COPY and over a cursor with row objects
  lists   the best hundred movies of every user into the table predictions; then a part of it by one worker and by two
  serve   the API under --rate requests a second, before and while a run of --preset trains in the same process
These make a database of their own on the server and drop it; --engine means nothing to them, --preset and --threads only to
lists and serve, --seconds only to serve (for each of its six figures). How to read the figures: docs/benchmarks.md.`;

export function addBench(program: Command, io: Io): void {
  program
    .command('bench')
    .description(
      'measure the engines (a training step, an epoch, scoring, a sweep, a GPU), the database (import, cursor, lists) or the API (serve)',
    )
    .addArgument(new Argument('<name>', 'what to measure').choices(BENCH_NAMES))
    .option(
      '--engine <name>',
      'as in `marquee engines`, or auto; without it native, wasm and tfjs:wasm (gpu: webgpu)',
    )
    .option(
      '--shape <name>',
      'sizes of ml-100k, ml-1m or ml-20m, or 100m: a hundred million ratings (default: ml-20m; serve: ml-1m)',
      parseShape,
    )
    .addOption(
      new Option(
        '--preset <name>',
        "the paper's network; matrix factorization of width 64; for sweeps fast (15), accurate (31) or maximum (63)",
      )
        .choices(Object.keys(BENCH_PRESETS))
        .default('paper'),
    )
    .option('--threads <n>', 'threads of each engine', wholeNumber(1, 1024), availableParallelism())
    .option('--seconds <n>', 'how long to measure each figure', wholeNumber(1, 600), 5)
    .option('--repeats <n>', 'how often; the median counts', wholeNumber(1, 100), 5)
    .option(
      '--partitions <n>',
      'divide the ratings into so many tables (import, cursor)',
      wholeNumber(1, MAX_PARTITIONS),
      1,
    )
    .option('--rate <n>', 'requests a second, of serve', wholeNumber(1, 100_000), DEFAULT_RATE)
    .option('--save [file]', 'append table and raw figures to docs/benchmarks.md, or to the file')
    .option('--json', 'one line of JSON per engine')
    .addHelpText('after', HELP)
    .action((name: BenchName, options: BenchOptions) => bench(io, name, options));
}

/** `tiny` is known, and not listed. */
function parseShape(text: string): ShapeName {
  if (Object.hasOwn(SHAPES, text)) return text as ShapeName;
  throw new InvalidArgumentError('Allowed choices are ml-100k, ml-1m, ml-20m, 100m.');
}

async function bench(io: Io, name: BenchName, options: BenchOptions): Promise<void> {
  const output = io.output(options);
  const rows: BenchFigures[] = [];
  const onFigures = (figures: BenchFigures) => {
    const head = rows.length === 0 ? `${headRow(name)}\n` : '';
    rows.push(figures);
    output.event(
      { event: 'bench', bench: name, ...figures },
      `${head}${figuresRow(name, figures)}   ${figures.device}`,
    );
  };
  const shape = options.shape ?? (name === 'serve' ? 'ml-1m' : 'ml-20m');
  const settings = toSettings(shape, options.preset, options);
  const notes: string[] = [];
  const onSkipped = (engine: string, reason: string) => {
    notes.push(`${engine}: ${reason}`);
    output.event({ event: 'skipped', bench: name, engine, reason }, `${engine}: ${reason}`);
  };
  if (isDatabaseBench(name)) {
    await withDatabase(io.config, async (url, signal) => {
      for (const figures of [await DATABASE_BENCHES[name](url, settings, signal)].flat()) onFigures(figures);
    });
  } else await runBench(name, settings, options.engine ?? null, { onFigures, onSkipped });
  if (rows.length > 0 && rows.every(({ hardware }) => hardware === null)) {
    notes.push('no native engine: floor not measured');
    output.event({ event: 'note', bench: name, text: notes[notes.length - 1] }, notes[notes.length - 1]);
  }
  if (options.save === undefined) return;
  const file = options.save === true ? BENCHMARKS_FILE : options.save;
  const commandLine = process.argv.slice(2);
  await saveBench(file, { bench: name, settings, rows, notes, commandLine, version: io.version });
  output.event({ event: 'saved', bench: name, file }, `appended to ${file}`);
}

function isDatabaseBench(name: BenchName): name is DatabaseBenchName {
  return Object.hasOwn(DATABASE_BENCHES, name);
}
