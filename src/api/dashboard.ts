// /: the dashboard, plain files from web/.

import { fileURLToPath } from 'node:url';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';

export async function addDashboard(app: FastifyInstance): Promise<void> {
  await app.register(fastifyStatic, { root: fileURLToPath(new URL('../../web', import.meta.url)) });
}
