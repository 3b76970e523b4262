// /health/live: the process answers. /health/ready: queries can be answered, since the database is there with all migrations; with a replica,
// since one of the two is.

import type { FastifyInstance } from 'fastify';
import { messageOf } from '../errors.js';
import { listPendingMigrations } from '../store/migrate.js';
import type { Reads } from '../store/replica.js';
import type { Store } from '../store/store.js';

export function addHealth(app: FastifyInstance, reads: Reads): void {
  app.get('/health/live', async () => ({ status: 'live' }));
  app.get('/health/ready', async (_request, reply) => {
    const reason = await findObstacle(reads.store());
    const replica = reads.replica();
    const more = replica ? { replica: replica.state } : {};
    return reason
      ? reply.code(503).send({ status: 'not ready', reason, ...more })
      : { status: 'ready', ...more };
  });
}

async function findObstacle(store: Store): Promise<string | null> {
  try {
    const pending = await listPendingMigrations(store.pool);
    return pending.length > 0 ? `migrations are pending: ${pending.join(', ')}` : null;
  } catch (error) {
    return messageOf(error);
  }
}
