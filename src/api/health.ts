// /health/live: the process answers. /health/ready: so does the database, and its migrations are applied.

import type { FastifyInstance } from 'fastify';
import { messageOf } from '../errors.js';
import { listPendingMigrations } from '../store/migrate.js';
import type { Store } from '../store/store.js';

export function addHealth(app: FastifyInstance, store: Store): void {
  app.get('/health/live', async () => ({ status: 'live' }));
  app.get('/health/ready', async (_request, reply) => {
    const reason = await findObstacle(store);
    return reason ? reply.code(503).send({ status: 'not ready', reason }) : { status: 'ready' };
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
