// The API on a free port, and a client that speaks to it as any other would: over HTTP.

import { startServer } from '#src/api/server.js';
import { createLogger } from '#src/log.js';
import { createRecommender } from '#src/scoring/recommender.js';
import { type JobQueue, openQueue } from '#src/store/queue.js';
import { openReads } from '#src/store/replica.js';
import { createRunFeed } from '#src/store/runFeed.js';
import type { Store } from '#src/store/store.js';

const SETTINGS = { threads: 2 };

export interface TestApi {
  url: string;
  queue: JobQueue;
  // biome-ignore lint/suspicious/noExplicitAny: answers are as free as the queries of the tests
  query(document: string, variables?: object): Promise<{ data: any; errors?: any[] }>;
  close(): Promise<void>;
}

/** readUrl: of a replica. */
export async function startTestApi(store: Store, readUrl: string | null = null): Promise<TestApi> {
  // What only the log tells: the cause of an internal error.
  const log = createLogger({ logLevel: 'error' });
  const reads = await openReads(store, readUrl);
  const queue = await openQueue(store, log);
  const recommender = createRecommender(store, SETTINGS);
  const runFeed = createRunFeed(store, log);
  const server = await startServer(
    { store, reads, recommender, queue, runFeed, log, engineSettings: SETTINGS, codeVersion: 'test' },
    { host: '127.0.0.1', port: 0 },
  );
  return {
    url: server.url,
    queue,
    async query(query, variables) {
      const response = await fetch(`${server.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query, variables }),
      });
      return (await response.json()) as Awaited<ReturnType<TestApi['query']>>;
    },
    async close() {
      await server.close();
      await runFeed.close();
      await queue.close();
      await recommender.close();
      await reads.close();
    },
  };
}
