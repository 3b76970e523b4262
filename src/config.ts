// The only reader of the environment: parsed once, validated, frozen, passed down.
// What belongs to an experiment (seed, split, hyperparameters) is stored with the run and never read from here.

import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { AppError } from './errors.js';

const MAX_THREADS = 64;
const MAX_THREADS_UNASKED = 16;
const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'];

export interface Config {
  /** null: use the embedded PostgreSQL in `homeDir`. */
  databaseUrl: string | null;
  /** A streaming replica of it that queries of the API are read from; null: there is none. */
  readUrl: string | null;
  host: string;
  port: number;
  /** Folder of the embedded PostgreSQL. */
  homeDir: string;
  /** How many threads an engine may use for one training or one open model. */
  threads: number;
  logLevel: string;
}

/** One line each for `--help` and the README: name, default, meaning with range. */
export const ENVIRONMENT = [
  { name: 'DATABASE_URL', byDefault: 'unset', meaning: 'PostgreSQL ≥ 15 to use; unset: the embedded server' },
  {
    name: 'MARQUEE_READ_URL',
    byDefault: 'unset',
    meaning: 'streaming replica of DATABASE_URL that `serve` answers queries from',
  },
  { name: 'HOST', byDefault: '127.0.0.1', meaning: 'address to listen on' },
  { name: 'PORT', byDefault: '4000', meaning: 'port to listen on, 0 to 65535 (0: any free port)' },
  { name: 'MARQUEE_HOME', byDefault: '.marquee', meaning: 'folder of the embedded PostgreSQL' },
  {
    name: 'MARQUEE_THREADS',
    byDefault: `one per core, at most ${MAX_THREADS_UNASKED}`,
    meaning: `threads of an engine, 1 to ${MAX_THREADS}`,
  },
  { name: 'MARQUEE_LOG_LEVEL', byDefault: 'info', meaning: LOG_LEVELS.join(', ') },
] as const;

/** @throws AppError CONFIG_INVALID */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const known = new Set<string>(ENVIRONMENT.map((variable) => variable.name));
  const unknown = Object.keys(env).find((name) => name.startsWith('MARQUEE_') && !known.has(name));
  if (unknown) throw new AppError('CONFIG_INVALID', `unknown environment variable ${unknown}`);
  const databaseUrl = parseUrl(env.DATABASE_URL, 'DATABASE_URL');
  const readUrl = parseUrl(env.MARQUEE_READ_URL, 'MARQUEE_READ_URL');
  if (readUrl !== null && databaseUrl === null) {
    throw new AppError(
      'CONFIG_INVALID',
      'MARQUEE_READ_URL is set without DATABASE_URL, of which it is a replica',
    );
  }
  return Object.freeze({
    databaseUrl,
    readUrl,
    host: env.HOST || '127.0.0.1',
    port: parsePort(env.PORT || '4000', 'PORT'),
    homeDir: resolve(env.MARQUEE_HOME || '.marquee'),
    threads: parseThreads(env.MARQUEE_THREADS),
    logLevel: parseLogLevel(env.MARQUEE_LOG_LEVEL || 'info'),
  });
}

/** @throws AppError CONFIG_INVALID, naming `source` */
function parsePort(text: string, source: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65535) {
    throw new AppError('CONFIG_INVALID', `${source} is "${text}": expected a port from 0 to 65535`);
  }
  return port;
}

function parseThreads(text: string | undefined): number {
  if (!text) return Math.min(availableParallelism(), MAX_THREADS_UNASKED);
  const threads = Number(text);
  if (!/^\d+$/.test(text) || threads < 1 || threads > MAX_THREADS) {
    throw new AppError(
      'CONFIG_INVALID',
      `MARQUEE_THREADS is "${text}": expected a whole number from 1 to ${MAX_THREADS}`,
    );
  }
  return threads;
}

/** The version in package.json; recorded with each run. */
export function readVersion(): string {
  const manifest = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return JSON.parse(manifest).version;
}

function parseUrl(text: string | undefined, source: string): string | null {
  if (!text) return null;
  if (!URL.canParse(text) || !/^postgres(ql)?:$/.test(new URL(text).protocol)) {
    throw new AppError(
      'CONFIG_INVALID',
      `${source} is not of the form postgresql://user:password@host:port/database`,
    );
  }
  return text;
}

function parseLogLevel(text: string): string {
  if (!LOG_LEVELS.includes(text)) {
    throw new AppError(
      'CONFIG_INVALID',
      `MARQUEE_LOG_LEVEL is "${text}": expected one of ${LOG_LEVELS.join(', ')}`,
    );
  }
  return text;
}
