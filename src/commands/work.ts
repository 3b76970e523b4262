// marquee work: a worker for training runs and batch scorings, on this machine's engines.

import type { Command } from 'commander';
import { startWorker } from '../jobs/worker.js';
import { createLogger } from '../log.js';
import { openQueue } from '../store/queue.js';
import type { Io } from './program.js';
import { untilAborted, withStore } from './session.js';

export function addWork(program: Command, io: Io): void {
  program
    .command('work')
    .description('take training runs and batch scorings from the queue until Ctrl-C')
    .option('--json', 'one line of JSON per event')
    .action(async (options: { json?: boolean }) => {
      const output = io.output(options);
      await withStore(io.config, async ({ store, signal }) => {
        const log = createLogger(io.config);
        const queue = await openQueue(store, log);
        try {
          const worker = await startWorker(store, queue, log, io.config);
          output.event({ event: 'working' }, 'waiting for work (Ctrl-C stops)');
          await untilAborted(signal);
          await worker.close();
        } finally {
          await queue.close();
        }
      });
    });
}
