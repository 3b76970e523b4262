// /metrics for Prometheus: what this process does (requests, errors, scoring, connections, event loop), and what the store knows of
// runs and jobs, wherever they are worked on. Names and meanings: docs/operations.md.

import type { FastifyInstance } from 'fastify';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Recommender } from '../scoring/recommender.js';
import { readGauges } from '../store/gauges.js';
import type { Reads } from '../store/replica.js';
import type { Store } from '../store/store.js';

/** From a trivial query to a hundred lists of an unopened model. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** Clients choose the names of their operations, and each is a series that lasts as long as the process. */
const OPERATIONS_MAX = 100;
const OTHER = 'other';

export interface Metrics {
  /** The text that Prometheus reads. */
  expose(): Promise<string>;
  contentType: string;
  /** errorCodes: of the answer's errors. */
  countRequest(operation: string, seconds: number, errorCodes: readonly string[]): void;
  /** The same recommender, with its answers timed. */
  timed(recommender: Recommender): Recommender;
}

export function createMetrics(store: Store, reads: Reads): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const requests = new Histogram({
    ...{ name: 'marquee_graphql_request_seconds', help: 'GraphQL requests, by name of the operation.' },
    ...{ labelNames: ['operation'] as const, buckets: SECONDS, registers },
  });
  const errors = new Counter({
    ...{ name: 'marquee_graphql_errors_total', help: 'Errors in answers, by code (docs/errors.md).' },
    ...{ labelNames: ['code'] as const, registers },
  });
  const scoring = new Histogram({
    ...{ name: 'marquee_scoring_seconds', help: 'Questions to models, each for a batch of pairs or users.' },
    ...{ labelNames: ['method'] as const, buckets: SECONDS, registers },
  });
  const refreshStore = addStoreGauges(registry, store);
  const refreshReplica = addReplicaGauges(registry, reads);
  const known = new Set<string>();
  return {
    async expose() {
      refreshReplica();
      await refreshStore();
      return registry.metrics();
    },
    contentType: registry.contentType,
    countRequest(operation, seconds, errorCodes) {
      if (known.size < OPERATIONS_MAX) known.add(operation);
      requests.observe({ operation: known.has(operation) ? operation : OTHER }, seconds);
      for (const code of errorCodes) errors.inc({ code });
    },
    timed(recommender) {
      const time = async <T>(method: string, work: Promise<T>) => {
        const end = scoring.startTimer({ method });
        return work.finally(() => end());
      };
      return {
        ...recommender,
        on: (store) => this.timed(recommender.on(store)),
        predict: (...question) => time('predict', recommender.predict(...question)),
        recommend: (...question) => time('recommend', recommender.recommend(...question)),
        reasons: (...question) => time('reasons', recommender.reasons(...question)),
      };
    },
  };
}

export function addMetrics(app: FastifyInstance, metrics: Metrics): void {
  app.get('/metrics', async (_request, reply) =>
    reply.type(metrics.contentType).send(await metrics.expose()),
  );
}

/** Gives what reads them anew, before each scrape. A database that does not answer is a value, not a scrape that fails. */
function addStoreGauges(registry: Registry, store: Store): () => Promise<void> {
  const registers = [registry];
  const byStatus = (name: string, help: string) =>
    new Gauge({ name, help, labelNames: ['status'], registers });
  const gauges = {
    runs: byStatus('marquee_training_runs', 'Training runs, by status.'),
    scorings: byStatus('marquee_scoring_runs', 'Batch scorings, by status.'),
    jobs: byStatus('marquee_queue_jobs', 'Jobs in the queue: created (they wait) or active.'),
    'training samples per second': new Gauge({
      ...{ name: 'marquee_training_samples_per_second', help: 'Of all runs that train, on all workers.' },
      registers,
    }),
    'active model version': new Gauge({
      ...{ name: 'marquee_active_model_version', help: '0 before any was promoted.', registers },
    }),
  };
  const pool = byStatus(
    'marquee_pool_connections',
    'Connections of this process: idle, busy, and requests waiting.',
  );
  const up = new Gauge({
    ...{ name: 'marquee_database_up', help: '1 when the database has answered this scrape.', registers },
  });
  return async () => {
    const { totalCount, idleCount, waitingCount } = store.pool;
    pool.set({ status: 'idle' }, idleCount);
    pool.set({ status: 'busy' }, totalCount - idleCount);
    pool.set({ status: 'waiting' }, waitingCount);
    const rows = await readGauges(store).catch(() => null);
    up.set(rows ? 1 : 0);
    for (const gauge of Object.values(gauges)) gauge.reset();
    for (const { name, status, value } of rows ?? []) {
      if (status === null) gauges[name].set(value);
      else gauges[name].set({ status }, value);
    }
  };
}

/** None where there is no replica. */
function addReplicaGauges(registry: Registry, reads: Reads): () => void {
  if (!reads.replica()) return () => {};
  const registers = [registry];
  const up = new Gauge({
    ...{ name: 'marquee_replica_up', help: '1 while queries of this process are answered by the replica.' },
    registers,
  });
  const lag = new Gauge({
    ...{ name: 'marquee_replica_lag_seconds', help: 'How old its answers may be.', registers },
  });
  return () => {
    const { state, lagSeconds } = reads.replica()!;
    up.set(state === 'used' ? 1 : 0);
    lag.set(lagSeconds);
  };
}
