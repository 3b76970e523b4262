// What is kept of each GraphQL request: its duration and errors for /metrics, a line of the log with its id, and the causes of internal
// errors, which clients do not see. The id is the client's x-request-id, or a new one; the answer carries it, too.

import { randomUUID } from 'node:crypto';
import type { ApolloServerPlugin, GraphQLResponse } from '@apollo/server';
import { unwrapResolverError } from '@apollo/server/errors';
import type { Context } from './context.js';
import type { Metrics } from './metrics.js';

const HEADER = 'x-request-id';
/** What others may write into our log. */
const SAFE_ID = /^[\w.:-]{1,100}$/;

export function requestsPlugin(metrics: Metrics): ApolloServerPlugin<Context> {
  return {
    async requestDidStart({ request, contextValue }) {
      const begun = performance.now();
      const given = request.http?.headers.get(HEADER) ?? '';
      const log = contextValue.log.child({ requestId: SAFE_ID.test(given) ? given : randomUUID() });
      return {
        async willSendResponse({ operationName, operation, response, errors = [] }) {
          const ms = performance.now() - begun;
          const name = operationName ?? (operation ? 'unnamed' : 'refused');
          const codes = codesOf(response);
          metrics.countRequest(name, ms / 1000, codes);
          response.http.headers.set(HEADER, String(log.bindings().requestId));
          log.debug({ operation: name, ms: Math.round(ms), errors: codes }, 'answered');
          if (!codes.includes('INTERNAL')) return;
          for (const error of errors)
            log.error(
              { err: unwrapResolverError(error), path: error.path, operation: name },
              'a resolver failed',
            );
        },
      };
    },
  };
}

function codesOf({ body }: GraphQLResponse): string[] {
  const errors = body.kind === 'single' ? (body.singleResult.errors ?? []) : [];
  return errors.map(({ extensions }) => String(extensions?.code ?? 'UNKNOWN'));
}
