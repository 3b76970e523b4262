// What a client sees of an error: an AppError with its code and hint, a GraphQL error as it is, anything else only
// as "Internal error", with the cause in the log (requests.ts).

import { unwrapResolverError } from '@apollo/server/errors';
import type { GraphQLFormattedError } from 'graphql';
import { AppError, type ErrorCode, hintOf } from '../errors.js';
import type { Logger } from '../log.js';
import { explainDatabaseError } from '../store/store.js';

/** PostgreSQL refuses a value that does not fit its type: only a forged cursor can hold one. */
const BAD_VALUE_STATES = new Set(['22P02', '22003', '22007', '22008']);

/** PostgreSQL's text holds no NUL. */
const NUL_STATE = '22021';

export function formatError(formatted: GraphQLFormattedError, error: unknown): GraphQLFormattedError {
  const cause = explainDatabaseError(unwrapResolverError(error));
  if (cause instanceof AppError) return withCode(formatted, cause.message, cause.code);
  const state = sqlStateOf(cause);
  if (state === NUL_STATE) {
    return withCode(formatted, 'a text holds a NUL character', 'BAD_INPUT');
  }
  if (BAD_VALUE_STATES.has(state)) {
    return withCode(formatted, 'the cursor is damaged', 'BAD_CURSOR');
  }
  if (formatted.extensions?.code !== 'INTERNAL_SERVER_ERROR') return formatted;
  return withCode(formatted, 'Internal error', 'INTERNAL');
}

/** formatError for what has no request around it: causes go to the log at once. */
export function createErrorFormatter(log: Logger): typeof formatError {
  return (formatted, error) => {
    const answer = formatError(formatted, error);
    if (answer.extensions?.code === 'INTERNAL')
      log.error({ err: unwrapResolverError(error), path: formatted.path }, 'a resolver failed');
    return answer;
  };
}

/** Prisma keeps PostgreSQL's own code deep inside its errors. */
function sqlStateOf(error: unknown): string {
  const { code, meta } = error as {
    code?: string;
    meta?: { driverAdapterError?: { cause?: { originalCode?: string } } };
  };
  return meta?.driverAdapterError?.cause?.originalCode ?? code ?? '';
}

function withCode(
  { locations, path }: GraphQLFormattedError,
  message: string,
  code: ErrorCode | 'INTERNAL',
): GraphQLFormattedError {
  const hint = hintOf(code) ?? 'Try again; the log of the server has the cause.';
  return { message, locations, path, extensions: { code, hint } };
}
