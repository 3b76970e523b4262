// The log of long-lived processes: JSON lines on stderr, so that stdout stays the answer of a command.
// Loggers are made here and passed down; importing this module does no work.

import { type Logger, pino } from 'pino';
import type { Config } from './config.js';

export type { Logger };

export function createLogger(config: Pick<Config, 'logLevel'>): Logger {
  return pino(
    { level: config.logLevel, base: { pid: process.pid } },
    pino.destination({ dest: 2, sync: true }),
  );
}
