// Subscriptions and any other operation over a WebSocket at /graphql, by the protocol graphql-transport-ws. Requests of other sites are
// refused, as they are over HTTP: a browser opens a WebSocket to anywhere, and tells only the origin.

import type { IncomingMessage } from 'node:http';
import websocket from '@fastify/websocket';
import type { FastifyInstance } from 'fastify';
import {
  type ExecutionArgs,
  type ExecutionResult,
  execute,
  type GraphQLError,
  type GraphQLFormattedError,
  type GraphQLSchema,
  getOperationAST,
  parse,
  subscribe,
} from 'graphql';
import { makeHandler } from 'graphql-ws/use/@fastify/websocket';
import { type Context, createContext, type Services } from './context.js';
import { createErrorFormatter } from './errors.js';
import { checkCost } from './queryCost.js';

const MAX_MESSAGE_BYTES = 1 << 20;

export async function addSubscriptions(
  app: FastifyInstance,
  schema: GraphQLSchema,
  services: Services,
): Promise<void> {
  await app.register(websocket, {
    options: {
      maxPayload: MAX_MESSAGE_BYTES,
      verifyClient: ({ req }: { req: IncomingMessage }) => isOwnSite(req),
    },
  });
  const format = createErrorFormatter(services.log);
  const formatAll = (errors: readonly GraphQLError[]): GraphQLFormattedError[] =>
    errors.map((error) => format(withDefaultCode(error.toJSON(), error), error));
  const handler = makeHandler({
    schema,
    context: (_context, _id, _payload, { document, operationName }): Context => {
      const isQuery = getOperationAST(document, operationName)?.operation === 'query';
      return createContext(services, isQuery ? services.reads.store() : services.store);
    },
    // By itself it closes the connection, with all that goes on over it.
    onSubscribe: (_context, _id, { query }) => syntaxErrorsOf(query),
    execute: (args) => refusalOf(args) ?? execute(args),
    subscribe: (args) => refusalOf(args) ?? subscribe(args),
    onNext: (_context, _id, _payload, _args, { errors, ...result }) =>
      errors ? { ...result, errors: formatAll(errors as GraphQLError[]) as never } : undefined,
    onError: (_context, _id, _payload, errors) => formatAll(errors as GraphQLError[]),
  });
  app.route({
    method: 'GET',
    url: '/graphql',
    handler: (_request, reply) =>
      reply
        .code(405)
        .header('allow', 'POST')
        .send('Send queries by POST, or open a WebSocket (graphql-transport-ws).'),
    wsHandler: handler,
  });
}

/** None: undefined. */
function syntaxErrorsOf(query: string): readonly GraphQLError[] | undefined {
  try {
    parse(query);
    return undefined;
  } catch (error) {
    return [error as GraphQLError];
  }
}

/** After validation; null when it may be done. */
function refusalOf({ document, operationName, variableValues }: ExecutionArgs): ExecutionResult | null {
  try {
    checkCost(document, getOperationAST(document, operationName)!, variableValues ?? {});
    return null;
  } catch (error) {
    return { errors: [error as GraphQLError] };
  }
}

/** An error of a resolver has no code of GraphQL's own. */
function withDefaultCode(
  formatted: GraphQLFormattedError,
  { originalError }: GraphQLError,
): GraphQLFormattedError {
  if (!originalError || formatted.extensions?.code) return formatted;
  return { ...formatted, extensions: { code: 'INTERNAL_SERVER_ERROR' } };
}

function isOwnSite({ headers: { origin, host } }: IncomingMessage): boolean {
  if (origin === undefined) return true;
  return URL.canParse(origin) && new URL(origin).host === host;
}
