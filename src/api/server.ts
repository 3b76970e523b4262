// The HTTP server: /graphql, /explorer, /health/*, and the dashboard. Everything it needs comes as an argument.

import type { AddressInfo } from 'node:net';
import { ApolloServer } from '@apollo/server';
import { ApolloServerPluginLandingPageDisabled } from '@apollo/server/plugin/disabled';
import fastifyApollo, { fastifyApolloDrainPlugin } from '@as-integrations/fastify';
import fastify, { type FastifyInstance } from 'fastify';
import { AppError } from '../errors.js';
import { type Context, createContext, type Services } from './context.js';
import { addDashboard } from './dashboard.js';
import { createErrorFormatter } from './errors.js';
import { addExplorer } from './explorer.js';
import { addHealth } from './health.js';
import { createSchema } from './schema.js';

export interface ApiServer {
  /** "http://127.0.0.1:4000" */
  url: string;
  close(): Promise<void>;
}

/** Listens when it returns. @throws AppError PORT_IN_USE */
export async function startServer(
  services: Services,
  listen: { host: string; port: number },
): Promise<ApiServer> {
  const app = fastify({ forceCloseConnections: true });
  const apollo = new ApolloServer<Context>({
    schema: await createSchema(),
    introspection: true,
    includeStacktraceInErrorResponses: false,
    // Commands stop the server themselves; Apollo would send the signal a second time.
    stopOnTerminationSignals: false,
    formatError: createErrorFormatter(services.log),
    plugins: [fastifyApolloDrainPlugin(app), ApolloServerPluginLandingPageDisabled()],
  });
  await apollo.start();
  await app.register(fastifyApollo(apollo), { context: async () => createContext(services) });
  addExplorer(app);
  addHealth(app, services.store);
  await addDashboard(app);
  try {
    await listenOn(app, listen);
  } catch (error) {
    await apollo.stop();
    throw error;
  }
  return {
    url: urlOf(app),
    async close() {
      await apollo.stop();
      await app.close();
    },
  };
}

async function listenOn(app: FastifyInstance, { host, port }: { host: string; port: number }): Promise<void> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    throw new AppError('PORT_IN_USE', `port ${port} on ${host} is taken by another program`, {
      cause: error,
    });
  }
}

function urlOf(app: FastifyInstance): string {
  const { address, port } = app.server.address() as AddressInfo;
  return `http://${address.includes(':') ? `[${address}]` : address}:${port}`;
}
