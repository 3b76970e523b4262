// marquee serve: the GraphQL API with explorer and dashboard, and a worker for training runs in the same process.

import type { Command } from 'commander';
import type { ListenAddress } from '../api/listening.js';
import { startWorker } from '../jobs/worker.js';
import { createLogger } from '../log.js';
import { createRecommender } from '../scoring/recommender.js';
import { openQueue } from '../store/queue.js';
import { openReads } from '../store/replica.js';
import { createRunFeed } from '../store/runFeed.js';
import { wholeNumber } from './numbers.js';
import type { Output } from './output.js';
import type { Io } from './program.js';
import { type Session, untilAborted, withStore } from './session.js';

export interface ServeOptions extends ListenAddress {
  /** Whether this process trains, too. */
  worker: boolean;
}

export function addServe(program: Command, io: Io): void {
  program
    .command('serve')
    .description('serve /graphql, /explorer and the dashboard until Ctrl-C')
    .option('--host <address>', 'address to listen on', io.config.host)
    .option('--port <n>', 'port to listen on; 0: any free one', wholeNumber(0, 65_535), io.config.port)
    .option('--no-worker', 'leave training runs to `marquee work`')
    .option('--json', 'one line of JSON per event')
    .action(async (options: ServeOptions & { json?: boolean }) => {
      await withStore(io.config, (session) => serve(session, io, options, io.output(options)));
    });
}

/** Serves until the session's signal. @throws AppError PORT_IN_USE */
export async function serve(
  { store, signal }: Session,
  io: Io,
  options: ServeOptions,
  output: Output,
): Promise<void> {
  const log = createLogger(io.config);
  const reads = await openReads(store, io.config.readUrl);
  const queue = await openQueue(store, log);
  const recommender = createRecommender(store, io.config);
  const runFeed = createRunFeed(store, log);
  try {
    const engineSettings = { threads: io.config.threads };
    const services = {
      store,
      reads,
      recommender,
      queue,
      runFeed,
      log,
      engineSettings,
      codeVersion: io.version,
    };
    // Here, so that other commands do not wait a second for the schema.
    const { startServer } = await import('../api/server.js');
    const server = await startServer(services, options);
    const worker = options.worker ? await startWorker(store, queue, log, io.config) : null;
    const { url } = server;
    output.event(
      { event: 'serving', url },
      `serving ${url}/  ${url}/explorer  ${url}/graphql  (Ctrl-C stops)`,
    );
    await untilAborted(signal);
    // First: who follows a run then sees a connection that ends, and goes on elsewhere, not a run that has ended.
    await server.close();
    await runFeed.close();
    await worker?.close();
  } finally {
    await queue.close();
    await recommender.close();
    await reads.close();
  }
}
