// marquee synth: a made-up data set with planted tastes, in MovieLens' layout.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { AppError } from '../errors.js';
import { type SyntheticOptions, writeSyntheticSet } from '../loading/synthetic.js';
import { wholeNumber } from './numbers.js';
import type { Io } from './program.js';
import { stopOnSignals } from './session.js';

interface SynthOptions extends SyntheticOptions {
  out: string;
  force?: boolean;
  json?: boolean;
}

export function addSynth(program: Command, io: Io): void {
  const size = wholeNumber(1, 2 ** 31 - 1);
  program
    .command('synth')
    .description('write a synthetic data set with planted tastes: ratings.csv and movies.csv')
    .requiredOption('--out <dir>', 'folder to write to; made if needed')
    .option('--users <n>', 'users', size, 1000)
    .option('--movies <n>', 'movies', size, 500)
    .option('--ratings <n>', 'ratings, at most users × movies / 2', size, 50_000)
    .option('--seed <n>', 'same seed, same files', wholeNumber(0, 2 ** 31 - 1), 1)
    .option('--force', 'overwrite ratings.csv and movies.csv where they are there')
    .option('--json', 'one line of JSON per event')
    .action(async ({ json, out, force, ...sizes }: SynthOptions) => {
      const output = io.output({ json });
      if (out === '') throw new AppError('USAGE', '--out is empty: expected the folder to write to');
      if (!force) checkIsFree(out);
      const written = await untilStopped((signal) =>
        writeSyntheticSet(out, sizes, {
          signal,
          onProgress: (ratings) =>
            output.progress({ event: 'progress', ratings }, ratings / sizes.ratings, 'writing ratings'),
        }),
      );
      output.event(
        { event: 'written', out, ...sizes, ...written },
        `${written.ratings.toLocaleString('en-US')} ratings written to ${out}; a perfect model would reach RMSE ${written.plantedRmse.toFixed(3)}`,
      );
    });
}

/** Somebody's own ratings may lie there, which nothing could bring back. */
function checkIsFree(folder: string): void {
  const path = join(folder, 'ratings.csv');
  if (existsSync(path)) throw new AppError('SYNTH_FAILED', `${path} exists already; --force overwrites it`);
}

/** Ctrl-C ends the work in order, so that no half-written file stays. */
async function untilStopped<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const stop = new AbortController();
  const unlisten = stopOnSignals(stop);
  try {
    return await work(stop.signal);
  } finally {
    unlisten();
  }
}
