// marquee synth: a made-up data set with planted tastes, in MovieLens' layout.

import type { Command } from 'commander';
import { type SyntheticOptions, writeSyntheticSet } from '../loading/synthetic.js';
import { wholeNumber } from './numbers.js';
import type { Io } from './program.js';

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
    .option('--json', 'one line of JSON per event')
    .action(async ({ json, out, ...sizes }: SyntheticOptions & { out: string; json?: boolean }) => {
      const output = io.output({ json });
      const written = await writeSyntheticSet(out, sizes, (ratings) =>
        output.progress({ event: 'progress', ratings }, ratings / sizes.ratings, 'writing ratings'),
      );
      output.event(
        { event: 'written', out, ...sizes, ...written },
        `${written.ratings.toLocaleString('en-US')} ratings written to ${out}; a perfect model would reach RMSE ${written.noise.toFixed(3)}`,
      );
    });
}
