// marquee migrate: brings the database to this version's tables.

import type { Command } from 'commander';
import { applyMigrations } from '../store/migrate.js';
import type { Io } from './program.js';
import { withDatabase } from './session.js';

export function addMigrate(program: Command, io: Io): void {
  program
    .command('migrate')
    .description('apply the pending migrations')
    .option('--json', 'one line of JSON per event')
    .action(async (options: { json?: boolean }) => {
      const output = io.output(options);
      await withDatabase(io.config, async (url) => {
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
      });
    });
}
