// The log of long-lived processes: JSON lines on stderr, so that stdout stays the answer of a command.
// Loggers are made here and passed down; importing this module does no work.

import { type Logger, pino } from 'pino';
import type { Config } from './config.js';
import { messageOf } from './errors.js';

export type { Logger };

export function createLogger(config: Pick<Config, 'logLevel'>): Logger {
  const options = { level: config.logLevel, base: { pid: process.pid }, serializers: { err: describeError } };
  return pino(options, pino.destination({ dest: 2, sync: true }));
}

/** Only what tells the cause: errors of database clients carry the whole client with them, its password included. */
function describeError(error: unknown): object {
  if (typeof error !== 'object' || error === null) return { message: String(error) };
  const { name, message, code, stack } = error as Record<string, unknown>;
  return { name, message: message || messageOf(error), code, stack };
}
