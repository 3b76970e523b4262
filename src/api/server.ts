// The HTTP server: /graphql, /explorer, /health/*, /metrics, and the dashboard. Everything it needs comes as an argument.

import type { AddressInfo } from 'node:net';
import { ApolloServer } from '@apollo/server';
import { ApolloServerPluginLandingPageDisabled } from '@apollo/server/plugin/disabled';
import fastifyApollo, { fastifyApolloDrainPlugin } from '@as-integrations/fastify';
import fastify, { type FastifyInstance } from 'fastify';
import { type Context, createContext, readsPlugin, type Services } from './context.js';
import { addDashboard } from './dashboard.js';
import { formatError } from './errors.js';
import { addExplorer } from './explorer.js';
import { addHealth } from './health.js';
import { type ListenAddress, listenOn } from './listening.js';
import { addMetrics, createMetrics } from './metrics.js';
import { queryCostPlugin } from './queryCost.js';
import { requestsPlugin } from './requests.js';
import { createSchema } from './schema.js';
import { addSubscriptions } from './subscriptions.js';

export interface ApiServer {
  /** "http://127.0.0.1:4000" */
  url: string;
  close(): Promise<void>;
}

/** Listens when it returns. @throws AppError PORT_IN_USE, LISTEN_FAILED */
export async function startServer(services: Services, listen: ListenAddress): Promise<ApiServer> {
  const app = fastify({ forceCloseConnections: true, routerOptions: { ignoreTrailingSlash: true } });
  const schema = await createSchema();
  const metrics = createMetrics(services.store, services.reads);
  const observed = { ...services, recommender: metrics.timed(services.recommender) };
  const apollo = new ApolloServer<Context>({
    schema,
    introspection: true,
    includeStacktraceInErrorResponses: false,
    // Commands stop the server themselves; Apollo would send the signal a second time.
    stopOnTerminationSignals: false,
    formatError,
    plugins: [
      fastifyApolloDrainPlugin(app),
      ApolloServerPluginLandingPageDisabled(),
      requestsPlugin(metrics),
      queryCostPlugin(),
      readsPlugin(observed),
    ],
  });
  await apollo.start();
  await addSubscriptions(app, schema, observed);
  await app.register(fastifyApollo(apollo), {
    method: ['POST', 'OPTIONS'],
    context: async () => createContext(observed),
  });
  addExplorer(app);
  addHealth(app, services.reads);
  addMetrics(app, metrics);
  await addDashboard(app);
  try {
    await listenOn(listen, () => app.listen(listen));
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

function urlOf(app: FastifyInstance): string {
  const { address, port } = app.server.address() as AddressInfo;
  return `http://${address.includes(':') ? `[${address}]` : address}:${port}`;
}
