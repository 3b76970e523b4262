// marquee migrate: brings the database to this version's tables.

import type { Command } from 'commander';
import { applyMigrations } from '../store/migrate.js';
import { divideRatings } from '../store/ratingPartitions.js';
import { MAX_PARTITIONS } from '../store/ratingTable.js';
import { wholeNumber } from './numbers.js';
import type { Output } from './output.js';
import type { Io } from './program.js';
import { withDatabase } from './session.js';

const HELP = `
With --partitions the table ratings is divided by user into so many tables, for sets of hundreds of millions of ratings; nothing else
looks different. Ratings that are there are copied in one transaction: writers wait until it ends, readers for its last moment, and
the disk needs room for them twice. The same command changes the number, and 1 puts them together again.`;

interface MigrateCommandOptions {
  partitions?: number;
  json?: boolean;
}

export function addMigrate(program: Command, io: Io): void {
  program
    .command('migrate')
    .description('apply the pending migrations')
    .option(
      '--partitions <n>',
      `divide the ratings into so many tables, 1 to ${MAX_PARTITIONS}; they stay as they are without it`,
      wholeNumber(1, MAX_PARTITIONS),
    )
    .option('--json', 'one line of JSON per event')
    .addHelpText('after', HELP)
    .action(async ({ partitions, ...options }: MigrateCommandOptions) => {
      const output = io.output(options);
      await withDatabase(io.config, async (url, signal) => {
        const { applied, edited } = await applyMigrations(url, {
          onApplied: (name) => output.event({ event: 'applied', migration: name }, `applied ${name}`),
        });
        for (const name of edited) {
          output.event(
            { event: 'edited', migration: name },
            `warning: ${name} was edited after it was applied`,
          );
        }
        output.event(
          { event: 'migrated', applied: applied.length },
          applied.length ? null : 'nothing to apply',
        );
        if (partitions !== undefined) await divide(url, partitions, output, signal);
      });
    });
}

async function divide(url: string, partitions: number, output: Output, signal: AbortSignal): Promise<void> {
  const former = await divideRatings(url, partitions, signal);
  const state = partitions === 1 ? 'in one table' : `divided into ${partitions} tables`;
  const change = former === partitions ? 'already' : `now (${former} before)`;
  output.event({ event: 'divided', partitions, former }, `ratings are ${state} ${change}`);
}
