// marquee engines: what can train here, and why the others cannot. Needs no database.

import type { Command } from 'commander';
import { listEngines } from '../engines/open.js';
import type { Io } from './program.js';

export function addEngines(program: Command, io: Io): void {
  program
    .command('engines')
    .description('list the engines, fastest first, each with its device or the reason it cannot be used')
    .option('--json', 'one line of JSON per engine')
    .action(async (options: { json?: boolean }) => {
      const output = io.output(options);
      for (const engine of await listEngines(io.config)) {
        const text = engine.available ? `available    ${engine.device}` : `unavailable  ${engine.reason}`;
        output.event({ event: 'engine', ...engine }, `${engine.name.padEnd(16)} ${text}`);
      }
    });
}
